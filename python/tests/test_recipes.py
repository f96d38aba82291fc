"""The programs of Examples/python, each run as it stands beside the package that it is for.

Those whose package is not installed are left out, unless LEGRAD_COMPLETE is set; `Tests/Python/run.sh --recipes`
installs them all.
"""

from __future__ import annotations

import csv
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import legrad

ROOT = Path(os.environ.get("LEGRAD_SOURCES") or Path(__file__).resolve().parents[2])
SAMPLES = ROOT / "Sources" / "CDemo" / "samples"
PROMPTS = ["a green cross", "a red disc"]


@pytest.fixture(scope="module")
def model() -> legrad.Model:
    return legrad.load("demo")


def run(name: str, *arguments: str | Path, folder: Path, needs: tuple[str, ...] = ()) -> tuple[str, str]:
    """What a recipe prints, on standard output and on standard error."""
    for package in needs:
        if importlib.util.find_spec(package) is None:
            if os.environ.get("LEGRAD_COMPLETE"):
                pytest.fail(f"{package} is not installed")
            pytest.skip(f"{package} is not installed")
    # Stands in for what torchvision lacks beside a torch without CUDA.
    stub = f"sys.path.append({str(ROOT / 'Benchmarks' / 'Peers')!r}); import torchvision_stub;"
    code = f"import runpy, sys; {stub if 'pytorch_grad_cam' in needs else ''}"
    code += f"runpy.run_path({str(ROOT / 'Examples/python' / name)!r}, run_name='__main__')"
    # Data bases and caches of packages stay in the test's folder.
    environment = os.environ | {"HOME": str(folder), "FIFTYONE_DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"}
    program = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_recipes_are_small() -> None:
    programs = list((ROOT / "Examples/python").glob("*.py"))
    assert len(programs) >= 5
    for program in programs:
        assert len(program.read_text().splitlines()) <= 60, program


def test_first_steps(tmp_path: Path, model: legrad.Model) -> None:
    told, _ = run("first_steps.py", SAMPLES / "dusk.png", *PROMPTS, folder=tmp_path)
    found = model.explain(SAMPLES / "dusk.png", PROMPTS)
    assert (tmp_path / "overlay.png").read_bytes() == found.overlay(0).png()
    for prompt, similarity in zip(PROMPTS, found.similarity):
        assert f"{prompt}: similarity {similarity:.3f}" in told
    assert "gradcam: largest relevance" in told
    alone, _ = run("first_steps.py", folder=tmp_path)
    assert "a green cross" in alone


def test_folder(tmp_path: Path, model: legrad.Model) -> None:
    pictures = tmp_path / "pictures"
    shutil.copytree(SAMPLES, pictures)
    (pictures / "bad.PNG").write_bytes(b"no picture")
    _, complaint = run("folder.py", pictures, tmp_path / "out", *PROMPTS, folder=tmp_path)
    assert "bad.PNG" in complaint
    with open(tmp_path / "out" / "similarity.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["picture", *PROMPTS] and [row[0] for row in rows[1:]] == ["dusk.png", "lilac.png", "slate.png"]
    for name, *values in rows[1:]:
        found = model.explain(pictures / name, PROMPTS)
        np.testing.assert_allclose(np.array(values, float), found.similarity, atol=1e-6)
        assert (tmp_path / "out" / f"{name}.1.png").read_bytes() == found.overlay(1).png()


def test_fiftyone(tmp_path: Path, model: legrad.Model) -> None:
    pictures = tmp_path / "pictures"
    shutil.copytree(SAMPLES, pictures)
    told, _ = run("fiftyone_heatmaps.py", pictures, "shapes", *PROMPTS, folder=tmp_path, needs=("fiftyone",))
    found = {path.name: model.explain(path, PROMPTS, layers="all") for path in pictures.glob("*.png")}
    ranked = sorted(found, key=lambda name: -found[name].similarity[0])
    assert [line.split(":")[0] for line in told.splitlines() if ".png" in line] == ranked
    # Another process finds the maps in the data base, to the bit.
    code = """
import fiftyone, numpy
for sample in fiftyone.load_dataset("shapes"):
    heatmap = sample["legrad_a_red_disc"]
    assert heatmap.label == "a red disc" and heatmap.range == [0, 1]
    numpy.save(sample.filepath + ".npy", heatmap.map)
"""
    environment = os.environ | {"HOME": str(tmp_path), "FIFTYONE_DO_NOT_TRACK": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, capture_output=True)
    for name, one in found.items():
        assert np.array_equal(np.load(pictures / f"{name}.npy"), one.heatmaps[1])


@pytest.mark.parametrize("resize", ["squash", "crop", "fit"])
@pytest.mark.parametrize("shape", [(100, 230), (231, 64)])
def test_fiftyones_maps_are_of_the_whole_picture(
    model: legrad.Model, resize: str, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # FiftyOne stretches a map over all of its picture. Another package's class is not what is tested here.
    monkeypatch.setitem(sys.modules, "fiftyone", SimpleNamespace(Heatmap=SimpleNamespace))
    height, width = shape
    picture = np.random.default_rng(5).integers(0, 256, (height, width, 3), np.uint8)
    found = model.explain(picture, PROMPTS, resize=resize)
    heatmaps: list[Any] = found.to_fiftyone()
    assert [one.label for one in heatmaps] == PROMPTS
    assert [one.similarity for one in heatmaps] == found.similarity.tolist()
    left, top, right, bottom = found.region
    for one, seen in zip(heatmaps, found.heatmaps):
        rows, columns = one.map.shape
        assert one.map.dtype == np.float32
        if resize == "squash":
            assert np.array_equal(one.map, seen)
            continue
        assert abs(rows / height - seen.shape[0] / (bottom - top)) * height <= 0.5
        assert abs(columns / width - seen.shape[1] / (right - left)) * width <= 0.5
        for row in range(rows):
            y = (row + 0.5) * height / rows
            for column in range(columns):
                x = (column + 0.5) * width / columns
                expected = 0.0
                if top <= y < bottom and left <= x < right:
                    expected = seen[int((y - top) / (bottom - top) * seen.shape[0])][
                        int((x - left) / (right - left) * seen.shape[1])
                    ]
                assert one.map[row, column] == expected


def test_grad_cams_overlay(tmp_path: Path, model: legrad.Model) -> None:
    picture = SAMPLES / "dusk.png"
    run("grad_cam_overlay.py", picture, PROMPTS[0], "o.png", folder=tmp_path, needs=("pytorch_grad_cam", "PIL"))
    image = pytest.importorskip("PIL.Image")
    drawn = np.asarray(image.open(tmp_path / "o.png"), float)
    heatmap = model.explain(picture, PROMPTS[:1]).heatmaps[0]
    assert drawn.shape == (96, 96, 3)
    assert image.open(tmp_path / "o.large.png").size == image.open(picture).size
    # Half picture, half the colours from blue over green to red, and all of it as bright as there is room for.
    pixels = np.asarray(image.open(picture).convert("RGB").resize((96, 96)), float) / 255
    colours = np.clip(1.5 - np.abs(4 * heatmap[..., None] - [3, 2, 1]), 0, 1)
    expected = (pixels + colours) / (pixels + colours).max() * 255
    assert np.abs(drawn - expected).mean() < 2


def test_quantus(tmp_path: Path, model: legrad.Model) -> None:
    image = pytest.importorskip("PIL.Image")
    needs = ("quantus", "torch", "PIL")
    told, _ = run("quantus_metrics.py", SAMPLES / "dusk.png", *PROMPTS, folder=tmp_path, needs=needs)
    scores = {
        (metric, prompt): float(score) for metric, prompt, score in re.findall(r"^([^:]+): ([^:]+): (\S+)$", told, re.M)
    }
    assert len(scores) == 4
    pixels = np.asarray(image.open(SAMPLES / "dusk.png").convert("RGB").resize((96, 96)), np.float32) / 255
    assert model.mean is not None and model.std is not None
    prepared = ((pixels - model.mean) / model.std).astype(np.float32).transpose(2, 0, 1)
    heatmaps = model.explain(prepared, PROMPTS, layers="all").heatmaps
    for prompt, heatmap in zip(PROMPTS, heatmaps):
        # Sparseness is Gini's index.
        values = np.sort(heatmap.ravel().astype(float))
        places = np.arange(1, values.size + 1)
        gini = ((2 * places - values.size - 1) * values).sum() / (values.size * values.sum())
        assert abs(scores["sparseness", prompt] - gini) < 1e-3
        assert np.isfinite(scores["pixel flipping, area under the curve", prompt])
