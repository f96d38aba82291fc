"""Writes cleaning.json: texts, what OpenCLIP's cleaning makes of them, and their ids in this folder's vocabulary.

Usage: pip install ftfy regex; python3 make_cleaning.py [--seed N] [--random N] [--scalars] [--out FILE]

The cleaning is ftfy (6.3.1 was used), html.unescape and str.lower of Python 3.11; the split is CLIP's pattern in
`regex`. Deliberately left out, as the tokenizer under test does neither:
  - mojibake repair (fix_encoding=False)
  - special tokens in the text (they are not in the pattern)
Random texts use characters of Unicode 14 only, so that the versions at hand do not matter.
--scalars adds every such character, 64 to a text.
"""
import argparse
import html
import html.entities
import json
import pathlib
import random
import unicodedata

import ftfy
import regex

here = pathlib.Path(__file__).resolve().parent
pattern = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", regex.IGNORECASE)
config = ftfy.TextFixerConfig(explain=False, fix_encoding=False)


def clean(text):
    text = ftfy.fix_text(text, config)
    text = html.unescape(html.unescape(text)).strip()
    return regex.sub(r"\s+", " ", text).strip().lower()


printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
symbol_of_byte = {byte: chr(byte) for byte in printable}
for extra, byte in enumerate(sorted(set(range(256)) - set(printable))):
    symbol_of_byte[byte] = chr(256 + extra)
vocabulary = json.loads((here / "vocab.json").read_text())
merge_lines = (here / "merges.txt").read_text().split("\n")[1:]
rank_of = {tuple(line.split(" ")): rank for rank, line in enumerate(merge_lines) if line}


def ids(cleaned):
    found = []
    for piece in pattern.findall(cleaned):
        word = [symbol_of_byte[byte] for byte in piece.encode()]
        word[-1] += "</w>"
        while True:
            ranked = [rank_of[pair] for pair in zip(word, word[1:]) if pair in rank_of]
            if not ranked:
                break
            best, joined, at = min(ranked), [], 0
            while at < len(word):
                if at + 1 < len(word) and rank_of.get((word[at], word[at + 1])) == best:
                    joined.append(word[at] + word[at + 1])
                    at += 2
                else:
                    joined.append(word[at])
                    at += 1
            word = joined
        found += [vocabulary[symbol] for symbol in word]
    return found


CHOSEN = [
    # references: names, numbers, capitals, missing semicolons, nesting, literal <
    "&amp;amp;amp;amp; four", "&lt;b&gt; x &eacute;", "<b> &eacute; &amp;eacute; &EACUTE;", "&EACUTE;&SZLIG;&nTILDE;",
    "this&not that &notit; &notin; &notin", "&ltimes; &LTimes; &lt &ltx; &l;", "&#65;&#x42;&#X43 &#67x &#x;&#; &# 1",
    "&#128;&#x80;&#150;&#x9F;&#129;", "&#0;&#xD800;&#x110000;&#99999999999999999999;", "&#x1;&#11;&#xFDD0;&#x1FFFE;|",
    "&#59; &#x3b;amp &amp#59; &#12ab;", "&NewLine;&Tab;&nbsp;&ensp;&#12;x", "&CounterClockwiseContourIntegral; &fjlig;",
    "&CounterClockwiseContourIntegralsX;", "&NotEqualTilde; &acE; &bne;", "&amp\u037e &am\u0301p; &amp\u0301;", "a & b &", "&&amp;&",
    "&aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;", "&ampamp;lt; &ampx", "&frac12;&frac34 &sup2;&there4;x&there4", "x<y\n&eacute;",
    "&eacute;\nx<y\n&eacute; &amp;eacute;", "&#65;" * 5,
    # quotes, ligatures, widths
    "‘a’ ‚b‛ “c” „d‟ ʼe `f´ «g»", "ĳ Ĳ ŉ Ǆ ǅ ǆ Ǉ ǈ ǉ Ǌ ǋ ǌ Ǳ ǲ ǳ ﬀ ﬁ ﬂ ﬃ ﬄ ﬅ ﬆ æ œ ß", "ＬＯＵＤ　ＮＯＩＳＥＳ！", "Ｕﾀｰﾝ ｶﾞｷﾞ ﾊﾟ ﾡﾢￂ ￦ ￣ ￨",
    "＆ａｍｐ；＆ｌｔ；", "it’s they’Ve I’M we’LL you’D don’T you’RE", "'ſ 'ſt 'rE 'v 'l 'r 's's !'s a's's ''s",
    # controls and line ends
    "\x1b[36;44mblue\x1b[0m \x1b[ \x1b[1 \x1b[31é \x1b[٣m", "\x1b\x00[1mx", "a\x00b\x08c\x0bd\x0ce\x1cf\x7fg\ufeffh\u206ai\ufffcj\u200dk\u00adl",
    "a\r\nb\rc\u2028d\u2029e\x85f\n\n g", "\x80\x91x\x92\x9f \x81", "\u00a0\u1680\u2003 a \u202f\u205f\u3000b\u200b\u180ec",
    # composition
    "e\u0301 a\u0323\u0302 a\u0302\u0323 q\u0323\u0307 \u212b \u2126 \u1e9b\u0323 \u0958 \u2adc", "\u1100\u1161\u11a8 \uac00\u11a8 \u1112\u119e",
    "\u0344 \u0340 \u0341 \u0374 \u1fef \u2329", "x\u0315\u0300\u05ae\u0300b \u0cc6\u0cc2\u0cd5", "\u03b1\u0345 a\u0345b !\u0345! \u0345",
    # case
    "İI ıi ẞß ΑΣ ΑΣΑ Σ ΑΣ. Α.Σ Α\u00adΣ\u00adΑ ΣΣ ΌΣΟΣ", "ǅ Ǆ Ⅷ Ⓐ Ა ა Ꭰ ꭰ Ω K Å 𐐀", "ὈΔΥΣΣΕΎΣ ᾼ ᾳ ᾈ ΐ", "DŽ Dz",
    # pieces
    "3.14 ½ ² Ⅷ ④ ٣ 一 𝟘", "naïve — 🐱👍🏽👨‍👩‍👧 🇬🇧 ☕️ ♥", "snake_case __init__ a-b a.b,c;d", "中文字русскийعربيहिन्दी ไทย ქართული",
    "", " ", "\n", "'", "it's", "a" * 70,
]

scalars = [
    chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co") or c in (0xE000, 0xFFFFD)
]
entity_names = sorted(html.entities.html5)


def some_scalar(rng):
    low, high = rng.choice(
        [(0x20, 0x7E)] * 4
        + [(0x41, 0x7A)] * 4
        + [(0, 0xFF), (0xA0, 0x24F), (0x250, 0x36F), (0x300, 0x345), (0x370, 0x3FF), (0x400, 0x52F), (0x590, 0x6FF)]
        + [(0x900, 0xDFF), (0x1100, 0x11FF), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x2BFF), (0x3000, 0x30FF)]
        + [(0x4E00, 0x4EFF), (0xAC00, 0xACFF), (0xFB00, 0xFB4F), (0xFE00, 0xFFFF), (0x1D400, 0x1D7FF), (0x1F300, 0x1F9FF)]
    )
    while True:
        character = chr(rng.randint(low, high))
        if unicodedata.category(character) not in ("Cn", "Cs"):
            return character


def some_part(rng):
    kind = rng.randrange(13)
    if kind == 0:
        name = rng.choice(entity_names)
        name = rng.choice([name, name, name.upper(), name.rstrip(";"), name[:-2], name + rng.choice("x;=é")])
        return rng.choice(["&", "&", "&amp;", "&amp;amp;", "&AMP"]) + name
    if kind == 1:
        value = rng.choice([rng.randrange(0x180), rng.randrange(0x3000), rng.randrange(0x120000)])
        number = rng.choice([f"#{value}", f"#x{value:x}", f"#X{value:X}", f"#0{value}"])
        return rng.choice(["&", "&amp;"]) + number + rng.choice([";", ";", "", "x", ";;"])
    if kind == 2:
        return rng.choice(["'s", "’s", "'re", "'VE", "'LL", "‘d", "ʼt", "'ſ", "“", "”", "‚", "''"])
    if kind == 3:
        return rng.choice([" ", "  ", "\t", "\n", "\r\n", "\r", "\u3000", "\xa0", "\u2028", "\x85", "\x0c", "\x0b", "\u200b"])
    if kind == 4:
        return rng.choice(["\x1b[0m", "\x1b[1;31m", "\x1b[", "\x1b", "\ufeff", "\x00", "\x7f", "\x93", "<", "&", ";", "#"])
    if kind == 5:
        return rng.choice("ΣσςİIıiſKﬁﬅĳǅŉｶﾞＡ；＆é") + rng.choice(["", "\u0301", "\u0345", "\u0323\u0302", "\u0302\u0323", "\xad"])
    if kind == 6:
        return rng.choice(["a photo of a cat", "The", "dog", " running", "42", "3.14", "2nd", "_x", "ΟΔΟΣ", "naïve", "日本"])
    return "".join(some_scalar(rng) for _ in range(rng.randint(1, 4)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--random", type=int, default=240)
    parser.add_argument("--scalars", action="store_true")
    parser.add_argument("--out", default=str(here / "cleaning.json"))
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    texts = list(CHOSEN)
    while len(texts) < len(CHOSEN) + arguments.random:
        text = "".join(some_part(rng) for _ in range(rng.randint(1, 9)))
        if all(unicodedata.category(c) != "Cn" for c in clean(text)):
            texts.append(text)
    if arguments.scalars:
        texts += [" ".join(f"x{c}Σ" for c in scalars[i : i + 64]) for i in range(0, len(scalars), 64)]
    lines = []
    for text in texts:
        cleaned = clean(text)
        lines.append(json.dumps({"text": text, "clean": cleaned, "ids": ids(cleaned)}, separators=(",", ":")))
    pathlib.Path(arguments.out).write_text("[\n" + ",\n".join(lines) + "\n]\n")


main()
