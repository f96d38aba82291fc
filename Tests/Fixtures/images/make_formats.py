"""Makes the small WebP, TIFF, BMP and GIF files of this folder and formats.json, the pixels that Pillow 13 reads from them.

usage: make_formats.py            (writes beside itself)
Needs: Pillow 13 and numpy.

formats.json is like cases.json. Answers that are not Pillow's, as it does not read the file or reads it otherwise, are
computed here: 16-bit grey becomes its high byte, planes of 16 bits and BigTIFF of the other byte order are read, and so
are bitmaps with masks of other widths, and with steps among their runs.
"""
import base64, io, json, pathlib, struct, zlib
import numpy as np
import PIL
from PIL import Image, ImageOps

HERE = pathlib.Path(__file__).resolve().parent
rng = np.random.default_rng(21)
cases = []


def picture(w, h):
    """A smooth picture with some edges and noise."""
    y, x = np.mgrid[0:h, 0:w] / max(w, h)
    waves = np.stack([np.sin(9 * x + 2), np.cos(7 * y + 3 * x), np.sin(5 * x * y + 1)], 2) * 90 + 128
    waves[(x - 0.5) ** 2 + (y - 0.3) ** 2 < 0.03] = (230, 30, 60)
    return np.clip(waves + rng.normal(0, 6, (h, w, 3)), 0, 255).astype(np.uint8)


def keep(name, data, group, rgb=None, upright=False):
    (HERE / name).write_bytes(data)
    if rgb is None:
        opened = Image.open(io.BytesIO(data))
        rgb = np.asarray((ImageOps.exif_transpose(opened) if upright else opened).convert("RGB"))
    rgb = np.asarray(rgb, np.uint8)
    if rgb.ndim == 2:
        rgb = np.repeat(rgb[:, :, None], 3, 2)
    cases.append({"group": group, "file": name, "width": rgb.shape[1], "height": rgb.shape[0],
                  "rgb": base64.b64encode(rgb.tobytes()).decode()})


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def with_alpha(rgb):
    alpha = rng.integers(0, 256, rgb.shape[:2] + (1,)).astype(np.uint8)
    alpha[::2, ::3] = 0
    alpha[1::2, ::3] = 255
    return np.concatenate([rgb, alpha], 2)


def exif(orientation):
    note = Image.Exif()
    note[0x0112] = orientation
    return note.tobytes()


# WebP

def riff(*chunks):
    body = b"WEBP" + b"".join(n + struct.pack("<I", len(c)) + c + bytes(len(c) % 2) for n, c in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def make_webps():
    image, clear = Image.fromarray(picture(45, 31)), Image.fromarray(with_alpha(picture(23, 19)))
    keep("lossy.webp", saved(image, "WEBP", quality=80), "webp")
    keep("lossy-alpha.webp", saved(clear, "WEBP", quality=60), "webp")
    keep("lossless.webp", saved(image.crop((0, 0, 13, 11)), "WEBP", lossless=True), "webp")
    keep("lossless-alpha.webp", saved(clear.crop((0, 0, 13, 11)), "WEBP", lossless=True, exact=True), "webp")
    for w, h in ((1, 1), (1, 17), (17, 1)):
        keep(f"{w}x{h}.webp", saved(Image.fromarray(picture(w, h)), "WEBP", quality=70), "webp")
    keep("animated.webp", saved(
        image, "WEBP", quality=40, save_all=True, append_images=[image.transpose(0)], duration=50), "webp")
    # A first frame that is smaller than the canvas.
    small = saved(Image.fromarray(with_alpha(picture(6, 5))), "WEBP", lossless=True, exact=True)
    frame = struct.pack("<HBHBHBHBHBB", 1, 0, 2, 0, 5, 0, 4, 0, 50, 0, 2)
    canvas = struct.pack("<IHBHB", 0x12, 12, 0, 10, 0)
    keep("animated-part.webp", riff(
        (b"VP8X", canvas), (b"ANIM", bytes(6)), (b"ANMF", frame + small[12:])), "webp")
    for orientation in (3, 6):
        keep(f"orientation-{orientation}.webp", saved(
            image.crop((0, 0, 11, 6)), "WEBP", lossless=True, exif=exif(orientation)), "turned", upright=True)


# TIFF

def packed(samples, bits, order):
    """[rows, n] -> bytes, rows padded to whole bytes."""
    if bits == 16:
        return samples.astype(order + "u2").tobytes()
    if bits == 8:
        return samples.astype(np.uint8).tobytes()
    out = b""
    for row in samples:
        unpacked = ((row[:, None] >> np.arange(bits - 1, -1, -1)) & 1).astype(np.uint8)
        out += np.packbits(unpacked.reshape(-1)).tobytes()
    return out


def differences(samples):
    """Horizontal prediction of [rows, columns, n]."""
    out = samples.astype(np.int64)
    out[:, 1:] -= samples[:, :-1].astype(np.int64)
    return out


def tiff(samples, photometric, bits, order="<", big=False, tile=None, planes=False, predicted=False, extra=None,
         palette=None, orientation=None, rows=4):
    """A TIFF with deflate where it is predicted or tiled, else plain; samples are [h, w, n]."""
    h, w, n = samples.shape
    compressed = predicted or tile is not None
    pieces = []
    for plane in (range(n) if planes else [slice(None)]):
        part = samples[:, :, plane].reshape(h, w, -1)
        if tile:
            for y in range(0, h, tile[1]):
                for x in range(0, w, tile[0]):
                    piece = np.zeros((tile[1], tile[0], part.shape[2]), samples.dtype)
                    block = part[y:y + tile[1], x:x + tile[0]]
                    piece[:block.shape[0], :block.shape[1]] = block
                    pieces.append(piece)
        else:
            pieces += [part[y:y + rows] for y in range(0, h, rows)]
    data = []
    for piece in pieces:
        values = differences(piece) % (1 << bits) if predicted else piece
        raw = packed(values.reshape(len(values), -1), bits, order)
        data.append(zlib.compress(raw, 9) if compressed else raw)
    start = 16 if big else 8
    offsets = [start + sum(map(len, data[:i])) for i in range(len(data))]
    tags = {256: (3, [w]), 257: (3, [h]), 258: (3, [bits] * n), 259: (3, [8 if compressed else 1]),
            262: (3, [photometric]), 277: (3, [n]), 284: (3, [2 if planes else 1])}
    if tile:
        tags.update({322: (3, [tile[0]]), 323: (3, [tile[1]]), 324: (4, offsets), 325: (4, [len(d) for d in data])})
    else:
        tags.update({273: (4, offsets), 278: (3, [rows]), 279: (4, [len(d) for d in data])})
    if predicted:
        tags[317] = (3, [2])
    if extra is not None:
        tags[338] = (3, [extra] * (n - (1 if photometric < 2 else 3)))
    if palette is not None:
        tags[320] = (3, list(palette.T.reshape(-1)))
    if orientation is not None:
        tags[274] = (3, [orientation])
    place = start + sum(map(len, data))
    wide, slot = ("Q", 8) if big else ("I", 4)
    count = order + ("Q" if big else "H")
    directory = struct.pack(count, len(tags))
    later, behind = b"", place + len(directory) + len(tags) * (20 if big else 12) + slot
    for tag in sorted(tags):
        kind, values = tags[tag]
        value = struct.pack(order + ("H" if kind == 3 else "I") * len(values), *values)
        if len(value) > slot:
            field = struct.pack(order + wide, behind + len(later))
            later += value + bytes(len(value) % 2)
        else:
            field = value.ljust(slot, b"\0")
        directory += struct.pack(order + "HH" + wide, tag, kind, len(values)) + field
    directory += struct.pack(order + wide, 0)
    mark = b"II" if order == "<" else b"MM"
    head = mark + (struct.pack(order + "HHHQ", 43, 8, 0, place) if big else struct.pack(order + "HI", 42, place))
    return head + b"".join(data) + directory + later


def divided(samples):
    """8-bit colours that were multiplied by alpha, as Pillow divides them."""
    colours, alpha = samples[:, :, :3].astype(int), samples[:, :, 3:].astype(int)
    return np.where(alpha == 0, 0, np.minimum(255, 255 * colours // np.maximum(alpha, 1)))


def make_tiffs():
    rgb = picture(21, 19)
    wide = rng.integers(0, 65536, (11, 13, 3)).astype(np.uint16)
    high = (wide >> 8).astype(np.uint8)
    image = Image.fromarray(rgb)
    for name in ("tiff_lzw", "packbits", "tiff_adobe_deflate"):
        keep(f"rgb-{name.removeprefix('tiff_')}.tif", saved(image, "TIFF", compression=name), "tiff")
    for mode in ("RGB", "YCbCr", "L"):
        keep(f"{mode.lower()}-jpeg.tif", saved(image.convert(mode), "TIFF", compression="jpeg"), "tiff")
    for name in ("group3", "group4"):
        keep(f"{name}.tif", saved(image.convert("1"), "TIFF", compression=name), "tiff")
    keep("cmyk.tif", saved(image.convert("CMYK"), "TIFF"), "tiff")
    keep("palette-saved.tif", saved(image.quantize(20), "TIFF", compression="tiff_lzw"), "tiff")
    keep("1x1.tif", saved(Image.fromarray(picture(1, 1)), "TIFF"), "tiff")
    keep("pages.tif", saved(image, "TIFF", save_all=True, append_images=[image.transpose(0).crop((0, 0, 5, 5))]), "tiff")
    for order, mark in (("<", "le"), (">", "be")):
        keep(f"rgb16-{mark}.tif", tiff(wide, 2, 16, order), "tiff")
        keep(f"rgb16-{mark}-predicted.tif", tiff(wide, 2, 16, order, predicted=True), "tiff")
        keep(f"grey16-{mark}.tif", tiff(wide[:, :, :1], 1, 16, order), "tiff", high[:, :, 0])
        keep(f"grey16-white-{mark}.tif", tiff(wide[:, :, :1], 0, 16, order), "tiff", 255 - high[:, :, 0])
        keep(f"rgb-big-{mark}.tif", tiff(rgb, 2, 8, order, big=True), "tiff", rgb)
        keep(f"rgb16-planes-{mark}.tif", tiff(wide, 2, 16, order, planes=True, predicted=True), "tiff", high)
    keep("tiles.tif", tiff(rgb, 2, 8, tile=(16, 16)), "tiff")
    keep("tiles-predicted.tif", tiff(rgb, 2, 8, tile=(16, 32), predicted=True), "tiff")
    keep("tiles-planes.tif", tiff(rgb, 2, 8, tile=(16, 16), planes=True), "tiff", rgb)
    keep("planes.tif", tiff(rgb, 2, 8, planes=True), "tiff")
    keep("grey8-white.tif", tiff(rgb[:, :, :1], 0, 8), "tiff")
    for bits in (1, 2, 4):
        few = rng.integers(0, 1 << bits, (7, 13, 1)).astype(np.uint8)
        keep(f"grey{bits}.tif", tiff(few, 1, bits), "tiff")
        keep(f"grey{bits}-white.tif", tiff(few, 0, bits), "tiff")
        palette = rng.integers(0, 65536, (1 << bits, 3))
        keep(f"palette{bits}.tif", tiff(few, 3, bits, palette=palette), "tiff")
    keep("palette8-tiles.tif", tiff(
        rng.integers(0, 256, (11, 13, 1)).astype(np.uint8), 3, 8, tile=(16, 16),
        palette=rng.integers(0, 65536, (256, 3))), "tiff")
    clear = with_alpha(picture(9, 8))
    clear16 = rng.integers(0, 65536, (8, 9, 4)).astype(np.uint16)
    clear16[::2, ::2, 3] = 0
    for extra, name in ((0, "unspecified"), (1, "associated"), (2, "unassociated")):
        keep(f"rgba-{name}.tif", tiff(clear, 2, 8, extra=extra), "tiff")
        keep(f"rgba16-{name}.tif", tiff(clear16, 2, 16, extra=extra), "tiff")
    keep("rgba-associated-planes.tif", tiff(clear, 2, 8, extra=1, planes=True), "tiff", divided(clear))
    keep("grey-alpha.tif", tiff(clear[:, :, :2], 1, 8, extra=2), "tiff")
    for orientation in range(1, 9):
        keep(f"orientation-{orientation}.tif", tiff(rgb[:6, :11], 2, 8, orientation=orientation), "turned")
    keep("orientation-6-big.tif", tiff(rgb[:6, :11], 2, 8, ">", big=True, orientation=6), "turned", np.rot90(rgb[:6, :11], -1))


# BMP

def bmp(body, w, h, bits, header=40, compression=0, palette=b"", masks=b"", colours=0, offset=None):
    if header == 12:
        info = struct.pack("<IHHHH", 12, w, h, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, w, h, 1, bits, compression, len(body), 0, 0, colours, 0)
        if header > 40:
            info += masks.ljust(header - 40, b"\0")
            masks = b""
    start = 14 + len(info) + len(masks) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start if offset is None else offset) + info + masks \
        + palette + body


def bmp_rows(samples, bits):
    """[h, n] numbers -> padded rows from the bottom."""
    out = b""
    for row in samples[::-1]:
        line = row.astype(f"<u{bits // 8}").tobytes() if bits in (16, 32) else packed(row[None], bits if bits < 8 else 8, "<")
        out += line + bytes(-len(line) % 4)
    return out


def make_bmps():
    rgb = picture(13, 11)
    flat = rgb.reshape(11, -1)
    bgr = rgb[:, :, ::-1].reshape(11, -1)
    keep("bmp24.bmp", bmp(bmp_rows(bgr, 24), 13, 11, 24), "bmp")
    keep("bmp24-down.bmp", bmp(bmp_rows(bgr[::-1], 24), 13, -11, 24), "bmp")
    keep("bmp24-core.bmp", bmp(bmp_rows(bgr, 24), 13, 11, 24, header=12), "bmp")
    keep("bmp24-v5.bmp", bmp(bmp_rows(bgr, 24), 13, 11, 24, header=124), "bmp")
    for bits in (1, 4, 8):
        colours = rng.integers(0, 256, (1 << bits, 4)).astype(np.uint8)
        indices = rng.integers(0, 1 << bits, (11, 13))
        answer = colours[indices][:, :, 2::-1]
        keep(f"bmp{bits}.bmp", bmp(bmp_rows(indices, bits), 13, 11, bits, palette=colours.tobytes()), "bmp", answer)
        keep(f"bmp{bits}-core.bmp", bmp(
            bmp_rows(indices, bits), 13, 11, bits, header=12, palette=colours[:, :3].tobytes()), "bmp", answer)
    few = rng.integers(0, 5, (11, 13))
    keep("bmp8-few.bmp", bmp(
        bmp_rows(few, 8), 13, 11, 8, palette=colours[:5].tobytes(), colours=5), "bmp", colours[few][:, :, 2::-1])
    keep("bmp8-offset.bmp", bmp(
        bmp_rows(few, 8), 13, 11, 8, palette=colours[:5].tobytes(), colours=5, offset=54), "bmp",
        colours[few][:, :, 2::-1])
    numbers = rng.integers(0, 65536, (11, 13))
    keep("bmp16.bmp", bmp(bmp_rows(numbers, 16), 13, 11, 16), "bmp")
    keep("bmp16-565.bmp", bmp(
        bmp_rows(numbers, 16), 13, 11, 16, compression=3, masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F)), "bmp")
    numbers = rng.integers(0, 1 << 32, (11, 13))
    keep("bmp32.bmp", bmp(bmp_rows(numbers, 32), 13, 11, 32), "bmp")
    keep("bmp32-masks.bmp", bmp(
        bmp_rows(numbers, 32), 13, 11, 32, compression=3, masks=struct.pack("<III", 0xFF000000, 0xFF0000, 0xFF00)), "bmp")
    keep("bmp32-v4.bmp", bmp(
        bmp_rows(numbers, 32), 13, 11, 32, header=108, compression=3,
        masks=struct.pack("<IIII", 0xFF, 0xFF00, 0xFF0000, 0xFF000000)), "bmp")
    masks = (0x3FF00000, 0xFFC00, 0x3FF)
    answer = np.stack([((numbers & m) // (m & -m)) * 255 // 1023 for m in masks], 2)
    keep("bmp32-10bits.bmp", bmp(
        bmp_rows(numbers, 32), 13, 11, 32, compression=3, masks=struct.pack("<III", *masks)), "bmp", answer)
    # Runs, runs of numbers, ends of rows, a step, and the end; index 0 where nothing is.
    colours = rng.integers(0, 256, (16, 4)).astype(np.uint8)
    runs = bytes([5, 3, 0, 3, 1, 2, 4, 0, 0, 0, 8, 7, 0, 0, 2, 9, 0, 2, 3, 1, 3, 6, 0, 1])
    answer = np.zeros((4, 8), int)
    answer[0] = [3] * 5 + [1, 2, 4]
    answer[1] = [7] * 8
    answer[2, :2] = 9
    answer[3, 5:] = 6
    keep("bmp8-runs.bmp", bmp(runs, 8, 4, 8, compression=1, palette=colours.tobytes(), colours=16), "bmp",
         colours[answer[::-1]][:, :, 2::-1])
    runs = bytes([5, 0x31, 0, 3, 0x12, 0x40, 0, 0, 8, 0x75, 0, 0, 2, 0x99, 0, 2, 3, 1, 3, 0x66, 0, 1])
    answer[0] = [3, 1, 3, 1, 3, 1, 2, 4]
    answer[1] = [7, 5] * 4
    keep("bmp4-runs.bmp", bmp(runs, 8, 4, 4, compression=2, palette=colours.tobytes()), "bmp",
         colours[answer[::-1]][:, :, 2::-1])


# GIF

def make_gifs():
    image = Image.fromarray(picture(45, 31))
    for colours in (2, 5, 256):
        keep(f"palette{colours}.gif", saved(image.quantize(colours), "GIF", interlace=0), "gif")
    keep("interlaced.gif", saved(image.quantize(60), "GIF", interlace=1), "gif")
    keep("grey.gif", saved(image.convert("L"), "GIF"), "gif")
    keep("1x1.gif", saved(Image.fromarray(picture(1, 1)), "GIF"), "gif")
    keep("transparent.gif", saved(Image.fromarray(with_alpha(picture(13, 11))), "GIF"), "gif")
    keep("animated.gif", saved(
        image, "GIF", save_all=True, append_images=[image.transpose(0)], duration=50), "gif")
    # Frames that leave some of the canvas, or reach beyond it, with the colour of index 0 or of the transparent one.
    small = saved(image.crop((0, 0, 9, 7)).quantize(8), "GIF", interlace=0)
    frame = small.rindex(b",\0\0\0\0\x09\0\x07\0")
    assert small[10] & 0x80, "the palette is of the whole file"
    for name, w, h, control in (
            ("part", 13, 11, b""), ("part-transparent", 13, 11, b"!\xf9\x04\x01\0\0\x03\0"), ("beyond", 5, 4, b"")):
        moved = b",\x02\0\x01\0\x09\0\x07\0" + small[frame + 9:]
        head = small[:6] + struct.pack("<HH", w, h) + small[10:13 + 3 * 2 ** ((small[10] & 7) + 1)]
        keep(f"{name}.gif", head + control + moved, "gif")


if __name__ == "__main__":
    assert PIL.__version__.startswith("13."), "the answers are those of Pillow 13"
    make_webps()
    make_tiffs()
    make_bmps()
    make_gifs()
    (HERE / "formats.json").write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
