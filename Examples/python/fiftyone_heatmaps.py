"""Heatmaps of a folder of pictures in a FiftyOne data set, to be looked through beside labels and predictions.

    pip install legrad fiftyone
    python fiftyone_heatmaps.py FOLDER DATASET "a cat" "a dog"
    fiftyone app launch DATASET
"""

import re
import sys
from pathlib import Path

import fiftyone
import legrad


def field(prompt: str) -> str:
    """A field's name for a prompt."""
    return "legrad_" + re.sub(r"\W+", "_", prompt.lower()).strip("_")


def main(folder: str, name: str, prompts: list[str]) -> None:
    model = legrad.load("demo")
    dataset = fiftyone.Dataset(name, persistent=True)
    for path in sorted(Path(folder).resolve().glob("*.png")):
        explanation = model.explain(path, prompts, layers="all")
        sample = fiftyone.Sample(filepath=str(path))
        for prompt, heatmap in zip(prompts, explanation.to_fiftyone()):
            # Its label is the prompt, its similarity a number to sort and filter by.
            sample[field(prompt)] = heatmap
        dataset.add_sample(sample)
    first = field(prompts[0])
    for sample in dataset.sort_by(f"{first}.similarity", reverse=True).limit(3):
        print(f"{Path(sample.filepath).name}: {sample[first].similarity:.3f}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
