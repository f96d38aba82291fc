"""What is asked of a model, and what pictures may be: classes, references, embeddings, tensors of others, tasks."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import legrad
from legrad import _pictures

ROOT = Path(os.environ.get("LEGRAD_SOURCES") or Path(__file__).resolve().parents[2])
FAMILIES = ROOT / "Tests" / "Fixtures" / "families"
SAMPLE = ROOT / "Sources" / "CDemo" / "samples" / "dusk.png"
PROMPTS = ["a green cross", "a red disc"]
CLASSES = ["tabby cat", "golden retriever", "red fox", "lighthouse", "espresso, cup of", "steam locomotive", "daisy"]


@pytest.fixture(scope="module")
def model() -> legrad.Model:
    return legrad.load("demo", device="cpu")


@pytest.fixture(scope="module")
def classifier() -> legrad.Model:
    return legrad.load(FAMILIES / "vit" / "model", device="cpu")


class OnlyDLPack:
    """An array of a library that numpy knows nothing of."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def __dlpack__(self, **named: Any) -> Any:
        return self._values.__dlpack__(**named)

    def __dlpack_device__(self) -> tuple[int, int]:
        device: tuple[int, int] = self._values.__dlpack_device__()
        return device


# Classes.


def test_classes(model: legrad.Model, classifier: legrad.Model) -> None:
    assert model.classes is None
    assert classifier.classes == CLASSES
    folder = FAMILIES / "vit"
    picture = folder / "inputs" / "image_40x40.png"
    logits = np.load(folder / "expected" / "40x40" / "logits.npy").reshape(-1)
    found = classifier.explain(picture, classes=["red fox", 5, "ESPRESSO"], layers="all")
    assert found.prompts == ["red fox", "steam locomotive", "espresso, cup of"]
    np.testing.assert_allclose(found.logits, logits, atol=1e-5 * np.abs(logits).max())
    assert np.array_equal(found.similarity, found.logits[[2, 5, 4]])
    one = classifier.explain(picture, classes="red fox", layers="all")
    assert one.prompts == ["red fox"] and np.array_equal(one.relevance[0], found.relevance[0])


def test_the_most_probable_classes(classifier: legrad.Model) -> None:
    pictures = [FAMILIES / "vit" / "inputs" / "image_40x40.png", SAMPLE]
    told: list[tuple[int, int]] = []
    found = classifier.explain(pictures, top=3, progress=lambda *at: told.append(at))
    assert told == [(1, 2), (2, 2)]
    for one, picture in zip(found, pictures):
        order = np.argsort(-one.logits, kind="stable")
        scores = one.top(99)
        assert [score.number for score in scores] == order.tolist()
        assert [score.name for score in scores] == [CLASSES[n] for n in order]
        assert one.prompts == [CLASSES[n] for n in order[:3]]
        chances = np.exp(one.logits - one.logits.max())
        chances /= chances.sum()
        np.testing.assert_allclose([score.probability for score in scores], chances[order], atol=1e-6)
        assert [score.logit for score in scores] == one.logits[order].tolist()
        asked = classifier.explain(picture, classes=[int(n) for n in order[:3]])
        assert np.array_equal(one.relevance, asked.relevance)
    assert len(classifier.explain(SAMPLE).prompts) == 1


def test_classes_that_there_are_not(model: legrad.Model, classifier: legrad.Model) -> None:
    unknown: str | int
    for unknown in ("penguin", 7, -1):
        with pytest.raises(legrad.UsageError, match=str(unknown)):
            classifier.explain(SAMPLE, classes=unknown)
    with pytest.raises(legrad.UsageError, match="text|class"):
        classifier.explain(SAMPLE, "a fox")
    with pytest.raises(legrad.UsageError, match="at least 1"):
        classifier.explain(SAMPLE, top=0)
    with pytest.raises(legrad.UsageError, match="found both"):
        classifier.explain(SAMPLE, "a fox", classes="red fox")
    found = model.explain(SAMPLE, PROMPTS)
    with pytest.raises(legrad.UsageError, match="class"):
        found.top()


# References and embeddings.


def test_references(model: legrad.Model) -> None:
    image = SAMPLE.with_name("slate.png")
    shown = model.explain(image, PROMPTS)
    found = model.explain(SAMPLE, ["like slate", "like itself"], references=[image, SAMPLE])
    assert found.prompts == ["like slate", "like itself"]
    np.testing.assert_allclose(found.similarity[1], 1, atol=1e-6)
    np.testing.assert_allclose(found.similarity[0], shown.embedding @ found.embedding, atol=1e-6)
    by_row = model.explain(SAMPLE, embeddings=shown.embedding)
    assert np.abs(by_row.relevance[0] - found.relevance[0]).max() <= 1e-6 * np.abs(by_row.relevance).max()
    assert model.explain(SAMPLE, references=image).relevance.shape == (1, 12, 12)


def test_references_of_an_encoder_without_words() -> None:
    encoder = legrad.load(FAMILIES / "dinov2-encoder" / "model", device="cpu")
    with pytest.raises(legrad.UsageError, match="text|words|reference"):
        encoder.explain(SAMPLE, PROMPTS)
    with pytest.raises(legrad.UsageError, match="references"):
        encoder.explain(SAMPLE)
    found = encoder.explain(SAMPLE, references=[SAMPLE])
    np.testing.assert_allclose(found.similarity, [1], atol=1e-5)


def test_one_thing_is_looked_for(model: legrad.Model) -> None:
    row = np.ones((1, model.embedding_width), np.float32)
    with pytest.raises(legrad.UsageError, match="one of them"):
        model.explain(SAMPLE, embeddings=row, references=SAMPLE)
    with pytest.raises(legrad.LegradError, match="columns"):
        model.explain(SAMPLE, embeddings=row[:, :-1])
    with pytest.raises(legrad.UsageError, match="embeddings"):
        model.explain(SAMPLE, embeddings=row[None])
    with pytest.raises(legrad.LegradError, match="zero|length"):
        model.explain(SAMPLE, embeddings=0 * row)
    with pytest.raises(legrad.UsageError, match="names: expected 1, .*found 2"):
        model.explain(SAMPLE, ["two", "names"], embeddings=row)
    with pytest.raises(legrad.UsageError, match="names: expected 2, .*found 1"):
        model.explain(SAMPLE, "one", references=[SAMPLE, SAMPLE])


@pytest.mark.parametrize("size", ["40x40", "56x40"])
def test_siglips_correction(size: str) -> None:
    folder = ROOT / "Tests" / "Fixtures" / "siglip"
    model = legrad.load(folder / "model", device="cpu")
    assert model.takes_correction
    height, width = map(int, size.split("x"))
    rows = np.load(folder / "inputs" / "text_embeddings.npy")
    empty = np.load(folder / "inputs" / "empty_embedding.npy")
    for correction, name in ((None, "corrected"), (0.8, "corrected"), (False, "uncorrected")):
        found = model.explain(
            folder / "inputs" / f"image_{size}.png", embeddings=rows, layers="all", size=(height, width), empty=empty,
            correction=correction,
        )  # fmt: skip
        expected = np.load(folder / "expected" / size / f"legrad_{name}_heatmap.npy")
        assert np.abs(found.heatmaps - expected).max() <= 1e-4
    with pytest.raises(legrad.LegradError, match="columns"):
        model.explain(SAMPLE, embeddings=rows, empty=empty[:, 1:])
    with pytest.raises(legrad.LegradError, match="empty|one"):
        model.explain(SAMPLE, embeddings=rows, empty=rows)


def test_contrast_is_refused(model: legrad.Model) -> None:
    with pytest.raises(legrad.UsageError, match="against: .*compare their maps"):
        model.explain(SAMPLE, PROMPTS, against="a photo")
    with pytest.raises(legrad.UsageError, match="against"):
        asyncio.run(model.explain_async(SAMPLE, PROMPTS, against=["a photo"]))


# Pictures.


def test_arrays_are_not_copied() -> None:
    pixels = np.zeros((20, 30, 3), np.uint8)
    wide = np.zeros((20, 40, 3), np.uint8)[:, 5:35]
    floats = np.zeros((3, 16, 24), np.float32)
    for given in (pixels, wide, floats):
        for form in (given, OnlyDLPack(given)):
            assert _pictures.source(form).picture.pixels == given.ctypes.data
    assert _pictures.source(wide).picture.row_bytes == 120
    found, many = _pictures.sources(OnlyDLPack(np.zeros((4, 3, 16, 24), np.float32)))
    assert many and len(found) == 4
    assert [b.picture.pixels - a.picture.pixels for a, b in zip(found, found[1:])] == [3 * 16 * 24 * 4] * 3
    # What has no such layout is copied.
    turned = pixels.transpose(1, 0, 2)
    assert _pictures.source(turned).picture.pixels != pixels.ctypes.data


def test_tensors_are_not_copied(model: legrad.Model) -> None:
    torch = pytest.importorskip("torch")
    pixels = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (50, 70, 3), np.uint8))
    floats = torch.randn(2, 3, 96, 96)
    for tensor in (pixels, pixels[5:40, 10:60], floats[1], torch.nn.Parameter(floats[0])):
        assert _pictures.source(tensor).picture.pixels == tensor.data_ptr()
    found, _ = _pictures.sources(floats)
    assert [one.picture.pixels for one in found] == [floats[0].data_ptr(), floats[1].data_ptr()]
    # The same bits as from numpy, and from channels that come first.
    expected = model.explain(pixels.numpy(), PROMPTS).relevance
    for form in (pixels, pixels.permute(2, 0, 1), pixels.permute(2, 0, 1).contiguous()):
        assert np.array_equal(model.explain(form, PROMPTS).relevance, expected)
    one, two = model.explain(floats, PROMPTS)
    assert np.array_equal(one.relevance, model.explain(floats[0].numpy(), PROMPTS).relevance)
    assert np.array_equal(two.relevance, model.explain(floats[1].double(), PROMPTS).relevance)
    rows = torch.nn.Parameter(torch.from_numpy(model.encode(PROMPTS)))
    assert model.explain(pixels, embeddings=rows).prompts == ["embedding 0", "embedding 1"]


def test_tensors_that_cannot_be_read(model: legrad.Model) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(legrad.UsageError, match="bfloat16.*float"):
        model.explain(torch.zeros(3, 96, 96, dtype=torch.bfloat16), PROMPTS)
    with pytest.raises(legrad.UsageError, match=r"meta.*\.cpu\(\)"):
        model.explain(torch.zeros(3, 96, 96, device="meta"), PROMPTS)


def test_pictures_of_all_kinds_in_one_list(model: legrad.Model) -> None:
    image = pytest.importorskip("PIL.Image").open(SAMPLE)
    pixels = np.asarray(image.convert("RGB"))
    assert model.mean is not None and model.std is not None
    small = np.asarray(image.convert("RGB").resize((96, 96)))
    prepared = ((small / 255 - model.mean) / model.std).astype(np.float32).transpose(2, 0, 1)
    mix = [SAMPLE, str(SAMPLE), image, image.convert("RGBA"), image.convert("P"), pixels, OnlyDLPack(pixels), prepared]
    found = model.explain(mix, PROMPTS, batch=3)
    assert len(found) == len(mix)
    for number in (1, 2, 3, 5, 6):
        assert np.array_equal(found[number].relevance, found[0].relevance), number
    assert np.array_equal(found[4].relevance, model.explain(image.convert("P").convert("RGB"), PROMPTS).relevance)
    expected = model.explain(small, PROMPTS).relevance
    assert np.abs(found[7].relevance - expected).max() <= 1e-5 * expected.max()
    assert model.explain([], PROMPTS) == []
    assert [len(model.explain(form, PROMPTS)) for form in ((SAMPLE,), iter([SAMPLE]), [pixels])] == [1, 1, 1]


def test_what_is_no_picture(model: legrad.Model) -> None:
    for given in (
        7, [SAMPLE, None], np.zeros((0, 5, 3), np.uint8), np.zeros((5, 5), np.uint8), np.zeros((5, 5, 4), np.uint8),
        np.zeros((3, 8, 8), np.int32), np.zeros((3, 0, 8), np.float32),
    ):  # fmt: skip
        with pytest.raises(legrad.UsageError, match="picture: expected"):
            model.explain(given, PROMPTS)


# Tasks and interrupts.


def test_tasks_keep_the_loop_free(model: legrad.Model) -> None:
    pixels = np.zeros((96, 96, 3), np.uint8)

    async def both() -> tuple[list[legrad.Explanation], int]:
        turns = 0
        task = asyncio.ensure_future(model.explain_async([pixels] * 64, PROMPTS, batch=1))
        while not task.done():
            turns += 1
            await asyncio.sleep(0)
        return task.result(), turns

    found, turns = asyncio.run(both())
    assert len(found) == 64 and turns > 64
    assert np.array_equal(found[63].relevance, model.explain(pixels, PROMPTS).relevance)


def test_tasks_load_and_encode() -> None:
    async def both() -> tuple[Any, Any]:
        one, other = await asyncio.gather(
            legrad.load_async("demo", device="cpu"), legrad.load_async(FAMILIES / "vit" / "model", device="cpu")
        )
        assert other.classes == CLASSES
        return await one.encode_async(PROMPTS), one.encode(PROMPTS)

    found, expected = asyncio.run(both())
    assert np.array_equal(found, expected)
    with pytest.raises(legrad.InputError, match="/nowhere"):
        asyncio.run(legrad.load_async("/nowhere"))


def test_tasks_fail_as_calls_do(model: legrad.Model) -> None:
    with pytest.raises(legrad.InputError, match="nowhere"):
        asyncio.run(model.explain_async("/nowhere.png", PROMPTS))
    with pytest.raises(legrad.UsageError, match="methods"):
        asyncio.run(model.explain_async(SAMPLE, PROMPTS, methods="none"))


def test_a_task_that_is_cancelled_stops(model: legrad.Model) -> None:
    done: list[int] = []
    begun = threading.Event()
    pixels = np.zeros((96, 96, 3), np.uint8)

    def progress(at: int, total: int) -> None:
        done.append(at)
        begun.set()

    async def cancelled() -> None:
        task = asyncio.ensure_future(model.explain_async([pixels] * 3000, PROMPTS, batch=1, progress=progress))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    # The loop's threads are waited for at its end.
    asyncio.run(cancelled())
    assert 0 < len(done) < 3000


def test_ctrl_c_stops_a_program() -> None:
    code = f"""
import legrad, numpy
model = legrad.load("demo", device="cpu")
pixels = numpy.zeros((96, 96, 3), numpy.uint8)
tell = lambda done, total: print("going", flush=True) if done == 1 else None
try:
    model.explain([pixels] * 3000, "a red disc", batch=1, progress=tell)
except KeyboardInterrupt:
    # The model is as it was.
    print("stopped", model.explain(pixels, "a red disc").prompts, flush=True)
    raise
"""
    program = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert program.stdout is not None
    assert program.stdout.readline() == "going\n"
    program.send_signal(signal.SIGINT)
    rest, complaint = program.communicate(timeout=300)
    assert rest == "stopped ['a red disc']\n"
    assert program.returncode == -signal.SIGINT and "KeyboardInterrupt" in complaint


def test_interrupts_are_met_while_files_are_read(model: legrad.Model) -> None:
    read: list[int] = []

    class File(os.PathLike[str]):
        def __fspath__(self) -> str:
            read.append(1)
            if len(read) == 10:
                os.kill(os.getpid(), signal.SIGINT)
            return str(SAMPLE)

    with pytest.raises(KeyboardInterrupt):
        model.explain([File()] * 2000, PROMPTS)
    assert len(read) < 2000


def test_other_threads_go_on(model: legrad.Model) -> None:
    # They would not, were the interpreter held while the library computes.
    turns: list[float] = []
    stop = threading.Event()

    def count() -> None:
        while not stop.is_set():
            turns.append(time.perf_counter())
            time.sleep(0)

    thread = threading.Thread(target=count)
    thread.start()
    try:
        model.explain([SAMPLE] * 8, PROMPTS, layers="all", batch=8, size=192)
    finally:
        stop.set()
        thread.join()
    assert len(turns) > 100
