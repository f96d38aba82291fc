"""Writes what transformers 5.24.0 makes of texts in this folder with SigLIP's tokenizer, and with tokenizers that cut a
text's start (`truncation_side`), as make_cases.py does for others, of whose texts these are. Needs transformers,
sentencepiece 0.2, protobuf."""
import json, pathlib, shutil
from tokenizers import AddedToken
from transformers import BertTokenizer, CLIPTokenizer, GemmaTokenizer, SiglipTokenizer

here = pathlib.Path(__file__).resolve().parent
model = here.parent / "tokenizer-unigram/spiece.model"
# SentencePiece 0.2 ends a text at its NUL, as C does.
texts, added = ([case["text"] for case in json.loads((here / name / "cases.json").read_text()) if "\0" not in case["text"]]
                for name in ("gemma", "gemma-added"))
texts += ["</s>", "a </s> b", "x</s>", "<unk> y", "<UNK>", "</s></s> z", "_", "a_b", "photo </s>", " </s> photo"]
ADDED = [AddedToken("<cat-toy>"), AddedToken("<Cat-Toy>", normalized=False), AddedToken("<s1>", special=True),
         AddedToken("two words")]


def fresh(name):
    shutil.rmtree(here / name, ignore_errors=True)
    (here / name).mkdir()
    return here / name


def write(name, tokenizer, texts, context, pads=True):
    cases = []
    for text in texts:
        ids = tokenizer(text, truncation=True, max_length=context)["input_ids"]
        # Pads behind the end token are not read in CLIP, and are 0 here.
        fill = tokenizer.pad_token_id if pads else 0
        cases.append({"text": text, "ids": [int(i) for i in ids] + [fill] * (context - len(ids))})
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    (here / name / "cases.json").write_text("[\n" + lines + "\n]\n")
    print(name, len(cases), sorted(p.name for p in (here / name).iterdir()))


shutil.copy(model, fresh("siglip-bare"))
tokenizer = SiglipTokenizer.from_pretrained(here / "siglip-bare")
write("siglip-bare", tokenizer, texts, 24)
tokenizer.save_pretrained(fresh("siglip"))
write("siglip", SiglipTokenizer.from_pretrained(here / "siglip"), texts, 24)
tokenizer.add_tokens(ADDED)
tokenizer.save_pretrained(fresh("siglip-added"))
write("siglip-added", SiglipTokenizer.from_pretrained(here / "siglip-added"), added, 24)
for name, kind in (("siglip", SiglipTokenizer), ("gemma", GemmaTokenizer), ("clip", CLIPTokenizer), ("bert", BertTokenizer)):
    left = kind.from_pretrained(here / name, truncation_side="left")
    left.save_pretrained(fresh(name + "-left"))
    write(name + "-left", kind.from_pretrained(here / (name + "-left")), texts, 8, pads=name != "clip")
# The model is that of tokenizer-unigram, once.
for name in ("siglip-bare", "siglip", "siglip-added", "siglip-left"): (here / name / "spiece.model").unlink()
