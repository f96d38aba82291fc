"""What people call a picture, as the library reads it: without a copy where the memory's layout allows."""

from __future__ import annotations

import ctypes as c
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from . import _library as lib
from ._errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@runtime_checkable
class PILImage(Protocol):
    """What is needed of PIL's pictures."""

    @property
    def mode(self) -> str: ...
    def convert(self, mode: str) -> Any: ...


class SupportsDLPack(Protocol):
    """An array of any library, on the CPU."""

    def __dlpack__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __dlpack_device__(self) -> tuple[Any, Any]: ...


PictureLike: TypeAlias = "str | os.PathLike[str] | PILImage | NDArray[Any] | SupportsDLPack"

RGB8, PREPARED = 0, 1


class Source:
    """A picture, with whatever keeps its pixels where they are."""

    def __init__(self, picture: lib.Picture, keeps: object, image: lib.Handle | None = None) -> None:
        self.picture = picture
        self._keeps = keeps
        self._image = image

    def image(self) -> lib.Handle:
        """The picture as an object of the library's, to draw on."""
        if self.picture.type != RGB8:
            raise UsageError("over: normalised pixels are no picture to draw on; give the picture as over=")
        if self._image is None:
            self._image = lib.Handle("image", lib.make("image_from_pixels", c.byref(self.picture)))
        return self._image


def source(value: PictureLike) -> Source:
    """Reads a file, or takes the pixels of what has some."""
    if isinstance(value, (str, os.PathLike)):
        image = lib.Handle("image", lib.make("image_read", lib.path_text(value)))
        picture = lib.Picture(
            lib.function("image_pixels")(image.pointer), RGB8, 0, lib.function("image_height")(image.pointer),
            lib.function("image_width")(image.pointer), 0)  # fmt: skip
        return Source(picture, image, image)
    import numpy as np

    if isinstance(value, PILImage):
        value = np.asarray(value if value.mode == "RGB" else value.convert("RGB"))
    return _of_array(array(value))


def array(value: Any, subject: str = "picture") -> NDArray[Any]:
    """The array, or a view of an array of another library by DLPack."""
    import numpy as np

    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "__dlpack__"):
        if getattr(value, "requires_grad", False):
            value = value.detach()
        device = getattr(value, "device", None)
        if getattr(device, "type", "cpu") != "cpu":
            raise UsageError(
                f"{subject}: expected an array in the CPU's memory, found one on {device}; call its .cpu()")
        try:
            return np.from_dlpack(value)
        except (BufferError, RuntimeError, TypeError, ValueError) as error:
            found = getattr(value, "dtype", type(value).__name__)
            raise UsageError(
                f"{subject}: expected an array that numpy can read, found {found} ({error}); convert it, as by .float()"
            ) from error
    raise UsageError(
        f"picture: expected a path, a PIL image, or a uint8 array [height, width, 3], found {type(value).__name__}"
    )


def _of_array(pixels: NDArray[Any]) -> Source:
    import numpy as np

    if pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.size:
        if pixels.shape[2] != 3 and pixels.shape[0] == 3:
            pixels = pixels.transpose(1, 2, 0)
        if pixels.shape[2] == 3:
            height, width, _ = pixels.shape
            if pixels.strides[2] != 1 or pixels.strides[1] != 3 or pixels.strides[0] < 3 * width:
                pixels = np.ascontiguousarray(pixels)
            return Source(lib.Picture(pixels.ctypes.data, RGB8, 0, height, width, pixels.strides[0]), pixels)
    if pixels.dtype.kind == "f" and pixels.ndim == 3 and pixels.shape[0] == 3 and pixels.size:
        floats = np.ascontiguousarray(pixels, dtype=np.float32)
        return Source(lib.Picture(floats.ctypes.data, PREPARED, 0, *floats.shape[1:], 0), floats)
    raise UsageError(
        "picture: expected uint8 [height, width, 3], or normalised floats [3, height, width], found "
        f"{pixels.dtype} {list(pixels.shape)}"
    )


def sources(
    value: PictureLike | Iterable[PictureLike], cancellation: lib.Cancellation | None = None
) -> tuple[list[Source], bool]:
    """Pictures of one or of many, and whether it was many."""
    if isinstance(value, (str, os.PathLike, PILImage)):
        return [source(value)], False
    if hasattr(value, "__dlpack__") or hasattr(value, "__array_interface__"):
        pixels = array(value)
        if pixels.ndim == 4:
            return [_of_array(one) for one in pixels], True
        return [_of_array(pixels)], False
    if isinstance(value, Iterable):
        found = []
        for one in value:
            if cancellation is not None:
                cancellation.check()
            found.append(source(one))
        return found, True
    return [source(value)], False


def floats(values: NDArray[np.float32]) -> Any:
    """Where an array's numbers are, for the library."""
    return values.ctypes.data_as(c.POINTER(c.c_float))


def listed(pictures: Sequence[Source]) -> Any:
    return (lib.Picture * len(pictures))(*[one.picture for one in pictures])
