"""Names, arguments and results of legrad_torch 1.1, so that programs of its README run with another import:

>>> from legrad.compat import LeWrapper, LePreprocess    # was: from legrad import LeWrapper, LePreprocess

torch is needed, as the module that is wrapped is of open_clip. Maps are computed by this package's engine on the CPU or an
OpenCL device, not by autograd. legrad_torch installs a package of the same name, `legrad`: an environment has one of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ._adapters import from_open_clip
from ._errors import UsageError
from ._model import Model


class LeWrapper:
    """An open_clip model with LeGrad added: what is not here is the model's own (`encode_text`, `visual`, …).

    Args:
        model: of open_clip, with its own vision transformer, or timm's with attention pooling (SigLIP).
        layer_index: the first block that is summed, from the end if negative.
        preprocess: the transform that the pictures come through; not needed, as pictures come prepared.
        config: the name of the architecture, for models from which it cannot be read.
        device: of the engine, as of `legrad.load`; not torch's.
    """

    def __init__(
        self, model: Any, layer_index: int = -2, *, preprocess: Any = None, config: Any = None, tokenizer: Any = None,
        device: str | int = "auto",
    ) -> None:  # fmt: skip
        self._module = model
        self._engine = from_open_clip(
            model, preprocess, config=config, tokenizer=tokenizer, device=device, mean=(0.5,) * 3, std=(0.5,) * 3
        )
        layers = self._engine.layers
        start = layer_index if layer_index >= 0 else layers + layer_index
        if not 0 <= start < layers:
            raise UsageError(f"layer_index: expected {-layers} to {layers - 1}, found {layer_index}")
        self.starting_depth = start
        self._image: Any = None
        self._reads_text = tokenizer is not None
        self._empty: Any = None

    @property
    def engine(self) -> Model:
        """The model that makes the maps."""
        return self._engine

    @property
    def patch_size(self) -> int:
        return self._engine.patch_size

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._module, name)

    def encode_image(self, image: Any, *arguments: Any, **named: Any) -> Any:
        """The module's own; what it was given is explained next where no image is named."""
        self._image = image
        return self._module.encode_image(image, *arguments, **named)

    def compute_legrad(self, text_embedding: Any, image: Any = None, apply_correction: bool = True) -> Any:
        """Maps of one prepared picture.

        Args:
            text_embedding: float `[prompts, width]`, a tensor.
            image: float `[1, 3, height, width]`, a prepared picture whose sides are whole patches; the one of the last
                `encode_image` if None.
            apply_correction: of SigLIP's maps by a text without content.

        Returns:
            A float32 tensor `[1, prompts, height, width]` from 0 to 1, on the device of `text_embedding`. Each prompt
            has its own map for every kind of model; of SigLIP and CoCa legrad_torch has one of the prompts' sum.
        """
        return self._map(text_embedding, image, None if apply_correction else False)

    def compute_legrad_clip(self, text_embedding: Any, image: Any = None) -> Any:
        """`compute_legrad` of a CLIP."""
        return self._map(text_embedding, image, None)

    def compute_legrad_coca(self, text_embedding: Any, image: Any = None) -> Any:
        """`compute_legrad` of a CoCa."""
        return self._map(text_embedding, image, None)

    def compute_legrad_siglip(
        self, text_embedding: Any, image: Any = None, apply_correction: bool = True, correction_threshold: float = 0.8
    ) -> Any:
        """`compute_legrad` of a SigLIP, of which patches are 0 where the text without content exceeds a threshold."""
        return self._map(text_embedding, image, correction_threshold if apply_correction else False)

    def _map(self, text_embedding: Any, image: Any, correction: bool | float | None) -> Any:
        torch: Any = import_module("torch")
        image = self._image if image is None else image
        if image is None:
            raise UsageError("image: expected a prepared picture, found none; give it, or call encode_image before")
        if image.ndim != 4 or image.shape[0] != 1:
            raise UsageError(f"image: expected [1, 3, height, width], found {list(image.shape)}; explain one at a time")
        rows = text_embedding.detach().float().cpu()
        found = self._engine.explain(
            image[0].detach().float().cpu().contiguous(), embeddings=rows, layers=self._blocks(),
            correction=correction, empty=None if correction is False else self._empty_embedding())  # fmt: skip
        return torch.from_numpy(found.heatmaps.copy())[None].to(text_embedding.device)

    def _empty_embedding(self) -> Any:
        """Of the text without content, for models whose maps are corrected by it, where the engine cannot encode it."""
        if self._reads_text or not self._engine.takes_correction:
            return None
        if self._empty is None:
            torch: Any = import_module("torch")
            # All of them have the tokenizer of this one.
            tokenizer = import_module("open_clip").get_tokenizer("ViT-B-16-SigLIP")
            with torch.no_grad():
                tokens = tokenizer(["a photo of a"]).to(next(self._module.parameters()).device)
                self._empty = self._module.encode_text(tokens).float().cpu()
        return self._empty

    def _blocks(self) -> str:
        return f"{self.starting_depth}..{self._engine.layers - 1}"


class LePreprocess:
    """An open_clip transform for pictures of another size: squashed to `image_size`, by bicubic interpolation."""

    def __init__(self, preprocess: Any, image_size: int) -> None:
        found: Any = import_module("torchvision.transforms")
        resize = found.Resize((image_size, image_size), interpolation=found.InterpolationMode.BICUBIC)
        self.transform = found.Compose([resize, *preprocess.transforms[-3:]])

    def __call__(self, image: Any) -> Any:
        return self.transform(image)
