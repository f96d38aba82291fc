"""Draws the three sample pictures that ship with the bundled model, and the table of phrases that are true of them.

usage: draw_samples.py [OUT]        (default: the folder samples beside this script)
Needs: torch, numpy, Pillow; train.py beside it draws the scenes.

The seeds are picked by hand: several objects of different colour and shape that touch neither each other nor too much
of the border. They lie outside the stream of random numbers that the model was trained on.
"""
import json, pathlib, sys
import torch
from PIL import Image
import train

SIDE = 384  # four times the model's input, so that overlays are pleasant to look at
SAMPLES = {
    "dusk": (267, ["green cross", "blue triangle", "red diamond"]),
    "lilac": (24, ["blue crescent", "purple square"]),
    "slate": (18, ["yellow circle", "white diamond"]),
}


def main():
    here = pathlib.Path(__file__).resolve().parent
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here / "samples"
    out.mkdir(parents=True, exist_ok=True)
    table = []
    for name, (seed, phrases) in SAMPLES.items():
        pixels, _, kind, colour = train.scenes(1, torch.Generator().manual_seed(seed))
        true = {train.PHRASES[i] for i in train.truths(kind, colour)[0].nonzero().flatten().tolist()}
        assert true.issuperset(phrases), f"{name}: {set(phrases) - true} is not in the picture; it shows {sorted(true)}"
        levels = (pixels[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
        Image.fromarray(levels).resize((SIDE, SIDE), Image.BICUBIC).save(out / f"{name}.png", optimize=True)
        table.append({"picture": f"{name}.png", "prompts": [f"a {p}" for p in phrases]})
    (out / "samples.json").write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
