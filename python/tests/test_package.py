"""The package on the bundled model and the golden models. LEGRAD_LIBRARY names a library that is not in the
package, LEGRAD_COMMAND a command to compare with, LEGRAD_SOURCES where the repository is."""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import legrad
from legrad import _library

ROOT = Path(os.environ.get("LEGRAD_SOURCES") or Path(__file__).resolve().parents[2])
FIXTURES = ROOT / "Tests" / "Fixtures"
SAMPLE = ROOT / "Sources" / "CDemo" / "samples" / "dusk.png"
PROMPTS = ["a green cross", "a red disc"]


@pytest.fixture(scope="module")
def model() -> legrad.Model:
    return legrad.load("demo", device="cpu")


def test_structs_are_the_headers() -> None:
    recorded = dict(line.split(" ") for line in (FIXTURES / "c-interface/layout.txt").read_text().splitlines())
    mine = {}
    for name, struct in _library.STRUCTS.items():
        mine[name] = ctypes.sizeof(struct)
        for field in struct._fields_:
            mine[f"{name}.{field[0]}"] = getattr(struct, field[0]).offset
    assert {key: int(value) for key, value in recorded.items() if key.startswith("legrad_")} == mine
    assert int(recorded["LEGRAD_ABI_VERSION"]) == _library.ABI_VERSION


def test_functions_are_the_libraries() -> None:
    listed = re.findall(r"^    legrad_(\w+);$", (ROOT / "Distribution/liblegrad.map").read_text(), re.M)
    assert sorted(listed) == sorted(_library.FUNCTIONS)


def test_import_is_light() -> None:
    code = "import sys, legrad; assert not {'numpy', 'asyncio'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_shapes(model: legrad.Model) -> None:
    found = model.explain(SAMPLE, PROMPTS, layers="all")
    assert found.heatmaps.shape == (2, 96, 96) and found.heatmaps.dtype == np.float32
    assert found.heatmaps.min() == 0 and found.heatmaps.max() == 1
    assert found.relevance.shape == (2, 12, 12) == (2, *found.grid)
    assert found.layer_relevance.shape == (len(found.layers), 2, 12, 12)
    np.testing.assert_allclose(found.layer_relevance.sum(0), found.relevance, atol=1e-6)
    assert found.similarity.shape == (2,)
    assert found.prompts == PROMPTS and found.method == "legrad all mean"
    np.testing.assert_allclose(model.encode(PROMPTS) @ found.embedding, found.similarity, atol=1e-6)


def test_pictures_of_all_kinds_are_one(model: legrad.Model) -> None:
    image = pytest.importorskip("PIL.Image").open(SAMPLE)
    pixels = np.asarray(image.convert("RGB"))
    wide = np.zeros((pixels.shape[0], pixels.shape[1] + 5, 3), np.uint8)
    wide[:, :-5] = pixels
    kinds = [str(SAMPLE), image, pixels, pixels.transpose(2, 0, 1), wide[:, :-5], pixels[::-1].copy()[::-1]]
    found = model.explain([SAMPLE, *kinds], PROMPTS, batch=3)
    assert len(found) == 7
    for one in found[1:]:
        assert np.array_equal(one.relevance, found[0].relevance)
    assert np.array_equal(model.explain(np.stack([pixels, pixels]), PROMPTS)[1].relevance, found[0].relevance)


def test_methods_share_a_call(model: legrad.Model) -> None:
    found = model.explain(SAMPLE, PROMPTS, methods=["legrad", "gradcam", "rollout from 2"], layers=1, readout="cls")
    assert found.methods == ("legrad last:1 cls", "gradcam", "rollout from 2")
    alone = model.explain(SAMPLE, PROMPTS, methods="gradcam")
    assert np.array_equal(found.by("gradcam").relevance, alone.relevance)
    assert np.array_equal(found.by(2).relevance, found.by("rollout").relevance)
    with pytest.raises(legrad.UsageError, match="expected one of"):
        found.by("lrp")


@pytest.mark.parametrize(
    ("layout", "answers", "size"),
    [("clip", "clip", "32x32"), ("clip-hf", "clip", "48x48"), ("clip-hf-sharded", "clip", "32x32"), ("clip-odd", "clip-odd", "40x40")],
)
def test_golden_answers(layout: str, answers: str, size: str) -> None:
    golden = FIXTURES / answers
    model = legrad.load(FIXTURES / layout / "model", device="cpu")
    texts = np.load(golden / "inputs" / "text_embeddings.npy")
    methods = ["legrad", "legrad all cls", "raw-attention", "rollout", "gradcam", "chefercam", "chefercam-all"]
    side = int(size.split("x")[0])
    found = model.explain(
        golden / "inputs" / f"image_{size}.png", embeddings=texts, methods=methods, layers="all", size=side)
    for method in methods:
        name = "legrad-cls" if method.endswith("cls") else method
        expected = np.load(golden / "expected" / size / f"{name}.npy")
        bound = 1e-5 if name.startswith("legrad") else 1e-4
        label = "legrad all mean" if method == "legrad" else method
        off = np.abs(found.by(label).relevance - expected).max()
        assert off <= bound * np.abs(expected).max(), method
    expected = np.load(golden / "expected" / size / "legrad_heatmap.npy")
    assert np.abs(found.heatmaps - expected).max() <= 1e-4


def test_bits_are_the_commands(model: legrad.Model, tmp_path: Path) -> None:
    command = os.environ.get("LEGRAD_COMMAND")
    if command is None:
        pytest.skip("LEGRAD_COMMAND is not set")
    arguments = ["explain", str(SAMPLE), "-m", "demo", "--device", "cpu", "--format", "npy", "-o", str(tmp_path)]
    for prompt in PROMPTS:
        arguments += ["-p", prompt]
    subprocess.run([command, *arguments], check=True, capture_output=True)
    maps = [np.load(path) for path in sorted(tmp_path.rglob("*.npy"))]
    found = model.explain(SAMPLE, PROMPTS)
    assert any(np.array_equal(each.reshape(-1), found.heatmaps.reshape(-1)) for each in maps) or any(
        np.array_equal(each.reshape(-1), found.relevance.reshape(-1)) for each in maps
    )


def test_overlay(model: legrad.Model, tmp_path: Path) -> None:
    found = model.explain(SAMPLE, PROMPTS)
    overlay = found.overlay(0)
    overlay.save(tmp_path / "o.png")
    image = pytest.importorskip("PIL.Image").open(tmp_path / "o.png")
    assert image.size == overlay.size
    assert np.array_equal(np.asarray(image), overlay.array)
    assert (tmp_path / "o.png").read_bytes() == overlay.png() == overlay._repr_png_()
    shown = found._repr_html_()
    assert shown.count("<img") == 2 and "a green cross" in shown
    normalised = model.explain(np.zeros((3, 96, 96), np.float32), PROMPTS)
    with pytest.raises(legrad.UsageError, match="over="):
        normalised.overlay(0)
    assert "no picture" in normalised._repr_html_()


def test_errors_say_what_to_do(model: legrad.Model, tmp_path: Path) -> None:
    with pytest.raises(legrad.InputError, match="/nowhere"):
        legrad.load("/nowhere")
    with pytest.raises(legrad.DeviceError, match="device"):
        legrad.load("demo", device="no-such-device")
    with pytest.raises(legrad.UsageError, match="layers last:99"):
        model.explain(SAMPLE, PROMPTS, layers=99)
    with pytest.raises(legrad.UsageError, match="methods"):
        model.explain(SAMPLE, PROMPTS, methods="no-such-method")
    with pytest.raises(legrad.UsageError, match="prompts"):
        model.explain(SAMPLE)
    with pytest.raises(legrad.UsageError, match="multiples of 8"):
        model.explain(SAMPLE, PROMPTS, size=97)
    with pytest.raises(legrad.UsageError, match="uint8"):
        model.explain(np.zeros((4, 4)), PROMPTS)
    with pytest.raises(legrad.UsageError, match="classes"):
        model.explain(SAMPLE, classes="cat")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(legrad.InputError, match="bad.png"):
        model.explain(tmp_path / "bad.png", PROMPTS)


def test_progress_and_what_it_raises(model: legrad.Model) -> None:
    told: list[tuple[int, int]] = []
    model.explain([SAMPLE] * 5, PROMPTS, batch=2, progress=lambda *at: told.append(at))
    assert told == [(2, 5), (4, 5), (5, 5)]

    def stop(done: int, total: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        model.explain([SAMPLE] * 5, PROMPTS, batch=1, progress=stop)


def test_interrupt_stops(model: legrad.Model) -> None:
    done: list[int] = []

    def interrupt(at: int, total: int) -> None:
        done.append(at)
        if len(done) == 1:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        model.explain([SAMPLE] * 500, PROMPTS, batch=1, progress=interrupt)
    assert len(done) < 500


def test_async(model: legrad.Model) -> None:
    async def both() -> list[legrad.Explanation]:
        return list(await asyncio.gather(*(model.explain_async(SAMPLE, prompt) for prompt in PROMPTS)))

    expected = model.explain(SAMPLE, PROMPTS)
    for number, found in enumerate(asyncio.run(both())):
        assert np.array_equal(found.relevance[0], expected.relevance[number])


def test_threads_share_a_model(model: legrad.Model) -> None:
    expected = model.explain(SAMPLE, PROMPTS).relevance
    wrong: list[int] = []

    def work(number: int) -> None:
        if not np.array_equal(model.explain(SAMPLE, PROMPTS).relevance, expected):
            wrong.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_fork_is_refused() -> None:
    code = f"""
import os, sys, legrad
model = legrad.load("demo", device="cpu")
child = os.fork()
if child == 0:
    try:
        model.explain({str(SAMPLE)!r}, "a red disc")
    except legrad.UsageError as error:
        os._exit(0 if "forked" in str(error) else 1)
    os._exit(2)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_devices() -> None:
    first = legrad.devices()[0]
    assert first.index == 0 and first.platform == "native" and first.problem is None and first.kind == "cpu"
