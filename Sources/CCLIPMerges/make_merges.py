"""Writes clip_merges.bin: the byte pair merges of OpenAI's CLIP, re-encoded.

Usage: python3 make_merges.py PATH/bpe_simple_vocab_16e6.txt.gz

The list is data of OpenAI's CLIP (MIT licence, NOTICE beside this file), as the PyPI package open_clip_torch 3.3.0 ships
it (SHA-256 below). Its first 48,894 merges are the tokenizer's; a token's id is its place: 256 bytes, the same at the
end of a word, one for each merge. A merge is written as the ids of its two halves, so that texts need not be kept:
all left halves, then all right halves, low bytes before high bytes, as one zlib-compressed gzip member.
"""
import gzip
import hashlib
import io
import pathlib
import sys

SOURCE = "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a"
COUNT = 49152 - 256 - 2

packed = pathlib.Path(sys.argv[1]).read_bytes()
assert hashlib.sha256(packed).hexdigest() == SOURCE, hashlib.sha256(packed).hexdigest()
printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
order = printable + [byte for byte in range(256) if byte not in printable]
characters = [chr(byte) for byte in printable] + [chr(256 + index) for index in range(256 - len(printable))]
ids = {symbol: index for index, symbol in enumerate(characters + [c + "</w>" for c in characters])}
left, right = [], []
for line in gzip.decompress(packed).decode().split("\n")[1 : COUNT + 1]:
    first, second = line.split()
    left.append(ids[first])
    right.append(ids[second])
    ids[first + second] = len(ids)
assert len(ids) == 512 + COUNT
plain = b"".join(
    bytes(value >> shift & 0xFF for value in half) for half in (left, right) for shift in (0, 8)
)
out = io.BytesIO()
with gzip.GzipFile(filename="", mode="wb", fileobj=out, compresslevel=9, mtime=0) as file:
    file.write(plain)
target = pathlib.Path(__file__).resolve().parent / "clip_merges.bin"
target.write_bytes(out.getvalue())
print(f"{target}: {len(out.getvalue())} bytes, of {len(plain)}")
