"""A heatmap drawn by pytorch-grad-cam, for those whose figures are all drawn by it.

    pip install legrad grad-cam pillow
    python grad_cam_overlay.py photo.jpg "a cat" overlay.png
"""

import sys

import legrad
import numpy as np
from PIL import Image
from pytorch_grad_cam.utils.image import show_cam_on_image


def main(path: str, prompt: str, output: str) -> None:
    model = legrad.load("demo")
    explanation = model.explain(path, [prompt])
    heatmap = explanation.heatmaps[0]  # float32 [height, width] from 0 to 1: what show_cam_on_image takes.

    # By default all of a picture is squashed to the model's input, which the map is of.
    height, width = heatmap.shape
    pixels = np.asarray(Image.open(path).convert("RGB").resize((width, height)), np.float32) / 255
    Image.fromarray(show_cam_on_image(pixels, heatmap, use_rgb=True)).save(output)

    # In the picture's own size it is the map that is enlarged.
    picture = Image.open(path).convert("RGB")
    enlarged = np.asarray(Image.fromarray(heatmap).resize(picture.size, Image.Resampling.BILINEAR)).clip(0, 1)
    drawn = show_cam_on_image(np.asarray(picture, np.float32) / 255, enlarged, use_rgb=True)
    Image.fromarray(drawn).save(output.removesuffix(".png") + ".large.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
