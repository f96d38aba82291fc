"""Writes what transformers 5.24.0 (tokenizers 0.23.3) and open_clip_torch 3.3.0 make of texts, in this folder.

Usage: python3 make_cases.py OPENCLIP GEMMA CLIP
  OPENCLIP  open_clip/tokenizer.py of the package, beside its vocabulary
  GEMMA     a folder with a small tokenizer.json of Gemma's kind
  CLIP      a folder with a small vocab.json and merges.txt of CLIP's kind

Each case folder holds a tokenizer as the library saves it and cases.json: texts, ids, and the context.
"""
import html
import importlib.util
import json
import pathlib
import random
import shutil
import sys
import types

torch = types.ModuleType("torch")
torch.LongTensor = torch.Tensor = object
sys.modules.setdefault("torch", torch)
spec = importlib.util.spec_from_file_location("open_clip_tokenizer", sys.argv[1])
open_clip = importlib.util.module_from_spec(spec)
del sys.modules["torch"]
sys.modules["torch"] = torch
spec.loader.exec_module(open_clip)
del sys.modules["torch"]

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, BertTokenizer, CLIPTokenizer, GemmaTokenizer
from transformers.models.siglip2.tokenization_siglip2 import Siglip2Tokenizer

here = pathlib.Path(__file__).resolve().parent
CONTEXT = 24
TEXTS = [
    "a photo of a cat", "A Photo of a CAT.", "two red circles", "the  Sky, 3 dogs!", "", " ", "\t\n ",
    "café 🐱 中文 über", "cafe\u0301 U\u0308BER", " leading and trailing ", "line\nbreaks\n\nhere", "snake_case-and-dash",
    "don’t “quote” it's I'LL", "AT&amp;T &lt;b&gt; &eacute;", "ΣΊΣΥΦΟΣ ὈΔΥΣΣΕΎΣ Σ", "İstanbul ıI ŞĞ", "ﬁne ﬂoor Ǆ ŉ",
    "ｆｕｌｌ　ｗｉｄｔｈ", "\ufeffmark \u200bzero \u00adsoft", "x\u0345y 'ſ 'S", "1 22 333 ½ ² Ⅷ", "한국어 日本語 พาษาไทย हिन्दी",
    "a " * 40, "supercalifragilistic" * 8, "!?'s... -- (x) [y] {z}", "tab\tseparated\u00a0nbsp\u2003em", "\u0000nul \u001besc",
    "<start_of_text> x <end_of_text>", "<|startoftext|> x <|endoftext|>", "<|STARTOFTEXT|> y", "<eos> z <bos>", "[SEP] [CLS] w [MASK]",
    "naïve façade Ångström Ω Ω", "e\u0323\u0302 \u1ec7 ệ", "👩‍👩‍👧 🇫🇷 ❤️", "𠀀𪜀 豈 龥", "a<b>c&d;e", "▁under▁score ▁",
    "A" * 99 + " " + "b" * 100 + " " + "c" * 101, "résumé RÉSUMÉ", "–—‘’“”…", "£5 + €3 = $8", "\u2028line\u2029par", "\u0085next",
]
ADDED = [
    AddedToken("<cat-toy>"), AddedToken("<Cat-Toy>", normalized=False), AddedToken("Zebra", single_word=True),
    AddedToken("lefty", lstrip=True), AddedToken("righty", rstrip=True, normalized=False),
    AddedToken("<s1>", special=True), AddedToken("<s1><s2>", normalized=False), AddedToken("two words", lstrip=True, rstrip=True),
    AddedToken("ÉTÉ"),
]
ADDED_TEXTS = [
    "a <cat-toy> on a table", "a<cat-toy>b", "a <CAT-TOY> b", "a <Cat-Toy> b", "a <cat-toy><cat-toy> b", "zebra Zebra", "xZebra zebra_ Zebra!",
    "zebra", "a   lefty b", "lefty   lefty", "a righty   b", "righty   righty c", "righty lefty", "a  two words  b", "two words two words",
    "Two Words", "<s1> <s2> <s1><s2> <S1>", "x<s1>y", "été ÉTÉ E\u0301te\u0301", "a photo of <cat-toy>, zebra and lefty.", "<cat-toy>", "  <cat-toy>  ",
    "zebra中", "中zebra", "zebra\u0301", "a\u3000lefty", "righty\u00a0\tb",
]


def random_texts(count, seed):
    rng = random.Random(seed)
    alphabet = "aaeehnorst   catdogphotoABXYZ.,!?'_-&;#<>|[]0123▁ñéüÉΣσςİß²½™ﬁ¨猫東кошКОШ🐱\u0301\u0345\u200b\u00a0\u3000\u0130ｶ\u1e9e\n\t"
    words = [str(token) for token in ADDED] + ["photo", "of", "cat's", "we'll", "&amp;", "zebra", "Lefty", "RIGHTY"]
    for _ in range(count):
        parts = []
        for _ in range(rng.randrange(1, 7)):
            if rng.random() < 0.3:
                parts.append(rng.choice(words))
            else:
                parts.append("".join(rng.choice(alphabet) for _ in range(rng.randrange(1, 9))))
        yield rng.choice(["", " "]).join(parts)


def write(name, encode, texts):
    folder = here / name
    cases = [{"text": text, "ids": [int(i) for i in encode(text)]} for text in texts]
    (folder / "cases.json").write_text("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n")
    print(name, len(cases), sorted(p.name for p in folder.iterdir()))


def fresh(name):
    shutil.rmtree(here / name, ignore_errors=True)
    (here / name).mkdir()
    return here / name


def fixed(tokenizer, before=lambda text: text):
    return lambda text: tokenizer(before(text), padding="max_length", truncation=True, max_length=CONTEXT)["input_ids"]


def saved(name, tokenizer, cls, used=False):
    folder = fresh(name)
    if used:
        tokenizer("a", padding="max_length", truncation=True, max_length=7)
    tokenizer.save_pretrained(folder)
    return cls.from_pretrained(folder)


texts = TEXTS + list(random_texts(150, 1))
# Without what ftfy takes for text that was decoded wrongly, which legrad leaves alone (TextCleaning).
plain_texts = [t for t in texts if open_clip.ftfy.fix_text(t) == open_clip.ftfy.fix_text(t, fix_encoding=False)]
added = TEXTS + ADDED_TEXTS + list(random_texts(250, 2))

# CLIP of transformers: the padding is 0 here, as pads behind the end are not read.
source = pathlib.Path(sys.argv[3])
clip = CLIPTokenizer(vocab=json.loads((source / "vocab.json").read_text()), merges=[tuple(l.split()) for l in (source / "merges.txt").read_text().split("\n")[1:] if l])


def clip_ids(tokenizer, before=lambda text: text):
    def encode(text):
        ids = tokenizer(before(text), truncation=True, max_length=CONTEXT)["input_ids"]
        return ids + [0] * (CONTEXT - len(ids))
    return encode


write("clip", clip_ids(saved("clip", clip, CLIPTokenizer, used=True)), texts)
clip.add_tokens(ADDED)
write("clip-added", clip_ids(saved("clip-added", clip, CLIPTokenizer)), added)
# The layout of transformers 4: a pair of files, the added tokens beside them.
folder = fresh("clip-added-old")
for name in ("vocab.json", "merges.txt"):
    shutil.copy(source / name, folder)
base = len(json.loads((source / "vocab.json").read_text()))
(folder / "added_tokens.json").write_text(json.dumps({"<cat-toy>": base, "Zebra": base + 1, "two words": base + 2}))
write("clip-added-old", clip_ids(CLIPTokenizer.from_pretrained(folder)), added)
shutil.copy(source / "vocab.json", fresh("clip-named")); shutil.copy(source / "merges.txt", here / "clip-named")
write("clip-named", clip_ids(CLIPTokenizer.from_pretrained(here / "clip-named"), open_clip.get_clean_fn("whitespace")), plain_texts)

# Gemma of SigLIP 2, in three ways, and with added tokens.
for name, cls in (("gemma", GemmaTokenizer), ("gemma-lower", Siglip2Tokenizer)):
    tokenizer = cls.from_pretrained(sys.argv[2], padding_side="right")
    loaded = saved(name, tokenizer, cls, used=True)
    write(name, fixed(loaded), texts)
    loaded.add_tokens(ADDED)
    write(name + "-added", fixed(saved(name + "-added", loaded, cls)), added)
shutil.copytree(here / "gemma", fresh("gemma-openclip"), dirs_exist_ok=True)
write("gemma-openclip", fixed(GemmaTokenizer.from_pretrained(here / "gemma-openclip"), open_clip.get_clean_fn("canonicalize")), plain_texts)
# Without a class tokenizer.json's own normaliser is read; unknown characters are one token where bytes are missing.
folder = fresh("gemma-plain")
data = json.loads((here / "gemma-lower" / "tokenizer.json").read_text())
data["truncation"] = data["padding"] = None
data["model"]["vocab"].pop("<0xF0>"), data["model"]["vocab"].pop("<0xE4>")
(folder / "tokenizer.json").write_text(json.dumps(data, ensure_ascii=False))
plain = Tokenizer.from_file(str(folder / "tokenizer.json"))
plain.enable_truncation(CONTEXT), plain.enable_padding(length=CONTEXT, pad_id=0, pad_token="<pad>")
write("gemma-plain", lambda text: plain.encode(text).ids, texts)

# BERT of CLIPA: the separator is made 0 behind the library.
words = Tokenizer(models.WordPiece(unk_token="[UNK]"))
words.normalizer = normalizers.BertNormalizer()
words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
corpus = TEXTS + ["a photo of a small red circle", "the photos of cats and dogs", "resume resumes photographing"] * 5
words.train_from_iterator(corpus, trainers.WordPieceTrainer(vocab_size=420, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False))
vocabulary = words.get_vocab()
for name, options in (("bert", {}), ("bert-cased", dict(do_lower_case=False, tokenize_chinese_chars=False)), ("bert-accents", dict(strip_accents=False))):
    tokenizer = BertTokenizer(vocab=vocabulary, **options)
    write(name, fixed(saved(name, tokenizer, BertTokenizer, used=True)), texts)
    if name == "bert":
        tokenizer.add_tokens(ADDED)
        write("bert-added", fixed(saved("bert-added", tokenizer, BertTokenizer)), added)
folder = fresh("bert-openclip")
(folder / "vocab.txt").write_text("".join(token + "\n" for token, _ in sorted(vocabulary.items(), key=lambda item: item[1])))
bert = BertTokenizer.from_pretrained(folder)
whitespace = fixed(bert, open_clip.get_clean_fn("whitespace"))
write("bert-openclip", lambda text: [0 if i == bert.sep_token_id else i for i in whitespace(text)], plain_texts)

# OpenAI's vocabulary by OpenCLIP.
simple = open_clip.SimpleTokenizer()
fresh("openai")


def simple_ids(text):
    ids = [simple.sot_token_id] + simple.encode(text) + [simple.eot_token_id]
    if len(ids) > 77:
        ids = ids[:76] + [simple.eot_token_id]
    return ids + [0] * (77 - len(ids))


openai = [text for text in plain_texts if "<start_of_text>" not in text]
write("openai", simple_ids, openai + [
    "a photo of a golden retriever playing the accordion", "an ultra-detailed photograph, 8k, trending on artstation",
    "Schadenfreude und Donaudampfschifffahrtsgesellschaft", "το πορτοκάλι είναι πορτοκαλί", "кошка сидит на окне", "猫が窓辺に座っている",
])

# What BERT's normaliser and splitter make of each character, as ranges.
normalizer, splitter = normalizers.BertNormalizer(handle_chinese_chars=False, lowercase=False, strip_accents=False), pre_tokenizers.BertPreTokenizer()
accents = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, lowercase=False, strip_accents=True)


def ranges(test):
    found = []
    for point in range(0x110000):
        if not 0xD800 <= point < 0xE000 and test(chr(point)):
            if found and found[-1][1] == point - 1:
                found[-1][1] = point
            else:
                found.append([point, point])
    return found


(here / "bert-characters.json").write_text(json.dumps({
    "removed": ranges(lambda c: normalizer.normalize_str(c) == ""),
    "accents": ranges(lambda c: accents.normalize_str(c) == ""),
    "marks": ranges(lambda c: len(splitter.pre_tokenize_str("a" + c + "b")) == 3),
    "spaces": ranges(lambda c: len(splitter.pre_tokenize_str("a" + c + "b")) == 2),
}, separators=(",", ":")) + "\n")
