"""Shows where in an image a CLIP-like vision transformer finds a text prompt.

>>> import legrad
>>> model = legrad.load("demo")
>>> explanation = model.explain("picture.png", ["a green cross", "a red disc"])
>>> explanation.heatmaps.shape
(2, 96, 96)
"""

from ._adapters import from_open_clip, from_timm, from_transformers
from ._errors import (
    Cancelled,
    DeviceError,
    InconsistentError,
    InputError,
    LegradError,
    LegradMemoryError,
    NumericalError,
    UsageError,
)
from ._explanation import ClassScore, Explanation, Overlay
from ._model import Device, Model, devices, load, load_async
from ._version import VERSION as __version__

__all__ = [
    "Cancelled",
    "ClassScore",
    "Device",
    "DeviceError",
    "Explanation",
    "InconsistentError",
    "InputError",
    "LegradError",
    "LegradMemoryError",
    "Model",
    "NumericalError",
    "Overlay",
    "UsageError",
    "__version__",
    "devices",
    "from_open_clip",
    "from_timm",
    "from_transformers",
    "load",
    "load_async",
]
