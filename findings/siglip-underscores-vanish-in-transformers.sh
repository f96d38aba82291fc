#!/usr/bin/env bash
# Packages: transformers 5.24.0, open_clip_torch 3.3.0, sentencepiece 0.2.1, protobuf 6.33.1, torch 2.13.0,
# torchvision 0.28.0 (Python 3.11).
#
# Guess: SigLIP's text is cleaned once and for all ("canonicalized": lower case, no punctuation, single spaces), so that
# transformers' SiglipTokenizer and OpenCLIP's cleaning give one segmenter the same text, class names with underscores
# among them.
# What happens: OpenCLIP makes a space of each underscore before it removes punctuation. SiglipTokenizer removes the
# underscore with the punctuation: "golden_retriever" becomes "goldenretriever", whose second half begins no word. Hyphens
# and full stops are removed by both.
# What it means: prompts made of class names with underscores (WordNet's, data sets' folders) are other prompts in the two
# libraries, on the same weights. Write spaces.
#
# Seen: golden_retriever: transformers ▁golden retriever, OpenCLIP ▁golden ▁retriever; golden-retriever: ▁golden retriever
# in both.
#
# One to two minutes, most of it the install; 1.5 GB in a temporary folder.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q transformers==5.24.0 open_clip_torch==3.3.0 sentencepiece==0.2.1 protobuf==6.33.1 torch==2.13.0 \
  torchvision==0.28.0

cat >underscores.py <<'CODE'
import random
import sys

import torch

try:
    import torchvision
except RuntimeError:
    # The package is built for CUDA; beside a torch without it, its operators have no names. None is used here.
    names = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        names.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
import sentencepiece
from open_clip.tokenizer import get_clean_fn
from transformers import SiglipTokenizer

# A segmenter that knows these words, with SigLIP's special ids.
random.seed(1)
words = "a photo of the golden retriever polar bear ice cream street light".split()
lines = [" ".join(random.choices(words, k=6)) for _ in range(3000)]
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(lines), model_prefix="spiece", vocab_size=60, pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
    hard_vocab_limit=False, minloglevel=2)
segmenter = sentencepiece.SentencePieceProcessor(model_file="spiece.model")
tokenizer = SiglipTokenizer(vocab_file="spiece.model")
clean = get_clean_fn("canonicalize")

seen = {}
for text in ("golden_retriever", "golden-retriever", "golden retriever"):
    seen[text] = (tokenizer.tokenize(text), segmenter.encode(clean(text), out_type=str))
    print(f"{text}: transformers {' '.join(seen[text][0])}, OpenCLIP {' '.join(seen[text][1])}")
joined, apart = ["▁golden", "retriever"], ["▁golden", "▁retriever"]
expected = {
    "golden_retriever": (joined, apart), "golden-retriever": (joined, joined), "golden retriever": (apart, apart)}
sys.exit(0 if seen == expected else 1)
CODE
venv/bin/python underscores.py 2>log || { cat log; exit 1; }
