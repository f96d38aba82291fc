"""Quantus's metrics on this package's maps: how true they are to the model, and how much they concentrate.

    pip install legrad quantus torch pillow
    python quantus_metrics.py photo.jpg "a cat" "a dog"

Faithfulness metrics change the picture and ask the model again: Quantus takes a torch module for that, which is here a
shell around the same model. The prompts are its classes, and the map of each is rated.
"""

import sys

import legrad
import numpy as np
import quantus
import torch
from PIL import Image


class Similarities(torch.nn.Module):
    """[pictures, prompts]: cosines of prepared pictures and prompts."""

    def __init__(self, model: legrad.Model, prompts: list[str]) -> None:
        super().__init__()
        self.model, self.prompts = model, prompts

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        found = self.model.explain(list(pictures.float()), self.prompts)
        return torch.from_numpy(np.stack([one.similarity for one in found]))


def main(path: str, prompts: list[str]) -> None:
    model = legrad.load("demo")
    height, width = model.input_size
    pixels = np.asarray(Image.open(path).convert("RGB").resize((width, height)), np.float32) / 255
    picture = ((pixels - np.array(model.mean)) / np.array(model.std)).astype(np.float32).transpose(2, 0, 1)
    maps = model.explain(picture, prompts, layers="all").heatmaps[:, None]  # [prompts, 1, height, width]
    pictures, classes = np.repeat(picture[None], len(prompts), axis=0), np.arange(len(prompts))
    metrics = {
        "pixel flipping, area under the curve": quantus.PixelFlipping(
            features_in_step=width * model.patch_size, perturb_baseline="mean", return_auc_per_sample=True,
            disable_warnings=True),
        "sparseness": quantus.Sparseness(disable_warnings=True),
    }  # fmt: skip
    for name, metric in metrics.items():
        shell = Similarities(model, prompts).eval()
        for prompt, score in zip(prompts, metric(model=shell, x_batch=pictures, y_batch=classes, a_batch=maps)):
            print(f"{name}: {prompt}: {float(score):.4f}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
