"""Models of other libraries, whose weights are read where they lie in memory."""

from __future__ import annotations

import ctypes as c
import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from . import _library as lib
from ._errors import UsageError
from ._model import Model, _options

_TYPES = {"torch.float64": 1, "torch.float32": 2, "torch.float16": 3, "torch.bfloat16": 4}
_OTHER = 5
# Tokens of OpenAI's vocabulary.
_CLIP_WORDS = 49408


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
    import tempfile

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
            None, which is possible for CLIP, CoCa and SigLIP with open_clip's own text tower.
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
    """What the configuration of an open_clip model would say, read from its modules."""
    visual: Any = getattr(model, "visual", None)
    kind = type(model).__name__
    text: Any = model if kind == "CLIP" else getattr(model, "text", None)
    is_timm = type(visual).__name__ == "TimmModel"
    needed = ("trunk", "head") if is_timm else ("conv1", "transformer", "class_embedding", "proj", "pool_type")
    if (
        kind not in ("CLIP", "CustomTextCLIP", "CoCa")
        or not all(hasattr(visual, name) for name in needed)
        or not all(hasattr(text, name) for name in ("transformer", "token_embedding", "text_projection"))
    ):
        raise UsageError(
            f"model: expected open_clip's CLIP, SigLIP or CoCa with its own text tower, found {kind} with "
            f"{type(visual).__name__} and {type(text).__name__}; give config=, the name of its architecture"
        )
    found: dict[str, Any] = {"custom_text": kind != "CLIP", "text_cfg": _open_clip_text(text, is_timm)}
    blocks = [text.transformer.resblocks[0]]
    if is_timm:
        found["vision_cfg"] = _open_clip_trunk(visual)
    else:
        found["vision_cfg"] = _open_clip_vision(visual)
        blocks.append(visual.transformer.resblocks[0])
    projection = text.text_projection
    found["embed_dim"] = int(projection.out_features if hasattr(projection, "out_features") else projection.shape[1])
    activations = {type(block.mlp[1]).__name__ for block in blocks}
    if activations not in ({"GELU"}, {"QuickGELU"}):
        raise UsageError(f"model: expected GELU or QuickGELU in both towers, found {sorted(activations)}")
    found["quick_gelu"] = activations == {"QuickGELU"}
    if getattr(model, "logit_bias", None) is not None:
        found["init_logit_bias"] = float(model.logit_bias.detach())
    return found


def _open_clip_blocks(transformer: Any, width: int) -> dict[str, Any]:
    """What both towers' configurations say of their blocks."""
    block = transformer.resblocks[0]
    found: dict[str, Any] = {
        "layers": len(transformer.resblocks), "width": width, "mlp_ratio": block.mlp[0].out_features / width,
        "norm_kwargs": {"eps": block.ln_1.eps},
        "act_kwargs": {"approximate": getattr(block.mlp[1], "approximate", "none")},
    }  # fmt: skip
    if type(getattr(block, "ls_1", None)).__name__ == "LayerScale":
        # Their values are among the weights.
        found["ls_init_value"] = 1.0
    return found


def _open_clip_vision(visual: Any) -> dict[str, Any]:
    """The part for open_clip's own vision transformer."""
    width = int(visual.conv1.out_channels)
    size = visual.image_size
    found = _open_clip_blocks(visual.transformer, width) | {
        "image_size": list(size) if isinstance(size, (tuple, list)) else size,
        "head_width": width // int(visual.transformer.resblocks[0].attn.num_heads),
        "patch_size": int(visual.conv1.kernel_size[0]),
        "no_ln_pre": type(visual.ln_pre).__name__ == "Identity",
    }
    pooler = getattr(visual, "attn_pool", None)
    if pooler is None:
        found["pool_type"] = visual.pool_type
        found["final_ln_after_pool"] = bool(getattr(visual, "final_ln_after_pool", False))
    else:
        # Of several kinds one is computed; another is refused by its name.
        found["attentional_pool"] = getattr(visual, "attn_pool_type", "") or True
        found["attn_pooler_queries"] = int(pooler.query.shape[0])
        found["attn_pooler_heads"] = int(pooler.attn.num_heads)
    return found


def _open_clip_trunk(visual: Any) -> dict[str, Any]:
    """The part for a tower of timm's."""
    name = (getattr(visual.trunk, "pretrained_cfg", None) or {}).get("architecture")
    if not name:
        raise UsageError("model: its tower of timm's does not say its name; give config=, the name of its architecture")
    head = [child for child, _ in visual.head.named_children()]
    projection = "mlp" if "mlp" in head else "linear" if "proj" in head else None
    if projection is None:
        projection = "none" if int(getattr(visual.trunk, "num_classes", 0)) == 0 else ""
    size = visual.image_size
    return {
        "timm_model_name": name, "timm_model_pretrained": False, "timm_pool": getattr(visual.trunk, "global_pool", ""),
        "timm_proj": projection, "image_size": list(size) if isinstance(size, (tuple, list)) else size,
    }  # fmt: skip


def _open_clip_text(text: Any, is_timm: bool) -> dict[str, Any]:
    """The part for open_clip's own text tower."""
    words = int(text.token_embedding.weight.shape[0])
    has_class_token = getattr(text, "cls_emb", None) is not None
    found = _open_clip_blocks(text.transformer, int(text.token_embedding.weight.shape[1])) | {
        "context_length": int(text.positional_embedding.shape[0]) - has_class_token, "vocab_size": words,
        "heads": int(text.transformer.resblocks[0].attn.num_heads), "embed_cls": has_class_token,
        "no_causal_mask": getattr(text, "attn_mask", None) is None,
        "pool_type": getattr(text, "pool_type", getattr(text, "text_pool_type", "argmax")),
        "pad_id": int(getattr(text, "pad_id", None) or 0),
        "proj_bias": getattr(text.text_projection, "bias", None) is not None,
    }  # fmt: skip
    if words != _CLIP_WORDS:
        if not (is_timm and found["no_causal_mask"] and found["pool_type"] == "last"):
            raise UsageError(
                f"model: expected CLIP's {_CLIP_WORDS} tokens or SigLIP's, found {words}, whose tokenizer the module "
                "does not say; give config=, the name of its architecture"
            )
        # The tokenizer is the caller's to give; without it no prompt can be read.
        found["hf_tokenizer_name"] = "siglip"
        found["tokenizer_kwargs"] = {"clean": "canonicalize"}
    return found


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
    """A vision transformer of timm's, as it is in memory. The module is not changed, and must not be while this lives.

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
