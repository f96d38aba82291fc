"""Makes the small pictures of this folder and cases.json, the pixels that Pillow 10.4 reads from them.

usage: make_images.py            (writes beside itself)
Needs: Pillow 10.4, numpy, and libturbojpeg for the kinds of JPEG that Pillow cannot write.

cases.json holds 8-bit RGB as base64, rows from the top. One answer is not Pillow's: 16-bit grey becomes its high byte
(Pillow clips to 255 instead).
"""
import base64, ctypes, ctypes.util, io, json, pathlib, struct, zlib
import numpy as np
import PIL
from PIL import Image, ImageOps

HERE = pathlib.Path(__file__).resolve().parent
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
KINDS = {0: "grey", 2: "rgb", 3: "palette", 4: "grey-alpha", 6: "rgba"}
PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
rng = np.random.default_rng(20)
filters_used = 0


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def packed_rows(samples, depth):
    """samples [h, w, channels] -> one bytes object a row."""
    for row in samples.reshape(len(samples), -1):
        if depth == 16:
            yield row.astype(">u2").tobytes()
        elif depth == 8:
            yield row.astype(np.uint8).tobytes()
        else:
            bits = ((row[:, None] >> np.arange(depth - 1, -1, -1)) & 1).astype(np.uint8)
            yield np.packbits(bits.reshape(-1)).tobytes()


def filtered(rows, step):
    """Each row with the next of PNG's five filters."""
    global filters_used
    out, above = b"", None
    for row in rows:
        above = above or bytes(len(row))
        kind = filters_used % 5
        filters_used += 1
        line = bytearray()
        for i, x in enumerate(row):
            a = row[i - step] if i >= step else 0
            b = above[i]
            c = above[i - step] if i >= step else 0
            nearest = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
            line.append((x - (0, a, b, (a + b) // 2, nearest)[kind]) % 256)
        out += bytes([kind]) + bytes(line)
        above = row
    return out


def png(samples, kind, depth, interlaced, palette=None, transparency=None):
    h, w, n = samples.shape
    step = max(1, n * depth // 8)
    data = b""
    if interlaced:
        for x, y, dx, dy in PASSES:
            part = samples[y::dy, x::dx]
            if part.size:
                data += filtered(packed_rows(part, depth), step)
    else:
        data = filtered(packed_rows(samples, depth), step)
    compressed = zlib.compress(data, 9)
    half = len(compressed) // 2
    body = chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, kind, 0, 0, int(interlaced)))
    body += chunk(b"gAMA", struct.pack(">I", 100000))
    if palette is not None:
        body += chunk(b"PLTE", palette.astype(np.uint8).tobytes())
    if transparency is not None:
        body += chunk(b"tRNS", transparency)
    body += chunk(b"IDAT", compressed[:half]) + chunk(b"IDAT", compressed[half:]) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


cases = []


def keep(name, data, group, rgb=None):
    (HERE / name).write_bytes(data)
    if rgb is None:
        rgb = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    cases.append({"group": group, "file": name, **record(rgb)})


def record(rgb):
    rgb = np.asarray(rgb)
    return {"width": rgb.shape[1], "height": rgb.shape[0], "rgb": base64.b64encode(rgb.tobytes()).decode()}


def make_png(kind, depth, w, h, interlaced, transparency=None, suffix=""):
    limit = 1 << depth
    palette = None
    if kind == 3:
        limit = min(limit, 200)
        palette = rng.integers(0, 256, (limit, 3))
    samples = rng.integers(0, limit, (h, w, CHANNELS[kind]))
    rgb = None
    if kind == 0 and depth == 16:
        rgb = np.repeat((samples >> 8).astype(np.uint8), 3, 2)
    name = f"{KINDS[kind]}{depth}{suffix}-{w}x{h}{'-interlaced' if interlaced else ''}.png"
    keep(name, png(samples, kind, depth, interlaced, palette, transparency), "png", rgb)


def make_pngs():
    depths = {0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16]}
    for kind in depths:
        for depth in depths[kind]:
            for interlaced in (False, True):
                make_png(kind, depth, 13, 11, interlaced)
    for interlaced in (False, True):
        for w, h in ((1, 1), (1, 17), (17, 1), (3, 2)):
            make_png(2, 8, w, h, interlaced)
            make_png(0, 1, w, h, interlaced)
    make_png(0, 2, 7, 5, False, struct.pack(">H", 1), "-transparent")
    make_png(0, 8, 7, 5, True, struct.pack(">H", 7), "-transparent")
    make_png(0, 16, 7, 5, False, struct.pack(">H", 777), "-transparent")
    make_png(2, 8, 7, 5, False, struct.pack(">HHH", 1, 2, 3), "-transparent")
    make_png(2, 16, 7, 5, True, struct.pack(">HHH", 1, 2, 3), "-transparent")
    make_png(3, 4, 7, 5, False, bytes(range(0, 160, 10)), "-transparent")
    make_png(3, 8, 7, 5, True, bytes(range(100)), "-transparent")


def picture(w, h):
    """A smooth picture with some edges and noise."""
    y, x = np.mgrid[0:h, 0:w] / max(w, h)
    waves = np.stack([np.sin(9 * x + 2), np.cos(7 * y + 3 * x), np.sin(5 * x * y + 1)], 2) * 90 + 128
    waves[(x - 0.5) ** 2 + (y - 0.3) ** 2 < 0.03] = (230, 30, 60)
    return np.clip(waves + rng.normal(0, 6, (h, w, 3)), 0, 255).astype(np.uint8)


def jpeg(image, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", **{"quality": 88, **options})
    return out.getvalue()


def turbo(pixels, pixel_format, sampling):
    """A JPEG made by libturbojpeg; CMYK pixels become YCCK."""
    lib = ctypes.CDLL(ctypes.util.find_library("turbojpeg"))
    lib.tjInitCompress.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(lib.tjInitCompress())
    out, size = ctypes.POINTER(ctypes.c_ubyte)(), ctypes.c_ulong(0)
    h, w, n = pixels.shape
    source = np.ascontiguousarray(pixels).ctypes.data_as(ctypes.POINTER(ctypes.c_ubyte))
    assert lib.tjCompress2(handle, source, w, w * n, h, pixel_format, ctypes.byref(out), ctypes.byref(size), sampling, 88, 0) == 0
    return ctypes.string_at(out, size.value)


def make_jpegs():
    image = Image.fromarray(picture(45, 31))
    for name, sampling in (("444", 0), ("422", 1), ("420", 2)):
        keep(f"color-{name}.jpg", jpeg(image, subsampling=sampling), "jpeg")
    keep("progressive.jpg", jpeg(image, progressive=True), "jpeg")
    keep("restarts.jpg", jpeg(image, restart_marker_blocks=2), "jpeg")
    keep("stored-rgb.jpg", jpeg(image, keep_rgb=True), "jpeg")
    keep("grey.jpg", jpeg(image.convert("L")), "jpeg")
    keep("1x1.jpg", jpeg(image.crop((3, 3, 4, 4))), "jpeg")
    keep("17x1.jpg", jpeg(image.crop((3, 3, 20, 4))), "jpeg")
    keep("1x17.jpg", jpeg(image.crop((3, 3, 4, 20))), "jpeg")
    keep("cmyk.jpg", jpeg(image.convert("CMYK")), "jpeg")
    cmyk = np.concatenate([picture(23, 19), picture(23, 19)[:, :, :1]], 2)
    keep("ycck.jpg", turbo(cmyk, 11, 0), "jpeg")
    keep("color-440.jpg", turbo(np.asarray(image), 0, 4), "jpeg")
    keep("color-411.jpg", turbo(np.asarray(image), 0, 5), "jpeg")


def make_turned():
    """JPEGs with each EXIF orientation, and what a viewer shows."""
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = jpeg(Image.fromarray(picture(11, 6)), exif=exif.tobytes(), subsampling=0)
        name = f"orientation-{orientation}.jpg"
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
        keep(name, data, "orientation", np.asarray(upright))


def make_resized():
    """Sizes that enlarge, shrink, keep one side, and are prime or 1."""
    source = picture(37, 23)
    out = io.BytesIO()
    Image.fromarray(source).save(out, "PNG", optimize=True)
    (HERE / "resize-source.png").write_bytes(out.getvalue())
    for w, h in ((1, 1), (1, 23), (37, 1), (2, 3), (7, 5), (18, 11), (36, 22), (37, 46), (53, 23), (74, 46), (5, 60), (101, 3)):
        for method in ("nearest", "bilinear", "bicubic"):
            resized = Image.fromarray(source).resize((w, h), getattr(Image, method.upper()))
            cases.append({"group": "resize", "file": "resize-source.png", "filter": method, **record(resized)})


if __name__ == "__main__":
    assert PIL.__version__.startswith("10.4"), "the answers are those of Pillow 10.4"
    make_pngs()
    make_jpegs()
    make_turned()
    make_resized()
    (HERE / "cases.json").write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
