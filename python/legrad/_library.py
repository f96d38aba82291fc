"""liblegrad.so by ctypes: the structs and functions of legrad.h, and errors as exceptions.

ctypes lets other Python threads run while a function of the library does.
"""

from __future__ import annotations

import ctypes as c
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ._errors import BY_STATUS, Cancelled, LegradError

ABI_VERSION = 1


class Text(c.Structure):
    _fields_ = [("bytes", c.c_char_p), ("length", c.c_size_t)]


class OwnedText(c.Structure):
    """A text of the library's, which ends where its length says and has no zero there."""

    _fields_ = [("bytes", c.c_void_p), ("length", c.c_size_t)]


ReleaseCallback = c.CFUNCTYPE(None, c.c_void_p)
NotifyCallback = c.CFUNCTYPE(None, c.c_void_p, OwnedText)
ProgressCallback = c.CFUNCTYPE(None, c.c_void_p, c.c_uint64, c.c_uint64)


class Tensor(c.Structure):
    _fields_ = [
        ("name", Text), ("data", c.c_void_p), ("byte_count", c.c_size_t), ("shape", c.POINTER(c.c_uint64)),
        ("strides", c.POINTER(c.c_uint64)), ("rank", c.c_uint32), ("type", c.c_uint32),
    ]  # fmt: skip


class MemoryModel(c.Structure):
    _fields_ = [
        ("size", c.c_size_t), ("version", c.c_uint32), ("tensor_size", c.c_uint32), ("tensors", c.POINTER(Tensor)),
        ("tensor_count", c.c_size_t), ("configuration", Text), ("preprocessor", Text), ("tokenizer_folder", Text),
        ("name", Text), ("release", ReleaseCallback), ("context", c.c_void_p),
    ]  # fmt: skip


class ModelInfo(c.Structure):
    _fields_ = [
        ("size", c.c_size_t), ("version", c.c_uint32), ("has_text", c.c_uint32), ("class_count", c.c_uint64),
        ("embedding_width", c.c_uint64), ("layers", c.c_uint64), ("patch_size", c.c_uint64),
        ("input_height", c.c_uint64), ("input_width", c.c_uint64), ("parameter_count", c.c_uint64),
        ("has_statistics", c.c_uint32), ("takes_correction", c.c_uint32), ("mean", c.c_double * 3),
        ("std", c.c_double * 3),
    ]  # fmt: skip


class Options(c.Structure):
    _fields_ = [
        ("size", c.c_size_t), ("version", c.c_uint32), ("threads", c.c_uint32), ("device", Text), ("precision", Text),
        ("cache_folder", Text), ("instruction_set", Text), ("kernel_variant", Text), ("command", Text),
        ("memory_limit", c.c_uint64), ("mean", c.POINTER(c.c_double)), ("std", c.POINTER(c.c_double)),
        ("fold", c.c_uint32), ("reserved", c.c_uint32), ("notify", NotifyCallback), ("context", c.c_void_p),
    ]  # fmt: skip


class DeviceInfo(c.Structure):
    _fields_ = [
        ("size", c.c_size_t), ("version", c.c_uint32), ("index", c.c_uint32), ("kind", OwnedText), ("name", OwnedText),
        ("platform", OwnedText), ("problem", OwnedText), ("compute_units", c.c_uint64),
    ]  # fmt: skip


class Picture(c.Structure):
    _fields_ = [
        ("pixels", c.c_void_p), ("type", c.c_uint32), ("reserved", c.c_uint32), ("height", c.c_uint64),
        ("width", c.c_uint64), ("row_bytes", c.c_uint64),
    ]  # fmt: skip


class Request(c.Structure):
    _fields_ = [
        ("size", c.c_size_t), ("version", c.c_uint32), ("picture_size", c.c_uint32), ("pictures", c.POINTER(Picture)),
        ("picture_count", c.c_size_t), ("queries", c.c_void_p), ("methods", c.POINTER(Text)),
        ("method_count", c.c_size_t), ("resize", Text), ("height", c.c_uint64), ("width", c.c_uint64),
        ("empty", c.c_void_p), ("correction", c.c_int32), ("correction_threshold", c.c_float), ("batch", c.c_uint64),
        ("cancellation", c.c_void_p), ("progress", ProgressCallback), ("context", c.c_void_p),
    ]  # fmt: skip


class MapInfo(c.Structure):
    _fields_ = [
        ("size", c.c_size_t), ("version", c.c_uint32), ("reserved", c.c_uint32), ("prompts", c.c_uint64),
        ("first_layer", c.c_uint64), ("layers", c.c_uint64), ("relevance_layers", c.c_uint64),
        ("map_height", c.c_uint64), ("map_width", c.c_uint64), ("grid_height", c.c_uint64),
        ("grid_width", c.c_uint64), ("input_height", c.c_uint64), ("input_width", c.c_uint64),
        ("region_x", c.c_int64), ("region_y", c.c_int64), ("region_height", c.c_uint64),
        ("region_width", c.c_uint64),
    ]  # fmt: skip


class OverlayStyle(c.Structure):
    _fields_ = [("size", c.c_size_t), ("version", c.c_uint32), ("alpha", c.c_float), ("colormap", Text)]


SIZED: tuple[type[c.Structure], ...] = (MemoryModel, ModelInfo, Options, DeviceInfo, Request, MapInfo, OverlayStyle)
STRUCTS: dict[str, type[c.Structure]] = {
    "legrad_text": Text, "legrad_tensor": Tensor, "legrad_memory_model": MemoryModel, "legrad_model_info": ModelInfo,
    "legrad_options": Options, "legrad_device_info": DeviceInfo, "legrad_picture": Picture, "legrad_request": Request,
    "legrad_map_info": MapInfo, "legrad_overlay_style": OverlayStyle,
}  # fmt: skip

_P, _S, _E = c.c_void_p, c.c_size_t, c.POINTER(c.c_void_p)
_F = c.POINTER(c.c_float)
_STATUS = c.c_int32

# Name: (result, parameters). Those that return _STATUS take an error last.
FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "version": (OwnedText, []), "abi_version": (c.c_uint32, []),
    "error_kind": (_STATUS, [_P]), "error_message": (OwnedText, [_P]), "error_free": (None, [_P]),
    "cancellation_new": (_P, []), "cancellation_cancel": (None, [_P]), "cancellation_free": (None, [_P]),
    "model_open": (_STATUS, [Text, Text, _E, _E]),
    "model_from_memory": (_STATUS, [c.POINTER(MemoryModel), _E, _E]),
    "model_describe": (_STATUS, [_P, c.POINTER(ModelInfo), _E]),
    "model_name": (OwnedText, [_P]), "model_class_name": (OwnedText, [_P, c.c_uint64]),
    "model_class_number": (_STATUS, [_P, Text, c.POINTER(c.c_uint64), _E]),
    "model_check_method": (_STATUS, [_P, Text, _E]), "model_free": (None, [_P]),
    "devices_list": (_STATUS, [c.POINTER(Options), _E, _E]), "devices_count": (_S, [_P]),
    "devices_describe": (_STATUS, [_P, _S, c.POINTER(DeviceInfo), _E]), "devices_free": (None, [_P]),
    "explainer_new": (_STATUS, [_P, c.POINTER(Options), _E, _E]),
    "explainer_device": (_S, [_P, c.c_char_p, _S]), "explainer_precision": (_S, [_P, c.c_char_p, _S]),
    "explainer_free": (None, [_P]),
    "encode_prompts": (_STATUS, [_P, c.POINTER(Text), _S, _E, _E]),
    "encode_classes": (_STATUS, [_P, c.POINTER(c.c_uint64), _S, _E, _E]),
    "encode_pictures": (_STATUS, [_P, c.POINTER(Picture), _S, _S, c.POINTER(Text), _E, _E]),
    "queries_from_rows": (_STATUS, [_F, _S, _S, c.POINTER(Text), _E, _E]),
    "queries_count": (_S, [_P]), "queries_width": (_S, [_P]), "queries_name": (OwnedText, [_P, _S]),
    "queries_cut": (_S, [_P, _S]), "queries_rows": (_STATUS, [_P, _F, _S, _E]), "queries_free": (None, [_P]),
    "explain": (_STATUS, [_P, c.POINTER(Request), _E, _E]),
    "result_describe": (_STATUS, [_P, _S, _S, c.POINTER(MapInfo), _E]), "result_method": (OwnedText, [_P, _S]),
    "result_relevance": (_STATUS, [_P, _S, _S, _F, _S, _E]),
    "result_layer_relevance": (_STATUS, [_P, _S, _S, _F, _S, _E]),
    "result_heatmaps": (_STATUS, [_P, _S, _S, _F, _S, _E]),
    "result_similarities": (_STATUS, [_P, _S, _F, _S, _E]),
    "result_embedding": (_STATUS, [_P, _S, _F, _S, _E]), "result_embedding_width": (_S, [_P]),
    "result_logits": (_STATUS, [_P, _S, _F, _S, _E]),
    "result_top_classes": (_STATUS, [_P, _S, c.POINTER(c.c_uint64), _F, _F, _S, _E]),
    "result_overlay": (_STATUS, [_P, _S, _S, _S, _P, c.POINTER(OverlayStyle), _E, _E]),
    "result_free": (None, [_P]),
    "image_read": (_STATUS, [Text, _E, _E]), "image_from_pixels": (_STATUS, [c.POINTER(Picture), _E, _E]),
    "image_height": (c.c_uint64, [_P]), "image_width": (c.c_uint64, [_P]), "image_pixels": (_P, [_P]),
    "image_write_png": (_STATUS, [_P, Text, _E]),
    "image_png": (_STATUS, [_P, c.POINTER(c.c_uint8), _S, c.POINTER(_S), _E]), "image_free": (None, [_P]),
}  # fmt: skip

FOLDER = Path(__file__).resolve().parent


def _opened() -> c.CDLL:
    path = os.environ.get("LEGRAD_LIBRARY") or str(FOLDER / "liblegrad.so")
    try:
        library = c.CDLL(path)
    except OSError as error:
        raise ImportError(
            f"{path}: the library of this package cannot be opened ({error}); "
            "install the wheel for this system, Linux on x86-64 with glibc"
        ) from error
    for name, (result, parameters) in FUNCTIONS.items():
        function = getattr(library, "legrad_" + name)
        function.restype = result
        function.argtypes = parameters
    version = library.legrad_abi_version()
    if version != ABI_VERSION:
        raise ImportError(
            f"{path}: expected version {ABI_VERSION} of its functions, found {version}; install legrad again"
        )
    return library


_library: c.CDLL | None = None
_opening = threading.Lock()


def function(name: str) -> Any:
    """A function of the library's, which is opened when it is first needed."""
    global _library
    with _opening:
        if _library is None:
            _library = _opened()
        library = _library
    return getattr(library, "legrad_" + name)


def call(name: str, *arguments: Any) -> None:
    """Calls a function that returns a status, and raises what it says."""
    error = c.c_void_p()
    status = function(name)(*arguments, c.byref(error))
    if status == 0:
        return
    try:
        message = string(function("error_message")(error))
    finally:
        function("error_free")(error)
    raise BY_STATUS.get(status, LegradError)(message)


def make(name: str, *arguments: Any) -> c.c_void_p:
    """The same for a function that makes something."""
    made = c.c_void_p()
    call(name, *arguments, c.byref(made))
    return made


def started(struct: Any) -> Any:
    """A struct that says its size and version, all else zero."""
    made = struct()
    made.size = c.sizeof(struct)
    made.version = ABI_VERSION
    return made


def text(value: str | bytes | os.PathLike[str] | None) -> Text:
    """A text for the library, which reads it during a call."""
    if value is None:
        return Text(None, 0)
    encoded = value.encode() if isinstance(value, str) else os.fsencode(value)
    return Text(encoded, len(encoded))


def path_text(value: str | bytes | os.PathLike[str] | None) -> Text:
    """The same for a path, which may hold any bytes."""
    return text(None if value is None else os.fsencode(value))


def texts(values: Sequence[str]) -> Any:
    return (Text * len(values))(*[text(value) for value in values])


def string(value: OwnedText) -> str:
    return c.string_at(value.bytes, value.length).decode() if value.length else ""


def told(name: str, handle: Handle) -> str:
    """What a function writes into a buffer of text."""
    length = function(name)(handle.pointer, None, 0)
    buffer = c.create_string_buffer(max(1, length))
    function(name)(handle.pointer, buffer, length)
    return buffer.raw[:length].decode(errors="replace")


class Handle:
    """An object of the library's, freed with the last reference to this one."""

    def __init__(self, kind: str, pointer: c.c_void_p, keeps: object = None) -> None:
        self.pointer = pointer
        # The finalizer holds what the object reads, until it is freed.
        self._finalizer = weakref.finalize(self, _free, function(kind + "_free"), pointer.value, keeps)

    def free(self) -> None:
        self._finalizer()


def _free(free: Callable[[int | None], None], pointer: int | None, keeps: object) -> None:
    free(pointer)


class Cancellation:
    """Stops the calls that are given it before their next block of the model."""

    def __init__(self) -> None:
        self._handle = Handle("cancellation", c.c_void_p(function("cancellation_new")()))
        self._asked = False

    @property
    def pointer(self) -> c.c_void_p:
        return self._handle.pointer

    def cancel(self) -> None:
        self._asked = True
        function("cancellation_cancel")(self.pointer)

    def check(self) -> None:
        """Ends what Python does before or between calls of the library."""
        if self._asked:
            raise Cancelled("stopped, as was asked")


def interruptible(work: Callable[[], Any], cancellation: Cancellation | None = None) -> Any:
    """Runs `work` such that Ctrl-C is met while it does.

    Python raises KeyboardInterrupt in the main thread alone, between two steps of its own: the work is done by
    another one meanwhile.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    outcome: list[tuple[bool, Any]] = []

    def run() -> None:
        try:
            outcome.append((True, work()))
        except BaseException as error:  # noqa: BLE001: raised again where it belongs
            outcome.append((False, error))

    thread = threading.Thread(target=run, name="legrad")
    thread.start()
    try:
        thread.join()
    except KeyboardInterrupt:
        if cancellation is not None:
            cancellation.cancel()
        thread.join()
        raise
    succeeded, value = outcome[0]
    if succeeded:
        return value
    raise value
