"""The folders FOLDERS as timm 1.0.31 saves them, with random weights and pictures: poolers that leave the tokens before
the patches out, norms of queries and keys or inside a block, no norm before the head, means that the tokens before the
patches are in. `reference.py` then writes their answers. Needs timm, numpy, pillow.

    python timm_folders.py [NAME …]
"""
import json, pathlib, sys
import numpy as np, timm, torch
from PIL import Image

HERE = pathlib.Path(__file__).parent
LABELS = ["tabby cat", "golden retriever", "red fox", "lighthouse", "espresso, cup of", "steam locomotive", "daisy"]
SIZES = dict(img_size=(40, 40), patch_size=8, embed_dim=32, depth=3, num_heads=4, mlp_ratio=2.25)
FOLDERS = {
    "timm-map": ("vit_so150m_patch16_reg4_map_256", dict(num_classes=7), (32, 56)),
    "timm-map-class": ("vit_base_patch16_224", dict(num_classes=0, global_pool="map", reg_tokens=2), (56, 32)),
    "timm-qknorm": ("vit_base_patch16_224", dict(num_classes=7, qk_norm=True), (32, 56)),
    "timm-nonorm": ("vit_intern300m_patch14_448", dict(num_classes=0), (56, 32)),
    "timm-nonorm-avg": ("vit_base_patch16_224", dict(num_classes=7, global_pool="avg", final_norm=False), (32, 56)),
    "timm-innernorm": ("beit3_base_patch16_224", dict(num_classes=7, global_pool="token"), (56, 32)),
    "timm-avg-all": ("vit_base_patch16_224", dict(num_classes=7, global_pool="avg", pool_include_prefix=True, reg_tokens=1), (32, 56)),
    "timm-avg-all-norm": ("vit_base_patch16_224", dict(num_classes=0, global_pool="avg", pool_include_prefix=True, fc_norm=False), (56, 32)),
}

for number, (name, (architecture, options, other)) in enumerate(FOLDERS.items()):
    if sys.argv[1:] and name not in sys.argv[1:]: continue
    torch.manual_seed(80 + number)
    random = np.random.default_rng(80 + number)
    folder = HERE / name
    arguments = SIZES | options
    model = timm.create_model(architecture, **arguments)
    for key, tensor in model.state_dict().items():
        if key.endswith(("norm.weight", "norm1.weight", "norm2.weight", "gamma")): tensor.normal_(1, 0.2)
        elif tensor.ndim > 1 and "embed" not in key and "token" not in key: tensor.normal_(0, 1.6 / tensor[0].numel() ** 0.5)
        else: tensor.normal_(0, 0.3)
    model.half()
    model.pretrained_cfg["input_size"] = (3, 40, 40)
    labels = {"label_names": LABELS} if options["num_classes"] else {}
    timm.models.save_for_hf(model, folder / "model", model_config=labels, model_args=arguments, safe_serialization=True)
    (folder / "inputs").mkdir(exist_ok=True)
    for height, width in ((40, 40), other):
        y, x = np.mgrid[:height, :width] / 40
        waves = random.normal(size=(3, 3))
        image = np.stack([np.sin(7 * (a * y + b * x + c)) for a, b, c in waves], -1) * 90 + 127
        image += random.normal(scale=18, size=image.shape)
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"inputs/image_{height}x{width}.png")
    if options["num_classes"]: (folder / "inputs/class_ids.json").write_text(json.dumps([2, 0, 5]) + "\n")
    else:
        text = random.normal(size=(3, SIZES["embed_dim"]))
        text /= np.linalg.norm(text, axis=1, keepdims=True)
        np.save(folder / "inputs/text_embeddings.npy", text.astype(np.float32))
