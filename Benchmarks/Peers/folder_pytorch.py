"""What one writes with the public PyTorch LeGrad for a folder of pictures: heatmaps laid over each of them, as files.

Set up as legrad_pytorch.py says. Usage:
  V/bin/python folder_pytorch.py FOLDER MODEL PROMPT… -o OUT [--threads N]
  legrad explain FOLDER -m MODEL -p PROMPT… -o OUT

MODEL is a folder as `legrad model random --arch ViT-B-32` writes it. Two workers of a DataLoader open and prepare pictures;
each is explained by itself, in one call for all prompts, since the wrapper takes several pictures for prompts of one, by
the last two blocks, which are the wrapper's default and the command's; each map is enlarged to the picture, coloured and blended by Pillow and written as PNG. Overlays have at most 2048
pixels on the longer side, as the command's.

Prints one line of JSON: seconds from the start of Python's main program, loading included, and the number of files.
"""

import time

start = time.perf_counter()

import argparse  # noqa: E402
import contextlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import warnings  # noqa: E402

warnings.filterwarnings("ignore")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import torchvision_stub  # noqa: E402, F401

import matplotlib  # noqa: E402
import numpy  # noqa: E402
import open_clip  # noqa: E402
import torch  # noqa: E402
from legrad import LeWrapper  # noqa: E402
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg  # noqa: E402
from PIL import Image  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

LONGER_SIDE = 2048


class Pictures(torch.utils.data.Dataset):
    def __init__(self, paths, side, mean, std):
        self.paths, self.side = paths, side
        self.mean, self.std = (numpy.array(values, dtype=numpy.float32) for values in (mean, std))

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        picture = Image.open(self.paths[index]).convert("RGB")
        pixels = picture.resize((self.side, self.side), Image.BICUBIC)
        values = (numpy.asarray(pixels, dtype=numpy.float32) / 255 - self.mean) / self.std
        picture.thumbnail((LONGER_SIDE, LONGER_SIDE), Image.BICUBIC)
        return torch.from_numpy(values.transpose(2, 0, 1).copy()), numpy.asarray(picture), self.paths[index]


def load(folder):
    with open(os.path.join(folder, "open_clip_config.json")) as file:
        whole = json.load(file)
    configuration = dict(whole["model_cfg"])
    model = CLIP(
        embed_dim=configuration["embed_dim"], vision_cfg=CLIPVisionCfg(**configuration["vision_cfg"]),
        text_cfg=CLIPTextCfg(**configuration["text_cfg"]), quick_gelu=configuration.get("quick_gelu", False))
    model.load_state_dict(load_file(os.path.join(folder, "open_clip_model.safetensors")), strict=False)
    return model.eval(), whole.get("preprocess_cfg", {})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("model")
    parser.add_argument("prompts", nargs="+")
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--threads", type=int, help="PyTorch's own choice if absent")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    model, preprocessing = load(options.model)
    with torch.no_grad():
        text = model.encode_text(open_clip.tokenize(options.prompts))
        text = torch.nn.functional.normalize(text, dim=-1)
    with contextlib.redirect_stdout(sys.stderr):
        wrapper = LeWrapper(model)
    side = model.visual.image_size
    side = side[0] if isinstance(side, (tuple, list)) else side
    mean = preprocessing.get("mean", open_clip.OPENAI_DATASET_MEAN)
    std = preprocessing.get("std", open_clip.OPENAI_DATASET_STD)
    paths = sorted(os.path.join(options.folder, name) for name in os.listdir(options.folder))
    os.makedirs(options.output, exist_ok=True)
    colours = matplotlib.colormaps["jet"]
    files = 0
    loader = torch.utils.data.DataLoader(
        Pictures(paths, side, mean, std), batch_size=None, num_workers=2, prefetch_factor=2)
    for pixels, picture, path in loader:
        maps = wrapper.compute_legrad_clip(image=pixels[None], text_embedding=text)[0]
        picture = Image.fromarray(numpy.asarray(picture))
        for number, heatmap in enumerate(maps):
            heatmap = Image.fromarray(heatmap.detach().numpy()).resize(picture.size, Image.BILINEAR)
            coloured = (colours(numpy.asarray(heatmap))[..., :3] * 255).astype(numpy.uint8)
            name = os.path.splitext(os.path.basename(path))[0]
            Image.blend(picture, Image.fromarray(coloured), 0.6).save(f"{options.output}/{name}.{number}.png")
            files += 1
    print(json.dumps({"seconds": time.perf_counter() - start, "files": files}))


main()
