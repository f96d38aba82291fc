"""A folder of pictures: overlays of all, and how similar each is to each prompt, in a table.

    python folder.py FOLDER OUTPUT "a cat" "a dog"

Pictures are explained some at a time, so that a folder of any size fits into memory. A file that cannot be read
costs itself alone. (`legrad explain FOLDER -p "a cat" -o OUTPUT` does this without Python, and reads ahead.)
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import legrad

ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif"}
AT_A_TIME = 32


def explained(model: legrad.Model, paths: list[Path], prompts: list[str]) -> Iterator[tuple[Path, legrad.Explanation]]:
    """Each picture with its explanation, in order."""
    for start in range(0, len(paths), AT_A_TIME):
        part = paths[start : start + AT_A_TIME]
        try:
            yield from zip(part, model.explain(part, prompts))
        except legrad.InputError:
            # One of them: those that can be read are explained by themselves.
            for path in part:
                try:
                    yield path, model.explain(path, prompts)
                except legrad.InputError as error:
                    print(error, file=sys.stderr)


def main(folder: Path, output: Path, prompts: list[str]) -> None:
    model = legrad.load("demo")
    output.mkdir(parents=True, exist_ok=True)
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
    with open(output / "similarity.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["picture", *prompts])
        for path, explanation in explained(model, paths, prompts):
            table.writerow([path.name, *(f"{value:.6f}" for value in explanation.similarity)])
            for number in range(len(prompts)):
                explanation.overlay(number).save(output / f"{path.name}.{number}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
