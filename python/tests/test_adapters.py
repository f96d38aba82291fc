"""Models of open_clip, transformers and timm from memory against those libraries, legrad.compat against legrad_torch.

Needs torch, open_clip_torch, timm, transformers and legrad_torch 1.1 in a folder of its own, which LEGRAD_TORCH names,
as it is a package of the same name; `Tests/Python/run.sh --adapters` installs them.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import legrad
from legrad.compat import LePreprocess, LeWrapper

torch = pytest.importorskip("torch")
# Stands in for what torchvision lacks beside a torch without CUDA.
ROOT = Path(os.environ.get("LEGRAD_SOURCES") or Path(__file__).resolve().parents[2])
sys.path.append(str(ROOT / "Benchmarks" / "Peers"))
importlib.import_module("torchvision_stub")
open_clip = pytest.importorskip("open_clip")

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
PROMPTS = ["a photo of a cat", "a dog"]


def picture(side: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(3).integers(0, 256, (side, side, 3), np.uint8)


def prepared(image: Any, mean: Any = MEAN, std: Any = STD) -> Any:
    pixels = torch.tensor(image).permute(2, 0, 1)[None].float() / 255
    return (pixels - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


def unit(rows: Any) -> Any:
    return rows / rows.norm(dim=-1, keepdim=True)


def clip(seed: int, **changes: Any) -> Any:
    torch.manual_seed(seed)
    vision = dict(image_size=64, layers=4, width=96, head_width=32, patch_size=16) | changes
    text = dict(context_length=77, vocab_size=49408, width=64, heads=2, layers=2)
    quick = bool(vision.pop("quick_gelu", False))
    return louder(open_clip.model.CLIP(embed_dim=48, vision_cfg=vision, text_cfg=text, quick_gelu=quick))


def louder(module: Any) -> Any:
    """Weights as they are made are so even that maps would be noise."""
    with torch.no_grad():
        for weight in module.parameters():
            if weight.ndim > 1:
                weight.mul_(3)
    return module.eval()


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("quick", [False, True])
def test_open_clip(kind: str, quick: bool) -> None:
    module = clip(1, quick_gelu=quick).to(getattr(torch, kind))
    model = legrad.from_open_clip(module, device="cpu", mean=MEAN, std=STD)
    found = model.explain(picture(64), PROMPTS)
    module = module.float()
    tokens = open_clip.get_tokenizer("ViT-B-32")(PROMPTS)
    with torch.no_grad():
        text = unit(module.encode_text(tokens))
        image = unit(module.encode_image(prepared(picture(64))))
    assert np.abs(model.encode(PROMPTS) - text.numpy()).max() < 2e-5
    assert np.abs(found.similarity - (image @ text.T).numpy()[0]).max() < 2e-5


@pytest.mark.parametrize(
    "changes",
    [
        dict(norm_kwargs={"eps": 1e-2}), dict(act_kwargs={"approximate": "tanh"}), dict(ls_init_value=0.5),
        dict(pool_type="avg"), dict(no_ln_pre=True), dict(pool_type="avg", final_ln_after_pool=True),
    ],
    ids=["epsilon", "tanh", "layer-scale", "average", "no-first-norm", "norm-behind"],
)  # fmt: skip
def test_settings_are_read_from_the_module(changes: dict[str, Any]) -> None:
    module = clip(12, **changes)
    found = legrad.from_open_clip(module, device="cpu", mean=MEAN, std=STD).explain(picture(64), PROMPTS)
    with torch.no_grad():
        image = unit(module.encode_image(prepared(picture(64))))[0].numpy()
        text = unit(module.encode_text(open_clip.get_tokenizer("ViT-B-32")(PROMPTS))).numpy()
    assert np.abs(found.embedding - image).max() < 2e-5
    assert np.abs(found.similarity - text @ image).max() < 2e-5


def test_texts_of_coca_and_siglip() -> None:
    module, _ = coca(13)
    model = legrad.from_open_clip(module, device="cpu", mean=MEAN, std=STD)
    # One place of the context is the class token's.
    tokens = open_clip.get_tokenizer("coca_ViT-B-32")(PROMPTS)[:, :15]
    with torch.no_grad():
        expected = unit(module.encode_text(tokens)).numpy()
    assert np.abs(model.encode(PROMPTS) - expected).max() < 2e-5
    # The tokenizer of a SigLIP is in none of its weights.
    with pytest.raises(legrad.LegradError, match="token"):
        legrad.from_open_clip(siglip(14)[0], device="cpu", mean=MEAN, std=STD).encode(PROMPTS)
    strange, _ = siglip(15)
    strange.text.pool_type = "argmax"
    with pytest.raises(legrad.UsageError, match="800.*config="):
        legrad.from_open_clip(strange, mean=MEAN, std=STD)


def test_what_is_no_open_clip() -> None:
    with pytest.raises(legrad.UsageError, match="config="):
        legrad.from_open_clip(torch.nn.Module())


def test_weights_live_as_long_as_the_model() -> None:
    model = legrad.from_open_clip(clip(2), device="cpu", mean=MEAN, std=STD)
    first = model.explain(picture(64), PROMPTS).heatmaps.copy()
    # The text tower is read again for other prompts, after the module's own name is gone.
    model.encode(["another", "text"])
    assert (model.explain(picture(64), PROMPTS).heatmaps == first).all()


def test_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(4)
    tower = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128)
    vision = tower | dict(hidden_size=96, num_attention_heads=3, image_size=64, patch_size=16)
    module = transformers.CLIPModel(
        transformers.CLIPConfig(text_config=tower, vision_config=vision, projection_dim=48)
    ).eval()
    model = legrad.from_transformers(module, device="cpu", mean=MEAN, std=STD)
    rows = unit(torch.randn(2, 48))
    with torch.no_grad():
        features = module.get_image_features(pixel_values=prepared(picture(64)))
        image = unit(getattr(features, "pooler_output", features))
    found = model.explain(picture(64), embeddings=rows)
    assert np.abs(found.similarity - (image @ rows.T).numpy()[0]).max() < 1e-5


def test_classifier_of_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(5)
    settings = dict(hidden_size=96, num_hidden_layers=3, num_attention_heads=3, intermediate_size=192, num_labels=5)
    module = transformers.ViTForImageClassification(
        transformers.ViTConfig(**settings, image_size=64, patch_size=16)
    ).eval()
    model = legrad.from_transformers(module, device="cpu", mean=MEAN, std=STD)
    assert model.classes == [f"LABEL_{n}" for n in range(5)]
    with torch.no_grad():
        logits = module(prepared(picture(64))).logits[0].numpy()
    assert np.abs(model.explain(picture(64), classes=[1, 3]).logits - logits).max() < 1e-5


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "deit_tiny_patch16_224"])
def test_timm(name: str) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(6)
    module = timm.create_model(name, pretrained=False).eval()
    with torch.no_grad():
        module.head.weight.normal_()
    model = legrad.from_timm(module, device="cpu")
    known = module.pretrained_cfg
    with torch.no_grad():
        logits = module(prepared(picture(224), known["mean"], known["std"]))[0].numpy()
    found = model.explain(picture(224), classes=[0, 7]).logits
    assert np.abs(found - logits).max() < 1e-4 * np.abs(logits).max()


def public() -> ModuleType:
    """legrad_torch 1.1, under another name."""
    folder = os.environ.get("LEGRAD_TORCH")
    if folder is None:
        pytest.skip("LEGRAD_TORCH is not set")
    place = Path(folder) / "legrad"
    spec = importlib.util.spec_from_file_location(
        "legrad_torch", place / "__init__.py", submodule_search_locations=[str(place)]
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["legrad_torch"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "changes",
    [{}, dict(layers=5, width=128, quick_gelu=True), dict(image_size=48, patch_size=8, head_width=48)],
    ids=["plain", "quick", "small-patches"],
)
@pytest.mark.parametrize("layer_index", [-2, 0, 1])
def test_compat_is_legrad_torch(changes: dict[str, Any], layer_index: int) -> None:
    theirs = public()
    side = changes.get("image_size", 64)
    rows = unit(torch.randn(3, 48, generator=torch.Generator().manual_seed(9)))
    image = prepared(picture(side))
    mine = LeWrapper(clip(7, **changes), layer_index=layer_index, device="cpu").compute_legrad(rows, image=image)
    expected = theirs.LeWrapper(clip(7, **changes), layer_index=layer_index).compute_legrad(rows, image=image)
    assert mine.shape == expected.shape == (1, 3, side, side)
    assert (mine - expected.detach()).abs().max() < 1e-5


def coca(seed: int) -> tuple[Any, dict[str, Any]]:
    """A CoCa and its configuration."""
    torch.manual_seed(seed)
    vision = dict(
        image_size=64, layers=4, width=96, head_width=32, patch_size=16, attentional_pool=True, attn_pooler_heads=4,
        attn_pooler_queries=8, output_tokens=True,
    )  # fmt: skip
    words = dict(context_length=15, vocab_size=49408, width=64, heads=2)
    text = words | dict(layers=2, embed_cls=True, output_tokens=True)
    settings: dict[str, Any] = dict(
        embed_dim=48, vision_cfg=vision, text_cfg=text, multimodal_cfg=words | dict(layers=1, attn_pooler_heads=2)
    )
    return louder(open_clip.coca_model.CoCa(**settings)), settings | dict(custom_text=True)


def siglip(seed: int) -> tuple[Any, dict[str, Any]]:
    """A SigLIP and its configuration."""
    torch.manual_seed(seed)
    vision = dict(
        image_size=64, timm_model_name="vit_base_patch16_siglip_224", timm_model_pretrained=False, timm_pool="map",
        timm_proj="none",
    )  # fmt: skip
    text = dict(
        context_length=16, vocab_size=800, width=768, heads=12, layers=1, no_causal_mask=True, proj_bias=True,
        pool_type="last", norm_kwargs={"eps": 1e-6},
    )  # fmt: skip
    settings: dict[str, Any] = dict(embed_dim=768, custom_text=True, vision_cfg=vision, text_cfg=text)
    module = open_clip.model.CustomTextCLIP(768, vision, text, init_logit_bias=-10)
    return module.eval(), settings


@pytest.mark.parametrize("layer_index", [-2, 0])
def test_compat_of_coca(layer_index: int) -> None:
    theirs = public()
    rows, image = unit(torch.randn(3, 48, generator=torch.Generator().manual_seed(9))), prepared(picture(64))
    module, settings = coca(10)
    config = settings if layer_index == 0 else None
    mine = LeWrapper(module, layer_index=layer_index, config=config, device="cpu")
    peer = theirs.LeWrapper(coca(10)[0], layer_index=layer_index)
    for number in range(3):
        row = rows[number : number + 1]
        expected = peer.compute_legrad(row, image=image).detach()
        found = mine.compute_legrad(row, image=image)
        assert found.shape == expected.shape == (1, 1, 64, 64)
        assert (found - expected).abs().max() < 1e-5
        assert (mine.compute_legrad_coca(rows, image)[0, number] - found[0, 0]).abs().max() < 1e-6
    # Of several prompts theirs is the map of their sum.
    summed = peer.compute_legrad(rows, image=image).detach()
    assert (mine.compute_legrad(rows.sum(0, keepdim=True), image=image) - summed).abs().max() < 1e-5


@pytest.mark.parametrize("layer_index", [-2, 10])
def test_compat_of_siglip(layer_index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = public()
    # The real tokenizer is fetched; what it makes of the text without content is given to both here.
    tokens = torch.tensor([[5, 17, 300, 799] + [1] * 12])
    monkeypatch.setattr(open_clip, "get_tokenizer", lambda *a, **k: lambda texts: tokens)
    rows = unit(torch.randn(2, 768, generator=torch.Generator().manual_seed(9)))
    image = prepared(picture(64), (0.5,) * 3, (0.5,) * 3)
    module, settings = siglip(11)
    config = settings if layer_index == 10 else None
    mine = LeWrapper(module, layer_index=layer_index, config=config, device="cpu")
    peer = theirs.LeWrapper(siglip(11)[0], layer_index=layer_index)
    for corrected in (True, False):
        found = mine.compute_legrad(rows, image=image, apply_correction=corrected)
        assert found.shape == (1, 2, 64, 64)
        for number in range(2):
            row = rows[number : number + 1]
            expected = peer.compute_legrad(row, image=image, apply_correction=corrected).detach()
            assert (found[0, number] - expected[0, 0]).abs().max() < 1e-5
    expected = peer.compute_legrad_siglip(rows[:1], image, correction_threshold=0.3).detach()
    assert (mine.compute_legrad_siglip(rows[:1], image, correction_threshold=0.3) - expected).abs().max() < 1e-5


def test_compat_of_the_last_image() -> None:
    wrapper = LeWrapper(clip(8), device="cpu")
    rows, image = unit(torch.randn(2, 48)), prepared(picture(64))
    with pytest.raises(legrad.UsageError, match="encode_image"):
        wrapper.compute_legrad(rows)
    with pytest.raises(legrad.UsageError, match="one at a time"):
        wrapper.compute_legrad(rows, image=image.repeat(2, 1, 1, 1))
    named = wrapper.compute_legrad(rows, image=image)
    wrapper.encode_image(image)
    assert (wrapper.compute_legrad(rows) == named).all()
    # What is not the wrapper's is the module's.
    assert wrapper.visual is wrapper._module.visual and wrapper.patch_size == 16


def test_compat_prepares_pictures() -> None:
    image_module = pytest.importorskip("PIL.Image")
    transforms = open_clip.image_transform((64, 64), is_train=False, mean=MEAN, std=STD)
    image = image_module.fromarray(picture(100))
    found = LePreprocess(transforms, image_size=96)(image)
    resized = np.asarray(image.resize((96, 96), image_module.Resampling.BICUBIC))
    assert (found - prepared(resized)[0]).abs().max() < 1e-6
