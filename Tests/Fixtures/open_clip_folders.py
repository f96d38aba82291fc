"""Makes an empty model folder for each configuration of open_clip_torch 3.3.0, to see which of them a program reads.

Usage, in an environment of its own:

  python3 -m venv venv && venv/bin/pip install open_clip_torch==3.3.0 timm==1.0.31 torch
  venv/bin/python open_clip_folders.py FOLDER [NAME …]

FOLDER/NAME gets `open_clip_config.json` as the library writes it, and `open_clip_model.safetensors` with the names and
shapes of all tensors and nothing but zeros that take no room on the disk (a sparse file). Blocks beyond the second are
left out where the configuration says their number; towers that timm knows by name keep theirs. FOLDER/index.tsv says of
each what it is: name, tower, text tower, blocks of the tower, tensors, and what was left out.

A text tower of Hugging Face is left out, since its sizes stand in a file of another folder that would be fetched.
"""
import copy
import importlib.metadata
import json
import pathlib
import sys

import open_clip
import torch
from open_clip import factory

VERSION = "3.3.0"
assert importlib.metadata.version("open_clip_torch") == VERSION


def shortened(configuration):
    """The configuration with at most two blocks in each tower that says its number of blocks."""
    out = copy.deepcopy(configuration)
    for part in ("vision_cfg", "text_cfg", "multimodal_cfg"):
        settings = out.get(part, {})
        if isinstance(settings.get("layers"), int) and "hf_model_name" not in settings:
            settings["layers"] = min(settings["layers"], 2)
    return out


def shapes(configuration):
    """Names and shapes of all tensors, and what is missing from them."""
    settings = copy.deepcopy(configuration)
    custom = settings.pop("custom_text", False)
    hugging_face = "hf_model_name" in settings["text_cfg"]
    with torch.device("meta"):
        if hugging_face:
            visual = open_clip.model._build_vision_tower(settings["embed_dim"], settings["vision_cfg"])
            tensors = {f"visual.{key}": value for key, value in visual.state_dict().items()}
            tensors["logit_scale"] = torch.empty([])
            if settings.get("init_logit_bias") is not None:
                tensors["logit_bias"] = torch.empty([])
            return tensors, "text"
        if "multimodal_cfg" in settings:
            model = open_clip.CoCa(**settings)
        elif custom:
            model = open_clip.CustomTextCLIP(**settings)
        else:
            model = open_clip.CLIP(**settings)
    return dict(model.state_dict()), ""


def write_safetensors(path, tensors):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, tensor in tensors.items():
        kind, size = ("F32", 4) if tensor.is_floating_point() else ("I64", 8)
        end = offset + tensor.numel() * size
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + offset)


def preprocessing(name):
    """What the library writes for the first of its own weights of this name, else its defaults."""
    tags = open_clip.list_pretrained_tags_by_model(name)
    settings = dict(open_clip.get_pretrained_cfg(name, tags[0])) if tags else {}
    return {
        "mean": list(settings.get("mean") or open_clip.OPENAI_DATASET_MEAN),
        "std": list(settings.get("std") or open_clip.OPENAI_DATASET_STD),
        "interpolation": settings.get("interpolation") or "bicubic",
        "resize_mode": settings.get("resize_mode") or "shortest",
    }


def blocks_of(tensors):
    """Blocks of the vision tower; 0 for one without any."""
    parts = [name.split(".") for name in tensors if name.startswith("visual.")]
    numbers = {
        int(after) for words in parts for word, after in zip(words, words[1:])
        if word in ("blocks", "resblocks") and after.isdigit()
    }
    return len(numbers)


def main():
    target = pathlib.Path(sys.argv[1])
    names = sys.argv[2:] or sorted(factory._MODEL_CONFIGS)
    target.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in names:
        configuration = shortened(factory._MODEL_CONFIGS[name])
        tensors, missing = shapes(configuration)
        folder = target / name
        folder.mkdir(exist_ok=True)
        (folder / "open_clip_config.json").write_text(
            json.dumps({"model_cfg": configuration, "preprocess_cfg": preprocessing(name)}, indent=2)
        )
        write_safetensors(folder / "open_clip_model.safetensors", tensors)
        vision, text = configuration["vision_cfg"], configuration["text_cfg"]
        tower = vision.get("timm_model_name") or ("ResNet" if isinstance(vision["layers"], list) else "native")
        rows.append([name, tower, text.get("hf_model_name", "native"), blocks_of(tensors), len(tensors), missing])
    (target / "index.tsv").write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    print(f"{len(rows)} folders in {target}")


if __name__ == "__main__":
    main()
