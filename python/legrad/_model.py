"""Models, and the devices that they run on."""

from __future__ import annotations

import ctypes as c
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, overload

from . import _library as lib
from ._errors import UsageError
from ._explanation import Explanation, _Found
from ._pictures import PictureLike, PILImage, Source, array, floats, listed, sources

if TYPE_CHECKING:
    from typing import TypedDict

    from numpy.typing import ArrayLike
    from typing_extensions import Unpack

    Progress = Callable[[int, int], None]

    class _Loaded(TypedDict, total=False):
        """What `load` takes by name."""

        device: str | int
        precision: str
        threads: int | None
        mean: Sequence[float] | None
        std: Sequence[float] | None
        memory_limit: int | None
        fold: bool
        hub_cache: str | os.PathLike[str] | None

    class _Asked(TypedDict, total=False):
        """What `Model.explain` takes by name, for its signatures: one picture gives one explanation, a list a list."""

        methods: str | Sequence[str]
        layers: str | int
        readout: str
        classes: Sequence[str | int] | str | int | None
        top: int
        embeddings: ArrayLike | None
        references: Any
        against: str | Sequence[str] | None
        size: int | tuple[int, int] | None
        resize: str
        correction: bool | float | None
        empty: ArrayLike | None
        batch: int
        progress: Progress | None


@dataclass(frozen=True)
class Device:
    """A device of this machine."""

    index: int
    kind: str
    name: str
    platform: str
    problem: str | None
    compute_units: int


def devices() -> list[Device]:
    """The devices of this machine: the CPU without OpenCL first, then OpenCL's."""
    found = lib.Handle("devices", lib.interruptible(lambda: lib.make("devices_list", None)))
    result = []
    for number in range(lib.function("devices_count")(found.pointer)):
        info = lib.started(lib.DeviceInfo)
        lib.call("devices_describe", found.pointer, number, c.byref(info))
        result.append(
            Device(
                info.index, lib.string(info.kind), lib.string(info.name), lib.string(info.platform),
                lib.string(info.problem) or None, info.compute_units,
            )
        )  # fmt: skip
    return result


def _hub_cache() -> str | None:
    """The cache of Hugging Face's hub, where huggingface_hub has it."""
    for name, end in (("HF_HUB_CACHE", ""), ("HUGGINGFACE_HUB_CACHE", ""), ("HF_HOME", "/hub")):
        if os.environ.get(name):
            return os.path.expanduser(os.environ[name]) + end
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.expanduser(base) + "/huggingface/hub"


def _cache_folder() -> str | None:
    """Where the command keeps what it builds for the next process."""
    folder = os.environ.get("LEGRAD_CACHE")
    if folder is not None:
        return folder or None
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (base if base.startswith("/") else os.path.expanduser("~/.cache")) + "/legrad"


def _options(
    device: str | int, precision: str, threads: int | None, mean: Sequence[float] | None,
    std: Sequence[float] | None, memory_limit: int | None, fold: bool,
) -> lib.Options:  # fmt: skip
    options = lib.started(lib.Options)
    options.device = lib.text(str(device))
    options.precision = lib.text(precision)
    if threads is not None and threads < 1:
        raise UsageError(f"threads: expected at least 1, found {threads}")
    options.threads = threads or 0
    options.cache_folder = lib.path_text(_cache_folder())
    options.instruction_set = lib.text(os.environ.get("LEGRAD_CPU_ISA") or None)
    from shutil import which

    command = lib.FOLDER / "bin" / "legrad"
    options.command = lib.path_text(command if command.exists() else which("legrad"))
    options.memory_limit = memory_limit or 0
    options.fold = fold
    for name, given in (("mean", mean), ("std", std)):
        if given is not None:
            if len(given) != 3:
                raise UsageError(f"{name}: expected three numbers, found {len(given)}")
            setattr(options, name, (c.c_double * 3)(*given))
    return options  # type: ignore[no-any-return]


def load(
    model: str | os.PathLike[str], *, device: str | int = "auto", precision: str = "f32", threads: int | None = None,
    mean: Sequence[float] | None = None, std: Sequence[float] | None = None, memory_limit: int | None = None,
    fold: bool = False, hub_cache: str | os.PathLike[str] | None = None,
) -> Model:  # fmt: skip
    """Opens a model and loads it onto a device.

    Args:
        model: a folder of OpenCLIP's, transformers' or timm's, a weight file in one, a name in the cache of the
            Hugging Face hub, or `"demo"` for the bundled model. Nothing is downloaded.
        device: `auto` (the first OpenCL GPU, else the CPU), `cpu`, `gpu`, `opencl`, or a device's index or name.
        precision: `f32`, `f16`, `bf16`, `bf16-split`, or `auto` for the device's fastest.
        threads: at work at a time; all that the process may use if None.
        mean: of the pixels' colour channels from 0 to 1, in place of the model's own.
        std: likewise.
        memory_limit: bytes of an OpenCL device to use at most.
        fold: one product in place of two on LeGrad's way back, for a third more weight memory.
        hub_cache: the folder of the hub's cache; where `HF_HUB_CACHE` and `HF_HOME` say if None.

    Raises:
        InputError: for a model that is not there or is bad.
        DeviceError: for a device that cannot be used.
    """
    options = _options(device, precision, threads, mean, std, memory_limit, fold)
    cache = lib.path_text(_hub_cache() if hub_cache is None else hub_cache)

    def work() -> Model:
        opened = lib.Handle("model", lib.make("model_open", lib.path_text(model), cache))
        return Model(opened, options)

    return lib.interruptible(work)  # type: ignore[no-any-return]


async def load_async(model: str | os.PathLike[str], **asked: Unpack[_Loaded]) -> Model:
    """`load` in a thread of the event loop's. A task that is cancelled does not wait for it."""
    import asyncio

    return await asyncio.to_thread(partial(load, model, **asked))


class Model:
    """A model on a device. Made by `load`; several threads may use one at the same time."""

    _KEPT_PROMPTS = 16

    def __init__(self, model: lib.Handle, options: lib.Options, keeps: object = None) -> None:
        self._model = model
        self._options = options
        self._explainer = lib.Handle(
            "explainer", lib.make("explainer_new", model.pointer, c.byref(options)), keeps)  # fmt: skip
        info = lib.started(lib.ModelInfo)
        lib.call("model_describe", model.pointer, c.byref(info))
        self._info = info
        self._encoded: OrderedDict[tuple[str, ...], lib.Handle] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return lib.string(lib.function("model_name")(self._model.pointer))

    @property
    def device(self) -> str:
        """The device in use and why, for people."""
        return lib.told("explainer_device", self._explainer)

    @property
    def precision(self) -> str:
        return lib.told("explainer_precision", self._explainer)

    @cached_property
    def classes(self) -> list[str] | None:
        """The classes of a classifier, in the order of its logits; None for a model that compares."""
        if not self._info.class_count:
            return None
        name = lib.function("model_class_name")
        return [lib.string(name(self._model.pointer, n)) for n in range(self._info.class_count)]

    @property
    def layers(self) -> int:
        """Blocks of the vision tower."""
        return int(self._info.layers)

    @property
    def patch_size(self) -> int:
        """Side of a patch in pixels."""
        return int(self._info.patch_size)

    @property
    def input_size(self) -> tuple[int, int]:
        """The model's own height and width in pixels."""
        return int(self._info.input_height), int(self._info.input_width)

    @property
    def mean(self) -> tuple[float, float, float] | None:
        """Of the pixels' red, green and blue from 0 to 1, by which they are normalised; None if nobody said."""
        return self._statistic("mean")

    @property
    def std(self) -> tuple[float, float, float] | None:
        """Standard deviation of the same."""
        return self._statistic("std")

    @property
    def takes_correction(self) -> bool:
        """Whether maps are corrected by a text without content, as SigLIP's are."""
        return bool(self._info.takes_correction)

    def _statistic(self, name: str) -> tuple[float, float, float] | None:
        given = getattr(self._options, name)
        if not given and not self._info.has_statistics:
            return None
        red, green, blue = given[:3] if given else getattr(self._info, name)
        return red, green, blue

    @property
    def embedding_width(self) -> int:
        return int(self._info.embedding_width)

    @property
    def parameter_count(self) -> int:
        return int(self._info.parameter_count)

    def __repr__(self) -> str:
        return f"<legrad.Model {self.name} on {self.device}>"

    # What is looked for.

    def encode(self, prompts: Sequence[str]) -> Any:
        """float32 `[prompts, width]`: unit embeddings of prompts.

        Raises:
            UsageError: for a model without a text tower.
        """
        import numpy as np

        queries = lib.interruptible(lambda: self._prompts(list(prompts)))
        rows = np.empty((len(prompts), lib.function("queries_width")(queries.pointer)), np.float32)
        lib.call("queries_rows", queries.pointer, floats(rows), rows.size)
        return rows

    async def encode_async(self, prompts: Sequence[str]) -> Any:
        """`encode` in a thread of the event loop's."""
        import asyncio

        return await asyncio.to_thread(self.encode, prompts)

    def _prompts(self, prompts: list[str]) -> lib.Handle:
        key = tuple(prompts)
        with self._lock:
            if key in self._encoded:
                self._encoded.move_to_end(key)
                return self._encoded[key]
        made = lib.make("encode_prompts", self._explainer.pointer, lib.texts(prompts), len(prompts))
        queries = lib.Handle("queries", made)
        with self._lock:
            self._encoded[key] = queries
            while len(self._encoded) > self._KEPT_PROMPTS:
                self._encoded.popitem(last=False)
        return queries

    def _class_number(self, name: str | int) -> int:
        number = c.c_uint64()
        lib.call("model_class_number", self._model.pointer, lib.text(str(name)), c.byref(number))
        return number.value

    def _of_classes(self, numbers: Sequence[int]) -> lib.Handle:
        listed = (c.c_uint64 * len(numbers))(*numbers)
        return lib.Handle("queries", lib.make("encode_classes", self._explainer.pointer, listed, len(numbers)))

    def _of_rows(self, rows: ArrayLike, names: Sequence[str] | None) -> lib.Handle:
        import numpy as np

        numbers = array(rows, "embeddings") if hasattr(rows, "__dlpack__") else rows
        given = np.ascontiguousarray(numbers, dtype=np.float32)
        if given.ndim == 1:
            given = given[None]
        if given.ndim != 2:
            raise UsageError(f"embeddings: expected [prompts, {self.embedding_width}], found {list(given.shape)}")
        listed = _names(names, len(given))
        return lib.Handle("queries", lib.make("queries_from_rows", floats(given), *given.shape, listed))

    def _of_pictures(self, pictures: PictureLike | Iterable[PictureLike], names: Sequence[str] | None) -> lib.Handle:
        given, _ = sources(pictures)
        listed_names = _names(names, len(given))
        made = lib.make(
            "encode_pictures", self._explainer.pointer, listed(given), c.sizeof(lib.Picture), len(given), listed_names
        )
        return lib.Handle("queries", made)

    def _wanted(
        self, prompts: str | Sequence[str] | None, classes: Sequence[str | int] | str | int | None,
        embeddings: ArrayLike | None, references: Any,
    ) -> lib.Handle | None:  # fmt: skip
        if (classes is not None) + (embeddings is not None) + (references is not None) > 1:
            raise UsageError("classes, embeddings, references: expected one of them, found several")
        names = [prompts] if isinstance(prompts, str) else None if prompts is None else list(prompts)
        if embeddings is not None:
            return self._of_rows(embeddings, names)
        if references is not None:
            return self._of_pictures(references, names)
        if classes is not None:
            if names is not None:
                raise UsageError("prompts, classes: expected one of them, found both")
            wanted = [classes] if isinstance(classes, (str, int)) else list(classes)
            return self._of_classes([self._class_number(one) for one in wanted])
        return None if names is None else self._prompts(names)

    # Explaining.

    @overload
    def explain(
        self, pictures: str | os.PathLike[str] | PILImage, prompts: str | Sequence[str] | None = None,
        **asked: Unpack[_Asked],
    ) -> Explanation: ...  # fmt: skip
    @overload
    def explain(
        self, pictures: list[Any] | tuple[Any, ...], prompts: str | Sequence[str] | None = None, **asked: Unpack[_Asked]
    ) -> list[Explanation]: ...
    @overload
    def explain(
        self, pictures: Any, prompts: str | Sequence[str] | None = None, **asked: Unpack[_Asked]
    ) -> Any: ...
    def explain(
        self, pictures: Any, prompts: str | Sequence[str] | None = None, *,
        methods: str | Sequence[str] = "legrad", layers: str | int = "last:2", readout: str = "mean",
        classes: Sequence[str | int] | str | int | None = None, top: int = 1, embeddings: ArrayLike | None = None,
        references: Any = None, against: str | Sequence[str] | None = None,
        size: int | tuple[int, int] | None = None, resize: str = "squash", correction: bool | float | None = None,
        empty: ArrayLike | None = None, batch: int = 8, progress: Progress | None = None,
    ) -> Any:  # fmt: skip
        """Explains one picture, or a list of them, for prompts or classes.

        Args:
            pictures: a path, a PIL image, a uint8 array `[height, width, 3]`, normalised floats `[3, height, width]`
                (numpy's, or any array's that has DLPack), or a list or a 4-dimensional array of them.
            prompts: what to look for. Names where `embeddings` or `references` are given.
            methods: one or several: legrad, raw-attention, rollout, gradcam, chefercam, chefercam-all, lrp,
                partial-lrp, textspan; with what one is told such as `"rollout from 2"`, or `"legrad all cls"`.
            layers: the blocks that legrad sums: `all`, `last:N` or a number N of the last, or `A..B`.
            readout: the token that legrad reads: `mean` or `cls`.
            classes: of a classifier, by name or number.
            top: without classes, how many of a classifier's most probable ones.
            embeddings: float `[prompts, width]` in place of prompts.
            references: pictures to look for.
            against: kept for prompts that maps are contrasted with, which no method does yet.
            size: the model's input in pixels, a side or (height, width); its own if None.
            resize: `squash`, `crop`, `fit`, or `processor` as the folder's own library prepares pictures.
            correction: SigLIP's, by a text without content: a threshold from 0 to 1, or False for none.
            empty: float `[1, width]` in place of that text's embedding.
            batch: pictures at a time; each gets the bits that it gets alone.
            progress: told how many pictures are done, of how many.

        Returns:
            An `Explanation`, or one for each picture of a list.

        Raises:
            UsageError: for what makes no sense for this model; nothing is computed then.
            InputError: for a picture that cannot be read.
            KeyboardInterrupt: before the next block of the model, or the next file that is read.
        """
        cancellation = lib.Cancellation()
        return lib.interruptible(
            partial(
                self._explained, cancellation, pictures, prompts, methods, layers, readout, classes, top, embeddings,
                references, against, size, resize, correction, empty, batch, progress,
            ),
            cancellation,
        )  # fmt: skip

    @overload
    async def explain_async(
        self, pictures: str | os.PathLike[str] | PILImage, prompts: str | Sequence[str] | None = None,
        **asked: Unpack[_Asked],
    ) -> Explanation: ...  # fmt: skip
    @overload
    async def explain_async(
        self, pictures: list[Any] | tuple[Any, ...], prompts: str | Sequence[str] | None = None, **asked: Unpack[_Asked]
    ) -> list[Explanation]: ...
    @overload
    async def explain_async(
        self, pictures: Any, prompts: str | Sequence[str] | None = None, **asked: Unpack[_Asked]
    ) -> Any: ...
    async def explain_async(
        self, pictures: Any, prompts: str | Sequence[str] | None = None, *,
        methods: str | Sequence[str] = "legrad", layers: str | int = "last:2", readout: str = "mean",
        classes: Sequence[str | int] | str | int | None = None, top: int = 1, embeddings: ArrayLike | None = None,
        references: Any = None, against: str | Sequence[str] | None = None,
        size: int | tuple[int, int] | None = None, resize: str = "squash", correction: bool | float | None = None,
        empty: ArrayLike | None = None, batch: int = 8, progress: Progress | None = None,
    ) -> Any:  # fmt: skip
        """`explain` in a thread of the event loop's; a task that is cancelled stops it before its next block."""
        # Half of what importing this package would take otherwise.
        import asyncio

        cancellation = lib.Cancellation()
        try:
            return await asyncio.to_thread(
                self._explained, cancellation, pictures, prompts, methods, layers, readout, classes, top, embeddings,
                references, against, size, resize, correction, empty, batch, progress,
            )  # fmt: skip
        except asyncio.CancelledError:
            cancellation.cancel()
            raise

    def _explained(
        self, cancellation: lib.Cancellation, pictures: Any, prompts: str | Sequence[str] | None,
        methods: str | Sequence[str], layers: str | int, readout: str, classes: Any, top: int, embeddings: Any,
        references: Any, against: Any, size: int | tuple[int, int] | None, resize: str,
        correction: bool | float | None, empty: ArrayLike | None, batch: int, progress: Progress | None,
    ) -> Explanation | list[Explanation]:  # fmt: skip
        labels = [_label(one, layers, readout) for one in ([methods] if isinstance(methods, str) else methods)]
        if not labels:
            raise UsageError("methods: expected at least one, found none")
        if against is not None:
            raise UsageError(
                "against: maps of one prompt against another are not made yet; leave it out, explain both prompts and "
                "compare their maps"
            )
        if batch < 1 or top < 1:
            raise UsageError(f"batch, top: expected at least 1, found {batch} and {top}")
        given, is_list = sources(pictures, cancellation)
        queries = self._wanted(prompts, classes, embeddings, references)
        run = partial(
            self._run, cancellation=cancellation, labels=labels, size=size, resize=resize, correction=correction,
            empty=None if empty is None else self._of_rows(empty, None), batch=batch,
        )  # fmt: skip
        if queries is None and self.classes is not None:
            result = []
            first = run(given, None, progress=None)
            for number, (explanation, one) in enumerate(zip(first, given)):
                chosen = self._of_classes([score.number for score in explanation.top(top)])
                result += run([one], chosen, progress=None)
                if progress is not None:
                    progress(number + 1, len(given))
        elif queries is None:
            raise UsageError(
                f"prompts: {self.name} compares pictures with prompts, embeddings or references; give some"
            )
        else:
            result = run(given, queries, progress=progress)
        return result if is_list else result[0]

    def _run(
        self, given: list[Source], queries: lib.Handle | None, *, cancellation: lib.Cancellation, labels: list[str],
        size: int | tuple[int, int] | None, resize: str, correction: bool | float | None, empty: lib.Handle | None,
        batch: int, progress: Progress | None,
    ) -> list[Explanation]:  # fmt: skip
        request = lib.started(lib.Request)
        request.picture_size = c.sizeof(lib.Picture)
        request.pictures = listed(given)
        request.picture_count = len(given)
        request.methods = lib.texts(labels)
        request.method_count = len(labels)
        request.resize = lib.text(resize)
        request.batch = batch
        request.cancellation = cancellation.pointer
        if queries is not None:
            request.queries = queries.pointer
        if size is not None:
            request.height, request.width = (size, size) if isinstance(size, int) else size
        if correction is False:
            request.correction = 1
        elif correction is not None and correction is not True:
            request.correction, request.correction_threshold = 2, correction
        if empty is not None:
            request.empty = empty.pointer
        failures: list[BaseException] = []
        if progress is not None:

            def tell(_: Any, done: int, total: int) -> None:
                try:
                    progress(done, total)
                except BaseException as error:  # noqa: BLE001: raised again once the library is left
                    failures.append(error)
                    cancellation.cancel()

            request.progress = lib.ProgressCallback(tell)
        try:
            result = lib.Handle("result", lib.make("explain", self._explainer.pointer, c.byref(request)))
        except Exception:
            if failures:
                raise failures[0] from None
            raise
        if failures:
            raise failures[0]
        name = lib.function("queries_name")
        count = 0 if queries is None else lib.function("queries_count")(queries.pointer)
        prompts = [] if queries is None else [lib.string(name(queries.pointer, n)) for n in range(count)]
        found = _Found(result, self, given, prompts, self.classes or [])
        method = lib.function("result_method")
        told = tuple(lib.string(method(result.pointer, n)) for n in range(len(labels)))
        return [Explanation(found, number, told) for number in range(len(given))]


def _names(names: Sequence[str] | None, count: int) -> Any:
    """Names for so many rows: the library reads as many."""
    if names is None:
        return None
    if len(names) != count:
        raise UsageError(f"prompts as names: expected {count}, one for each, found {len(names)}")
    return lib.texts(names)


def _label(method: str, layers: str | int, readout: str) -> str:
    """A method with what it is told."""
    if method != "legrad":
        return method
    return f"legrad {f'last:{layers}' if isinstance(layers, int) else layers} {readout}"


if sys.platform != "linux":
    raise ImportError(f"legrad: expected Linux on x86-64, found {sys.platform}; use it there")
