"""A whole process from nothing to the heatmap of one prompt in one picture: legrad, the public PyTorch LeGrad, and
transformers with autograd, in turn, on folders with the same random ViT-B-16 that lie in the page cache.

Set up once, in two virtual environments, as the public package is called legrad too:
  python3 -m venv V
  V/bin/pip install torch==2.13.0 numpy pillow safetensors einops ftfy regex tqdm huggingface_hub matplotlib \\
    opencv-python-headless transformers==5.24.0 pyyaml
  V/bin/pip install --no-deps torchvision==0.28.0 timm==1.0.31 open_clip_torch==2.23.0 legrad_torch==1.1
  python3 -m venv W
  W/bin/pip install dist/legrad-*.whl

Usage:
  V/bin/python first_map.py side-by-side --legrad W/bin/python [--rounds 5] [--threads N] [--folder FOLDER]

Prints a table: seconds on the clock, user and system time and the largest resident memory of each process, medians over
the rounds, and how many times as long the others take as legrad; then the largest difference of the maps. FOLDER keeps
models, and is made if it is not there. legrad reads the folder of the program that it is compared with. Its cache of
weight files' hashes and of prompts is empty in each round, in a last row filled.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROMPT = "a photo of a cat"
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


# ---- What is measured: a process each, which imports what it needs alone ----


def ours(folder, picture, output):
    import legrad
    import numpy

    model = legrad.load(folder, device="cpu", threads=int(os.environ["THREADS"]) if os.environ.get("THREADS") else None)
    numpy.save(output, model.explain(picture, PROMPT).heatmaps[0])


def legrad_torch(folder, picture, output):
    torch = torch_with_threads()
    import torchvision_stub  # noqa: F401
    import numpy
    import open_clip
    from legrad import LePreprocess, LeWrapper
    from PIL import Image

    module, _, preprocess = open_clip.create_model_and_transforms("ViT-B-16", pretrained=f"{folder}/open_clip.pt")
    model = LeWrapper(module.eval(), layer_index=-2)
    image = LePreprocess(preprocess=preprocess, image_size=224)(Image.open(picture)).unsqueeze(0)
    text = model.encode_text(open_clip.get_tokenizer("ViT-B-16")([PROMPT]), normalize=True)
    numpy.save(output, model.compute_legrad(text_embedding=text, image=image)[0, 0].detach().numpy())
    assert torch.get_num_threads()


def transformers(folder, picture, output):
    torch = torch_with_threads()
    import torchvision_stub  # noqa: F401
    import numpy
    from PIL import Image
    from transformers import CLIPModel, CLIPTokenizer

    model = CLIPModel.from_pretrained(folder, attn_implementation="eager").eval()
    tower = model.vision_model
    # No gradient is needed in front of the first block that is read.
    model.requires_grad_(False)
    first = len(tower.encoder.layers) - 2
    tower.encoder.layers[first].requires_grad_(True)
    pixels = numpy.asarray(Image.open(picture).convert("RGB").resize((224, 224), Image.Resampling.BICUBIC), "f4") / 255
    image = torch.from_numpy(((pixels - MEAN) / STD).astype("f4").transpose(2, 0, 1))[None]
    tokens = CLIPTokenizer.from_pretrained(folder)([PROMPT], return_tensors="pt")
    with torch.no_grad():
        text = model.get_text_features(**tokens)
        text = torch.nn.functional.normalize(getattr(text, "pooler_output", text), dim=-1)[0]
    found = tower(image, output_attentions=True, output_hidden_states=True)
    total = 0
    for block in range(first, len(tower.encoder.layers)):
        features = model.visual_projection(tower.post_layernorm(found.hidden_states[block + 1].mean(dim=1)))
        score = torch.nn.functional.normalize(features, dim=-1)[0] @ text
        gradient = torch.autograd.grad(score, found.attentions[block], retain_graph=True)[0]
        total = total + gradient.clamp(min=0).mean(dim=(1, 2))[0, 1:]
    side = int(total.numel() ** 0.5)
    large = torch.nn.functional.interpolate(total.reshape(1, 1, side, side), size=(224, 224), mode="bilinear")[0, 0]
    numpy.save(output, ((large - large.min()) / (large.max() - large.min())).numpy())


def torch_with_threads():
    import torch

    if os.environ.get("THREADS"):
        torch.set_num_threads(int(os.environ["THREADS"]))
    return torch


PROGRAMS = {"ours": ours, "legrad_torch": legrad_torch, "transformers": transformers}


# ---- Models: the same weights in both layouts ----


def prepare(folder):
    """One CLIP of random weights as OpenCLIP and as transformers have it, and a picture."""
    import numpy
    import torch
    import torchvision_stub  # noqa: F401
    import open_clip
    from PIL import Image
    from safetensors.torch import save_file

    torch.manual_seed(0)
    module = open_clip.create_model("ViT-B-16", pretrained=None).eval()
    with torch.no_grad():
        for name, weight in module.named_parameters():
            # Weights as they are made are so even that maps would be noise.
            if weight.ndim > 1 and "embedding" not in name:
                weight.mul_(1.5)
    state = {name: value.contiguous() for name, value in module.state_dict().items() if name != "attn_mask"}
    (folder / "openclip").mkdir(parents=True)
    torch.save(state, folder / "openclip" / "open_clip.pt")
    save_file(state, folder / "openclip" / "open_clip_model.safetensors")
    settings = {"model_cfg": open_clip.get_model_config("ViT-B-16"), "preprocess_cfg": {"mean": MEAN, "std": STD}}
    (folder / "openclip" / "open_clip_config.json").write_text(json.dumps(settings))
    # legrad looks into one weight file; that the folder has another for the other program is said, and no fault.
    hugging_face(state, folder / "transformers")
    y, x = numpy.mgrid[:480, :640]
    pixels = numpy.stack([y % 256, x % 256, (x * y // 64) % 256], -1).astype("uint8")
    pixels[100:300, 200:420] = numpy.random.default_rng(0).integers(0, 256, (200, 220, 3), dtype="uint8")
    Image.fromarray(pixels).save(folder / "picture.png")


def hugging_face(state, folder):
    """The folder that transformers saves of the same weights, with OpenAI's vocabulary."""
    from open_clip.tokenizer import SimpleTokenizer, bytes_to_unicode
    from transformers import CLIPConfig, CLIPModel

    text = dict(hidden_size=512, intermediate_size=2048, num_attention_heads=8, num_hidden_layers=12)
    vision = dict(hidden_size=768, intermediate_size=3072, num_attention_heads=12, num_hidden_layers=12, image_size=224)
    shared = dict(hidden_act="gelu", projection_dim=512)
    # What CLIP's text tower reads is at the end's token, which has the largest number.
    ends = dict(bos_token_id=49406, eos_token_id=49407, pad_token_id=49407, vocab_size=49408)
    module = CLIPModel(CLIPConfig(
        text_config=text | shared | ends, vision_config=vision | shared | dict(patch_size=16), projection_dim=512))
    new = {}
    for tower, theirs in (("text_model", ""), ("vision_model", "visual.")):
        for number in range(12):
            old, place = f"{theirs}transformer.resblocks.{number}.", f"{tower}.encoder.layers.{number}."
            for part in ("weight", "bias"):
                rows = state[f"{old}attn.in_proj_{part}"].chunk(3)
                for name, value in zip("qkv", rows):
                    new[f"{place}self_attn.{name}_proj.{part}"] = value
                for name, source in (
                    ("self_attn.out_proj", "attn.out_proj"), ("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"),
                    ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj")):  # fmt: skip
                    new[f"{place}{name}.{part}"] = state[f"{old}{source}.{part}"]
    for name, source in (
        ("text_model.embeddings.token_embedding.weight", "token_embedding.weight"),
        ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
        ("vision_model.embeddings.class_embedding", "visual.class_embedding"),
        ("vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"),
        ("vision_model.embeddings.patch_embedding.weight", "visual.conv1.weight"),
        ("logit_scale", "logit_scale")):  # fmt: skip
        new[name] = state[source]
    for part in ("weight", "bias"):
        new[f"text_model.final_layer_norm.{part}"] = state[f"ln_final.{part}"]
        new[f"vision_model.pre_layrnorm.{part}"] = state[f"visual.ln_pre.{part}"]
        new[f"vision_model.post_layernorm.{part}"] = state[f"visual.ln_post.{part}"]
    new["text_projection.weight"] = state["text_projection"].T
    new["visual_projection.weight"] = state["visual.proj"].T
    missing, unknown = module.load_state_dict({k: v.clone() for k, v in new.items()}, strict=False)
    assert not unknown and all("position_ids" in name for name in missing), (missing, unknown)
    module.save_pretrained(folder)
    statistics_ = dict(image_mean=MEAN, image_std=STD, image_processor_type="CLIPImageProcessor")
    (folder / "preprocessor_config.json").write_text(json.dumps(statistics_))
    tokenizer = SimpleTokenizer()
    letters = list(bytes_to_unicode().values())
    merges = [" ".join(pair) for pair, _ in sorted(tokenizer.bpe_ranks.items(), key=lambda item: item[1])]
    vocabulary = letters + [letter + "</w>" for letter in letters] + [merge.replace(" ", "") for merge in merges]
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
    end = "<|endoftext|>"
    named = dict(unk_token=end, bos_token="<|startoftext|>", eos_token=end, pad_token=end, model_max_length=77,
                 do_lower_case=True, tokenizer_class="CLIPTokenizer")  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(named))


# ---- In turn ----


def measured(command, environment):
    """Seconds on the clock, user and system seconds, largest resident bytes of a process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    complaint = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        sys.exit(f"{command}: {complaint.decode(errors='replace')}")
    return seconds, used.ru_utime, used.ru_stime, used.ru_maxrss * 1024


def side_by_side(options):
    import numpy

    here = Path(__file__).resolve()
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        folder = Path(options.folder or work / "models").resolve()
        if not folder.exists():
            prepare(folder)
        for file in folder.rglob("*"):
            if file.is_file():
                file.read_bytes()  # into the page cache
        cached = work / "cache"
        runs = {}
        for peer, layout in (("legrad_torch", "openclip"), ("transformers", "transformers")):
            runs[f"legrad, {layout} folder"] = (options.legrad, "ours", layout, "")
            runs[peer] = (sys.executable, peer, layout, "")
        runs["legrad, openclip folder, hash and prompt kept"] = (options.legrad, "ours", "openclip", str(cached))
        rows = {name: [] for name in runs}
        maps = {}
        print(f"load average before: {os.getloadavg()}", file=sys.stderr)
        for turn in range(options.rounds + 1):
            for name, (python, program, layout, cache) in runs.items():
                environment = os.environ | {"LEGRAD_CACHE": cache, "HF_HUB_OFFLINE": "1"}
                if program == "legrad_torch" and os.environ.get("LEGRAD_TORCH"):
                    environment["PYTHONPATH"] = os.environ["LEGRAD_TORCH"]
                elif program != "ours":
                    environment.pop("PYTHONPATH", None)
                if options.threads:
                    environment["THREADS"] = str(options.threads)
                output = work / f"{program}-{layout}.npy"
                row = measured([python, here, program, folder / layout, folder / "picture.png", output], environment)
                if turn:  # The first turn warms up.
                    rows[name].append(row)
                maps[program, layout] = numpy.load(output)
        print(f"load average after: {os.getloadavg()}", file=sys.stderr)
        print("| process | wall (s) | least wall (s) | user + system (s) | memory (MB) |\n|---|---|---|---|---|")
        middle = {}
        for name, found in rows.items():
            walls, users, systems, bytes_ = zip(*found)
            middle[name] = statistics.median(walls), statistics.median(u + s for u, s in zip(users, systems))
            print(f"| {name} | {middle[name][0]:.3f} | {min(walls):.3f} | {middle[name][1]:.3f} | "
                  f"{statistics.median(bytes_) / 1e6:.0f} |")  # fmt: skip
        print()
        for peer, layout in (("legrad_torch", "openclip"), ("transformers", "transformers")):
            mine = rows[f"legrad, {layout} folder"]
            clock = statistics.median(b[0] / a[0] for a, b in zip(mine, rows[peer]))
            processor = statistics.median((b[1] + b[2]) / (a[1] + a[2]) for a, b in zip(mine, rows[peer]))
            off = numpy.abs(maps["ours", layout] - maps[peer, layout]).max()
            print(f"{peer} takes {clock:.1f} times as long as legrad, and {processor:.1f} times as much processor time "
                  f"(medians of the pairs); largest difference of the maps {off:.1e}")  # fmt: skip


def main():
    if len(sys.argv) == 5 and sys.argv[1] in PROGRAMS:
        return PROGRAMS[sys.argv[1]](*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["side-by-side"])
    parser.add_argument("--legrad", required=True, help="an interpreter with the wheel")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, help="of all; each one's own choice if absent")
    parser.add_argument("--folder", help="keeps the models")
    side_by_side(parser.parse_args())


if __name__ == "__main__":
    main()
