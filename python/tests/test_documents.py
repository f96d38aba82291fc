"""Every block of shell and of Python in what coding agents read, run in order as it stands, and the links beside them.

Blocks that import what is not installed are left out, unless LEGRAD_COMPLETE is set.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("LEGRAD_SOURCES") or Path(__file__).resolve().parents[2])
DOCUMENTS = ["SKILL.md", "llms.txt", "python/README.md"]
SAMPLES = ROOT / "Sources" / "CDemo" / "samples"


def blocks(document: str) -> list[tuple[str, str]]:
    """Language and text of each."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / document).read_text(), re.M | re.S)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(SAMPLES / "dusk.png", tmp_path / "photo.png")
    (tmp_path / "photos").mkdir()
    for sample in SAMPLES.glob("*.png"):
        shutil.copy(sample, tmp_path / "photos")
    programs = tmp_path / "bin"
    programs.mkdir()
    command = os.environ.get("LEGRAD_COMMAND") or shutil.which("legrad")
    if command is not None:
        (programs / "legrad").symlink_to(command)
    # Not a link: an environment's interpreter knows its packages by where it is.
    (programs / "python3").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (programs / "python3").chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("document", DOCUMENTS)
def test_blocks_run(document: str, folder: Path) -> None:
    found = blocks(document)
    assert found and {language for language, _ in found} <= {"sh", "python"}
    environment = os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    for language, text in found:
        if language == "sh":
            if not (folder / "bin" / "legrad").exists():
                pytest.skip("LEGRAD_COMMAND is not set, and there is no command legrad")
            run = ["bash", "-euo", "pipefail", "-c", text]
        else:
            imports = re.findall(r"^(?:import|from) (\w+)", text, re.M)
            if not os.environ.get("LEGRAD_COMPLETE") and not all(map(importlib.util.find_spec, imports)):
                continue
            # Stands in for what torchvision lacks beside a torch without CUDA.
            stub = f"import sys; sys.path.append({str(ROOT / 'Benchmarks' / 'Peers')!r}); import torchvision_stub\n"
            run = [sys.executable, "-c", (stub if "open_clip" in imports else "") + text]
        done = subprocess.run(run, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{document}:\n{text}\n{done.stderr}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / document).read_text()):
        assert (ROOT / document).parent.joinpath(target).exists(), target


def test_an_agent_finds_what_it_looks_for() -> None:
    front = re.match(r"---\nname: ([a-z-]+)\ndescription: (.+)\n---\n", (ROOT / "SKILL.md").read_text())
    assert front and front[1] == "legrad" and len(front[2]) <= 1024
    title, _, summary = (ROOT / "llms.txt").read_text().split("\n")[:3]
    assert title == "# legrad" and summary.startswith("> ")
