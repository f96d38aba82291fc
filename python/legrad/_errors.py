"""What calls raise: each with one line that says what is wrong and what to do about it."""

from __future__ import annotations


class LegradError(Exception):
    """Any failure of the engine's."""


class UsageError(LegradError, ValueError):
    """The request makes no sense, or none for this model."""


class InputError(LegradError, OSError):
    """A model, a picture or another file is missing or bad."""


class DeviceError(LegradError, RuntimeError):
    """The device asked for cannot be used."""


class LegradMemoryError(LegradError, MemoryError):
    """Memory could not be had."""


class NumericalError(LegradError, ArithmeticError):
    """Numbers that are not finite came out."""


class InconsistentError(LegradError, ValueError):
    """Parts that do not belong together."""


class Cancelled(LegradError):
    """The call was asked to stop."""


BY_STATUS: dict[int, type[LegradError]] = {
    2: UsageError,
    3: InputError,
    4: DeviceError,
    5: LegradMemoryError,
    6: NumericalError,
    7: InconsistentError,
    8: Cancelled,
}
