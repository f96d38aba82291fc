"""First steps, cell by cell: Jupyter, VS Code and Spyder run what is between two lines of `# %%`.

    pip install legrad
    python first_steps.py photo.jpg "a cat" "a dog"

Without arguments, the bundled model looks at shapes of its own making.
"""

# %% A model: "demo" comes with the package; else a folder or a name that the hub's cache has.
import sys
from typing import Any

import legrad
import numpy as np

model = legrad.load("demo")
print(model, f"{model.layers} blocks, patches of {model.patch_size} pixels", sep="\n")

# %% A picture: a path, a PIL image, a uint8 array [height, width, 3], or a list of them.
picture: Any
if len(sys.argv) > 1:
    picture, prompts = sys.argv[1], sys.argv[2:]
else:
    picture = np.full((192, 256, 3), 90, np.uint8)
    picture[40:120, 60:80] = picture[70:90, 30:110] = 30, 180, 60
    prompts = ["a green cross", "a red disc"]

# %% Where in the picture the model finds each prompt. A notebook shows the explanation itself.
explanation = model.explain(picture, prompts)
for prompt, similarity, heatmap in zip(prompts, explanation.similarity, explanation.heatmaps):
    row, column = np.unravel_index(heatmap.argmax(), heatmap.shape)
    print(f"{prompt}: similarity {similarity:.3f}, strongest at row {row}, column {column} of {heatmap.shape}")

# %% One prompt over the picture.
explanation.overlay(0).save("overlay.png")

# %% Block by block, before anything is enlarged or scaled: [layers, prompts, rows, columns].
print(explanation.layer_relevance.shape, "of blocks", list(explanation.layers))

# %% Other methods share the forward; each has its own maps.
several = model.explain(picture, prompts, methods=["legrad", "gradcam", "rollout"], layers="all")
for method in several.methods:
    print(f"{method}: largest relevance {several.by(method).relevance.max():.4f}")
