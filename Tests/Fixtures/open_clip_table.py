"""Writes the table of open_clip_torch's configurations: which of them legrad reads, and why not the others.

Usage, behind open_clip_folders.py, which makes FOLDER:

  python3 open_clip_table.py FOLDER path/to/legrad > ../../Sources/LeGrad/LeGrad.docc/OpenCLIPConfigurations.md

Asks `legrad model info` of every folder. Stops where a folder is read whose family has no member with answers of the
float64 reference.
"""
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys

VERSION = "3.3.0"


def family(vision, text, model):
    """The family, and the folder under Tests/Fixtures whose answers stand for it; None where there is none."""
    tower = vision.get("timm_model_name") or ""
    if isinstance(vision.get("layers"), list):
        return "ResNet", None
    if not tower:
        if "multimodal_cfg" in model:
            return "CoCa", "coca"
        if "hf_model_name" in text:
            return "CLIP's tower beside a text tower of Hugging Face", "families/xlm-roberta"
        if vision.get("pool_type") == "avg":
            return "CLIPA", "families/clipa"
        if text.get("pool_type") == "eos":
            return "MetaCLIP 2", "families/metaclip2"
        return "CLIP", "clip-odd" if model.get("quick_gelu") else "clip"
    if tower.startswith("vit_pe_core"):
        return "PE-Core", "families/pe-core"
    if tower.startswith("eva02_enormous"):
        return "EVA02-E", None
    if tower.startswith("eva02"):
        return "EVA02", "families/eva02-clip"
    if tower.startswith("eva_giant"):
        return "EVA01", "families/eva01-clip"
    if tower == "vit_large_patch14_clip_224":
        return "MobileCLIP2-L", "families/mobileclip2-l"
    if "siglip" in tower:
        # The activation of these towers follows from the name alone.
        tanh = re.match(r"vit_(so400m_patch16|giantopt|base_patch32|large_patch16_siglip_512)", tower)
        return "SigLIP", "families/siglip2-openclip-so400m16" if tanh else "families/siglip2-openclip"
    return tower.split("_")[0] + " (timm)", None


def info(legrad, folder):
    environment = {**os.environ, "LEGRAD_CACHE": ""}
    result = subprocess.run(
        [legrad, "model", "info", "-m", str(folder), "--json"], capture_output=True, text=True, env=environment)
    if result.returncode == 0:
        return json.loads(result.stdout), None
    if result.returncode != 3:
        sys.exit(f"{folder}: exit code {result.returncode}: {result.stderr}")
    line = result.stderr.strip().splitlines()[-1].removeprefix("legrad: ")
    # The path says nothing to a reader of the table.
    return None, re.sub(r"^.*?open_clip_(config\.json|model\.safetensors): ", "", line)


def code(text):
    return f"`{text}`"


def main():
    folder, legrad = pathlib.Path(sys.argv[1]), sys.argv[2]
    rows, read, unchecked = [], 0, []
    paths = sorted(p for p in folder.iterdir() if p.is_dir())
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda path: info(legrad, path), paths))
    for path, (found, reason) in zip(paths, answers):
        model = json.loads((path / "open_clip_config.json").read_text())["model_cfg"]
        vision, text = model["vision_cfg"], model["text_cfg"]
        name, golden = family(vision, text, model)
        if found:
            read += 1
            if golden is None:
                unchecked.append(path.name)
            words = "yes" if found.get("text") else "embeddings alone"
            rows.append([path.name, name, words, code(golden), ""])
        else:
            rows.append([path.name, name, "no", "", reason.replace("|", "\\|")])
    if unchecked:
        sys.exit("read without an answer of the reference for their family: " + ", ".join(unchecked))
    print(f"""# OpenCLIP's configurations

Which of the configurations of open_clip_torch {VERSION} are read, and why the others are not.

## Overview

Of {len(rows)} configurations {read} are read. `Tests/Fixtures/open_clip_folders.py` makes a folder of each, as the library writes
it, and `Tests/Fixtures/open_clip_table.py` asks `legrad model info` of it and writes this page. A model that is read has a
relative of the same kind of tower, with random weights and other sizes, whose relevance agrees with the library's own
modules in float64: the folder under `Tests/Fixtures`. “Embeddings alone” is a vision tower that is read beside a text
tower that is not: it takes `--text-embeddings`, not prompts.

| configuration | family | read | checked by | why not |
|---|---|---|---|---|""")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
