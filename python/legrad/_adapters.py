"""Models of other libraries, whose weights are read where they lie in memory."""

from __future__ import annotations

import ctypes as c
import json
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from . import _library as lib
from ._errors import UsageError
from ._model import Model, _options

_TYPES = {"torch.float64": 1, "torch.float32": 2, "torch.float16": 3, "torch.bfloat16": 4}
_OTHER = 5


def _tensors(state: Mapping[str, Any]) -> tuple[Any, list[object]]:
    """The tensors of a state dict as the library reads them, and what keeps them where they are."""
    keeps: list[object] = []
    described = (lib.Tensor * len(state))()
    for place, (name, tensor) in zip(described, state.items()):
        kind = _TYPES.get(str(tensor.dtype), _OTHER)
        if kind != _OTHER:
            tensor = tensor.detach()
            if tensor.device.type != "cpu":
                tensor = tensor.cpu()
            place.data = tensor.data_ptr()
            storage = tensor.untyped_storage()
            place.byte_count = storage.nbytes() - tensor.storage_offset() * tensor.element_size()
            keeps.append(tensor)
        shape, strides = list(tensor.shape), list(tensor.stride())
        lengths, steps = (c.c_uint64 * len(shape))(*shape), (c.c_uint64 * len(shape))(*strides)
        place.name = lib.text(name)
        place.shape = lengths
        place.strides = steps
        place.rank = len(shape)
        place.type = kind
        keeps += [lengths, steps]
    return described, keeps


def _from_state(
    state: Mapping[str, Any], configuration: Mapping[str, Any] | str, *, name: str, preprocessor: str | None = None,
    tokenizer: Any = None, options: lib.Options,
) -> Model:  # fmt: skip
    described, keeps = _tensors(state)
    request = lib.started(lib.MemoryModel)
    request.tensor_size = c.sizeof(lib.Tensor)
    request.tensors = described
    request.tensor_count = len(described)
    request.configuration = lib.text(configuration if isinstance(configuration, str) else json.dumps(configuration))
    request.preprocessor = lib.text(preprocessor)
    request.name = lib.text(name)
    with tempfile.TemporaryDirectory(prefix="legrad-") as folder:
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)
            request.tokenizer_folder = lib.path_text(folder)

        def work() -> Model:
            opened = lib.Handle("model", lib.make("model_from_memory", c.byref(request)), keeps)
            return Model(opened, options, keeps)

        return lib.interruptible(work)  # type: ignore[no-any-return]


def from_open_clip(
    model: Any, preprocess: Any = None, *, config: str | Mapping[str, Any] | None = None, tokenizer: Any = None,
    device: str | int = "auto", precision: str = "f32", threads: int | None = None,
    mean: Sequence[float] | None = None, std: Sequence[float] | None = None,
) -> Model:  # fmt: skip
    """A model of open_clip's, as it is in memory. The module is not changed, and must not be while this model lives.

    Args:
        model: such as `open_clip.create_model(…)` gives.
        preprocess: its transform for inference, whose normalisation is taken; the model's own if None.
        config: the name of its architecture, or what `open_clip.get_model_config(name)` says; read from the module if
            None, which is possible for open_clip's own vision transformers.
        tokenizer: transformers' tokenizer, for models that use one (`open_clip.get_tokenizer(name).tokenizer`).
        device: as of `load`.
        precision: as of `load`.
        threads: as of `load`.
        mean: of the pixels' colour channels from 0 to 1, in place of the transform's and the model's own.
        std: likewise.

    Raises:
        UsageError: for a module whose architecture cannot be read from it.
        InputError: for one that the engine does not support, naming what is in the way.
    """
    if isinstance(config, str):
        found: Mapping[str, Any] | None = import_module("open_clip").get_model_config(config)
        if found is None:
            raise UsageError(f"config: expected an architecture of open_clip's, found {config!r}")
        config = found
    architecture = dict(config) if config is not None else _open_clip_architecture(model)
    means, deviations = _normalisation(preprocess)
    visual: Any = getattr(model, "visual", None)
    settings: dict[str, Any] = {
        "mean": list(means or getattr(visual, "image_mean", None) or ()) or None,
        "std": list(deviations or getattr(visual, "image_std", None) or ()) or None,
    }
    top = {"model_cfg": architecture, "preprocess_cfg": {k: v for k, v in settings.items() if v is not None}}
    options = _options(device, precision, threads, mean, std, None, False)
    return _from_state(model.state_dict(), top, name=type(model).__name__, tokenizer=tokenizer, options=options)


def _normalisation(preprocess: Any) -> tuple[Sequence[float] | None, Sequence[float] | None]:
    """Mean and standard deviation of a torchvision transform's."""
    for step in getattr(preprocess, "transforms", []) if preprocess is not None else []:
        if hasattr(step, "mean") and hasattr(step, "std"):
            return [float(x) for x in step.mean], [float(x) for x in step.std]
    return None, None


def _open_clip_architecture(model: Any) -> dict[str, Any]:
    """What the configuration of open_clip's own CLIP would say, read from its modules."""
    visual: Any = getattr(model, "visual", None)
    needed = ("conv1", "transformer", "class_embedding", "proj", "pool_type")
    if type(model).__name__ != "CLIP" or not all(hasattr(visual, name) for name in needed):
        raise UsageError(
            f"model: expected open_clip's CLIP with its own vision transformer, found {type(model).__name__} with "
            f"{type(visual).__name__}; give config=, the name of its architecture"
        )
    block = visual.transformer.resblocks[0]
    text_block = model.transformer.resblocks[0]
    width = int(visual.conv1.out_channels)
    text_width = int(model.token_embedding.weight.shape[1])
    activations = {type(b.mlp[1]).__name__ for b in (block, text_block)}
    if activations not in ({"GELU"}, {"QuickGELU"}):
        raise UsageError(f"model: expected GELU or QuickGELU in both towers, found {sorted(activations)}")
    image_size = visual.image_size
    return {
        "embed_dim": int(visual.proj.shape[1]),
        "quick_gelu": activations == {"QuickGELU"},
        "vision_cfg": {
            "image_size": list(image_size) if isinstance(image_size, (tuple, list)) else image_size,
            "layers": len(visual.transformer.resblocks),
            "width": width,
            "head_width": width // int(block.attn.num_heads),
            "mlp_ratio": block.mlp[0].out_features / width,
            "patch_size": int(visual.conv1.kernel_size[0]),
            "pool_type": visual.pool_type,
            "final_ln_after_pool": bool(getattr(visual, "final_ln_after_pool", False)),
            "no_ln_pre": type(visual.ln_pre).__name__ == "Identity",
        },
        "text_cfg": {
            "context_length": int(model.positional_embedding.shape[0]),
            "vocab_size": int(model.token_embedding.weight.shape[0]),
            "width": text_width,
            "heads": int(text_block.attn.num_heads),
            "layers": len(model.transformer.resblocks),
            "mlp_ratio": text_block.mlp[0].out_features / text_width,
        },
    }


def from_transformers(
    model: Any, processor: Any = None, *, tokenizer: Any = None, device: str | int = "auto", precision: str = "f32",
    threads: int | None = None, mean: Sequence[float] | None = None, std: Sequence[float] | None = None,
) -> Model:  # fmt: skip
    """A model of transformers', as it is in memory. The module is not changed, and must not be while this model lives.

    Args:
        model: such as `CLIPModel`, `SiglipModel`, `ViTForImageClassification` or `Dinov2Model`.
        processor: its processor, or its image processor; without one, give mean and std.
        tokenizer: of the model, where the processor has none.
        device: as of `load`.
        precision: as of `load`.
        threads: as of `load`.
        mean: of the pixels' colour channels from 0 to 1, in place of the processor's.
        std: likewise.

    Raises:
        InputError: for a kind of model that the engine does not support, naming what is in the way.
    """
    images = getattr(processor, "image_processor", processor)
    preprocessor = images.to_json_string() if hasattr(images, "to_json_string") else None
    tokenizer = tokenizer if tokenizer is not None else getattr(processor, "tokenizer", None)
    configuration = model.config.to_dict()
    configuration.setdefault("model_type", model.config.model_type)
    options = _options(device, precision, threads, mean, std, None, False)
    return _from_state(
        model.state_dict(), json.dumps(configuration, default=str), name=type(model).__name__,
        preprocessor=preprocessor, tokenizer=tokenizer, options=options,
    )  # fmt: skip


def from_timm(
    model: Any, *, device: str | int = "auto", precision: str = "f32", threads: int | None = None
) -> Model:
    """A vision transformer of timm's, as it is in memory. The module is not changed, and must not be while this model lives.

    Args:
        model: such as `timm.create_model("vit_base_patch16_224.augreg_in21k_ft_in1k")` gives.
        device: as of `load`.
        precision: as of `load`.
        threads: as of `load`.

    Raises:
        InputError: for a model that the engine does not support, naming what is in the way.
    """
    pretrained = dict(model.pretrained_cfg)
    known = {key: value for key, value in pretrained.items() if value is not None and key != "architecture"}
    arguments: dict[str, Any] = {}
    size = getattr(getattr(model, "patch_embed", None), "img_size", None)
    if size is not None:
        arguments["img_size"] = list(size)
        known["input_size"] = [3, *size]
    configuration = {
        "architecture": pretrained.get("architecture"), "num_classes": getattr(model, "num_classes", 0),
        "num_features": model.num_features, "global_pool": getattr(model, "global_pool", "token"),
        "model_args": arguments, "pretrained_cfg": json.loads(json.dumps(known, default=list)),
    }  # fmt: skip
    options = _options(device, precision, threads, None, None, None, False)
    return _from_state(
        model.state_dict(), configuration, name=str(pretrained.get("architecture") or type(model).__name__),
        options=options,
    )  # fmt: skip
