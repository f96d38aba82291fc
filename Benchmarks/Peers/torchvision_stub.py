"""Lets the pure-Python part of torchvision be imported beside a CPU build of torch.

torchvision registers shape functions for compiled operators that such a build lacks; those registrations are
skipped. Import this before anything that imports torchvision.
"""

import torch.library

_register_fake = torch.library.register_fake


def _register_fake_if_there(*arguments, **options):
    try:
        decorate = _register_fake(*arguments, **options)
    except Exception:
        return lambda function: function

    def decorate_if_there(function):
        try:
            return decorate(function)
        except Exception:
            return function

    return decorate_if_there


torch.library.register_fake = _register_fake_if_there
