"""What was found in a picture."""

from __future__ import annotations

import base64
import ctypes as c
import html
import os
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _library as lib
from ._errors import UsageError
from ._pictures import PictureLike, Source, floats, source

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def _places(length: int, start: int, end: int, seen: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Of a side of a picture, whose part from `start` to `end` became `seen` pixels: the pixel that is nearest to each
    place of the side at that scale, and whether there is one."""
    import numpy as np

    count = max(1, round(length * seen / (end - start)))
    centres = (np.arange(count) + 0.5) * length / count
    found = np.floor((centres - start) * seen / (end - start)).astype(np.intp)
    return found.clip(0, seen - 1), (found >= 0) & (found < seen)


class ClassScore(NamedTuple):
    """How probable a class is for a picture."""

    number: int
    name: str
    logit: float
    probability: float


class Overlay:
    """A heatmap over the picture that it explains. Shows itself in a notebook."""

    def __init__(self, image: lib.Handle) -> None:
        self._image = image

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as PIL has them."""
        pointer = self._image.pointer
        return lib.function("image_width")(pointer), lib.function("image_height")(pointer)

    @property
    def array(self) -> NDArray[np.uint8]:
        """uint8 `[height, width, 3]`."""
        import numpy as np

        width, height = self.size
        start = lib.function("image_pixels")(self._image.pointer)
        pixels = (c.c_uint8 * (width * height * 3)).from_address(start)
        return np.frombuffer(bytes(pixels), np.uint8).reshape(height, width, 3)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a PNG file, which appears whole or not at all."""
        lib.call("image_write_png", self._image.pointer, lib.path_text(path))

    def png(self) -> bytes:
        """The bytes of a PNG file."""
        needed = c.c_size_t()
        lib.call("image_png", self._image.pointer, None, 0, c.byref(needed))
        buffer = (c.c_uint8 * needed.value)()
        lib.call("image_png", self._image.pointer, buffer, needed.value, c.byref(needed))
        return bytes(buffer)

    def to_pil(self) -> Any:
        """The same as PIL's picture."""
        from PIL import Image

        return Image.fromarray(self.array)

    def _repr_png_(self) -> bytes:
        return self.png()


class _Found:
    """A result of the library's, and what was asked."""

    def __init__(
        self, handle: lib.Handle, model: object, sources: list[Source], prompts: list[str], class_names: list[str]
    ) -> None:
        self.handle = handle
        # A classifier's head may be read when its logits are asked for.
        self._model = model
        self.sources = sources
        self.prompts = prompts
        self.class_names = class_names


class Explanation:
    """Where a picture answers each prompt, by one method. Shows itself in a notebook.

    With several methods, `by` has the others.
    """

    def __init__(self, found: _Found, picture: int, methods: tuple[str, ...], method: int = 0) -> None:
        self._found = found
        self._picture = picture
        self._method = method
        self.methods = methods
        """Every method that was asked for, with what it was told, such as `legrad last:2 mean`."""
        info = lib.started(lib.MapInfo)
        lib.call("result_describe", found.handle.pointer, picture, method, c.byref(info))
        self._info = info

    @property
    def prompts(self) -> list[str]:
        """The prompts, or the names of the classes, that maps are of."""
        return self._found.prompts

    @property
    def method(self) -> str:
        """The method of this explanation, with what it was told."""
        return self.methods[self._method]

    def by(self, method: str | int) -> Explanation:
        """The same picture explained by another method of the call.

        Args:
            method: its number, its name, or its name with what it was told.

        Raises:
            UsageError: for one that was not asked for, or a name that fits several.
        """
        if isinstance(method, int):
            numbers = [method] if 0 <= method < len(self.methods) else []
        else:
            numbers = [n for n, label in enumerate(self.methods) if label == method]
            numbers = numbers or [n for n, label in enumerate(self.methods) if label.split(" ")[0] == method]
        if len(numbers) != 1:
            raise UsageError(f"method: expected one of {', '.join(self.methods)}, found {method!r}")
        return Explanation(self._found, self._picture, self.methods, numbers[0])

    @property
    def layers(self) -> range:
        """Blocks that the method read, from 0."""
        return range(self._info.first_layer, self._info.first_layer + self._info.layers)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self._info.grid_height, self._info.grid_width

    @property
    def region(self) -> tuple[int, int, int, int]:
        """The part of the picture that the model saw: left, top, right, bottom in its pixels."""
        i = self._info
        return i.region_x, i.region_y, i.region_x + i.region_width, i.region_y + i.region_height

    def _numbers(self, name: str, *shape: int, of_method: bool = True) -> NDArray[np.float32]:
        import numpy as np

        values = np.empty(shape, np.float32)
        where = (self._picture, self._method) if of_method else (self._picture,)
        lib.call("result_" + name, self._found.handle.pointer, *where, floats(values), values.size)
        return values

    @cached_property
    def heatmaps(self) -> NDArray[np.float32]:
        """float32 `[prompts, height, width]` as the model saw it, from 0 to 1; 0 where a map says nothing."""
        return self._numbers("heatmaps", self._info.prompts, self._info.input_height, self._info.input_width)

    @cached_property
    def relevance(self) -> NDArray[np.float32]:
        """float32 `[prompts, rows, columns]` of the patch grid: the sum over layers, neither enlarged nor scaled."""
        return self._numbers("relevance", self._info.prompts, self._info.map_height, self._info.map_width)

    @cached_property
    def layer_relevance(self) -> NDArray[np.float32]:
        """float32 `[layers, prompts, rows, columns]`; one layer for methods that do not sum over them."""
        info = self._info
        layers = info.relevance_layers if info.prompts else 0
        return self._numbers("layer_relevance", layers, info.prompts, info.map_height, info.map_width)

    @cached_property
    def similarity(self) -> NDArray[np.float32]:
        """float32 `[prompts]`: cosines of picture and prompts; of a classifier the logits of the classes."""
        return self._numbers("similarities", self._info.prompts, of_method=False)

    @cached_property
    def embedding(self) -> NDArray[np.float32]:
        """float32 `[width]`: the picture's own, of length 1; of a classifier the features that its head reads."""
        width = lib.function("result_embedding_width")(self._found.handle.pointer)
        return self._numbers("embedding", width, of_method=False)

    @cached_property
    def logits(self) -> NDArray[np.float32]:
        """float32 `[classes]` of a classifier.

        Raises:
            UsageError: for a model without classes.
        """
        return self._numbers("logits", len(self._found.class_names), of_method=False)

    def top(self, count: int = 5) -> list[ClassScore]:
        """The most probable classes of a classifier, from the most probable on.

        Raises:
            UsageError: for a model without classes.
        """
        names = self._found.class_names
        count = min(count, len(names)) if names else count
        numbers, logits, probabilities = (c.c_uint64 * count)(), (c.c_float * count)(), (c.c_float * count)()
        lib.call(
            "result_top_classes", self._found.handle.pointer, self._picture, numbers, logits, probabilities, count
        )
        return [ClassScore(n, names[n], x, p) for n, x, p in zip(numbers, logits, probabilities)]

    def overlay(
        self, prompt: int = 0, *, alpha: float = 0.6, colormap: str = "viridis", over: PictureLike | None = None
    ) -> Overlay:
        """The heatmap of a prompt over the picture, as the command draws it.

        Args:
            prompt: its number.
            alpha: the heatmap's share of each pixel, above 0 and at most 1.
            colormap: viridis, turbo, jet or gray.
            over: the picture, where normalised pixels were explained.
        """
        style = lib.started(lib.OverlayStyle)
        style.alpha = alpha
        style.colormap = lib.text(colormap)
        drawn = self._found.sources[self._picture] if over is None else source(over)
        image = lib.make(
            "result_overlay", self._found.handle.pointer, self._picture, self._method, prompt, drawn.image().pointer,
            c.byref(style),
        )  # fmt: skip
        return Overlay(lib.Handle("image", image))

    def to_fiftyone(self) -> list[Any]:
        """A `fiftyone.Heatmap` for each prompt, in order, to be put into fields of a `fiftyone.Sample`.

        `map` is float32 of the whole picture, as finely as the model saw it, 0 where `resize` left something out;
        `range` is 0 to 1; `label` is the prompt, and `similarity` its value here. Needs the package fiftyone, and no
        database until samples go into a data set.
        """
        fiftyone: Any = import_module("fiftyone")
        maps = self._of_whole_picture()
        return [
            fiftyone.Heatmap(map=one, range=[0, 1], label=prompt, similarity=float(similarity))
            for one, prompt, similarity in zip(maps, self.prompts, self.similarity)
        ]

    def _of_whole_picture(self) -> NDArray[np.float32]:
        """Heatmaps laid over all of the picture, at the scale at which the model saw it."""
        import numpy as np

        picture = self._found.sources[self._picture].picture
        left, top, right, bottom = self.region
        if (left, top, right, bottom) == (0, 0, picture.width, picture.height):
            return self.heatmaps
        rows, in_rows = _places(picture.height, top, bottom, self._info.input_height)
        columns, in_columns = _places(picture.width, left, right, self._info.input_width)
        seen = in_rows[:, None] & in_columns[None, :]
        return np.where(seen, self.heatmaps[:, rows[:, None], columns[None, :]], np.float32(0))

    def __repr__(self) -> str:
        height, width = self._info.input_height, self._info.input_width
        return f"<Explanation of {len(self.prompts)} prompts by {self.method}, {width}x{height} pixels>"

    def _repr_html_(self) -> str:
        cells = []
        for number, name in enumerate(self.prompts):
            caption = f"{html.escape(name)}<br>{self.similarity[number]:.4f}"
            try:
                png = base64.b64encode(self.overlay(number).png()).decode()
                shown = f'<img style="max-width:20em" src="data:image/png;base64,{png}">'
            except UsageError:
                shown = "(no picture to draw on)"
            style = "display:inline-block;margin:.3em"
            cells.append(f'<figure style="{style}">{shown}<figcaption>{caption}</figcaption></figure>')
        return f"<div>{''.join(cells)}<div>{html.escape(self.method)}</div></div>"
