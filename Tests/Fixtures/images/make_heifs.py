"""Makes the small AVIF and HEIC files of this folder and heif.json, the pixels that Pillow and pillow-heif read of them.

usage: make_heifs.py              (writes beside itself)
Needs: Pillow 13 (AVIF by libavif, aom and dav1d), pillow-heif 1.8 (HEIC by libheif, x265 and libde265), imagecodecs
(AVIF of 10 and 12 bits and without loss, by libavif), numpy.

heif.json is like cases.json. Grids, cuts, turns and mirrors are put around coded pictures by the container that is
written here; their pixels are those of the parts, put together and turned by numpy.
"""
import base64, io, json, pathlib, struct
import imagecodecs
import numpy as np
import pillow_heif
from PIL import Image, ImageOps

pillow_heif.register_heif_opener()
HERE = pathlib.Path(__file__).resolve().parent
rng = np.random.default_rng(22)
cases = []


def picture(w, h, low=0, high=255):
    """Smooth, so that it hardly matters how half resolution is brought to full."""
    y, x = np.mgrid[0:h, 0:w] / max(w, h)
    waves = np.stack([np.sin(3 * x + 2), np.cos(2 * y + 3 * x), np.sin(2 * x * y + 4 * y + 1)], 2)
    return (low + (waves + 1) / 2 * (high - low)).round().astype(np.uint8)


def pixels(data):
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))


def keep(name, data, group, rgb=None):
    (HERE / name).write_bytes(data)
    rgb = pixels(data) if rgb is None else np.asarray(rgb, np.uint8)
    cases.append({"group": group, "file": name, "width": rgb.shape[1], "height": rgb.shape[0],
                  "rgb": base64.b64encode(rgb.tobytes()).decode()})


def avif(rgb, **options):
    out = io.BytesIO()
    options = {"quality": 90, "speed": 4, "codec": "aom", "subsampling": "4:4:4"} | options
    Image.fromarray(rgb).save(out, "AVIF", **options)
    return out.getvalue()


def heic(image, chroma="420", quality=90, **options):
    out = io.BytesIO()
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image.save(out, "HEIF", quality=quality, chroma=chroma, **options)
    return out.getvalue()


# The container (ISO/IEC 14496-12, 23008-12)

def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def full(kind, *parts, version=0, flags=0):
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def boxes(data):
    place = 0
    while place < len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        size = len(data) - place if size == 0 else size
        yield kind, data[place + 8:place + size]
        place += size


def find(data, *kinds):
    for kind in kinds:
        data = next(body for found, body in boxes(data) if found == kind)
        data = data[4:] if kind in (b"meta",) else data
    return data


def coded(data):
    """The coded picture of a file that has one: its kind, its bytes, its configuration."""
    meta = find(data, b"meta")
    config = next((k, b) for k, b in boxes(find(meta, b"iprp", b"ipco")) if k in (b"av1C", b"hvcC"))
    iloc = find(meta, b"iloc")
    version, sizes = iloc[0], iloc[4:6]
    offset_size, length_size, base_size = sizes[0] >> 4, sizes[0] & 15, sizes[1] >> 4
    index_size = sizes[1] & 15 if version else 0
    take = lambda place, n: int.from_bytes(iloc[place:place + n], "big")
    primary = int.from_bytes(find(meta, b"pitm")[4:6], "big")
    place = 8
    for _ in range(take(6, 2)):
        item = take(place, 2)
        place += 4 + (2 if version else 0)
        base = take(place, base_size)
        place += base_size
        extents = take(place, 2)
        place += 2
        where = []
        for _ in range(extents):
            place += index_size
            where.append((base + take(place, offset_size), take(place + offset_size, length_size)))
            place += offset_size + length_size
        if item == primary:
            kind = b"av01" if config[0] == b"av1C" else b"hvc1"
            return kind, b"".join(data[o:o + n] for o, n in where), box(*config)
    raise ValueError("no primary item")


def ispe(w, h):
    return full(b"ispe", struct.pack(">II", w, h))


def irot(quarters):
    return box(b"irot", bytes([quarters]))


def imir(axis):
    return box(b"imir", bytes([axis]))


def clap(w, h, x, y):
    """What is kept, and how far its middle is from the picture's; as fractions."""
    return box(b"clap", struct.pack(">IIIIiIiI", *w, *h, *x, *y))


def container(items, primary, references=(), brands=(b"avif", b"mif1", b"miaf")):
    """`items`: kind, bytes, properties of each, numbered from 1. `references`: kind, from, to."""
    properties = []
    for _, _, mine in items:
        properties += [p for p in mine if p not in properties]
    ftyp = box(b"ftyp", brands[0], bytes(4), *brands)

    def meta(start):
        places, offset = b"", start
        for number, (_, data, _) in enumerate(items, 1):
            places += struct.pack(">HHHII", number, 0, 1, offset, len(data))
            offset += len(data)
        infos = b"".join(
            full(b"infe", struct.pack(">HH4s", n, 0, kind), b"\0", version=2) for n, (kind, _, _) in enumerate(items, 1))
        # Transformations and configurations are essential.
        essential = lambda p: 0x80 if p[4:8] in (b"irot", b"imir", b"clap", b"av1C", b"hvcC") else 0
        associations = b"".join(
            struct.pack(">HB", n, len(mine)) + bytes(essential(p) | properties.index(p) + 1 for p in mine)
            for n, (_, _, mine) in enumerate(items, 1))
        refs = b"".join(
            box(kind, struct.pack(">HH", source, len(to)), *[struct.pack(">H", t) for t in to])
            for kind, source, to in references)
        return full(
            b"meta", full(b"hdlr", bytes(4), b"pict", bytes(12), b"\0"), full(b"pitm", struct.pack(">H", primary)),
            full(b"iloc", b"\x44\0", struct.pack(">H", len(items)), places),
            full(b"iinf", struct.pack(">H", len(items)), infos),
            *([full(b"iref", refs)] if refs else []),
            box(b"iprp", box(b"ipco", *properties), full(b"ipma", struct.pack(">I", len(items)), associations)))

    start = len(ftyp) + len(meta(0)) + 8
    return ftyp + meta(start) + box(b"mdat", *[data for _, data, _ in items])


def single(data, w, h, *transforms, brands=(b"avif", b"mif1", b"miaf")):
    kind, stream, config = coded(data)
    return container([(kind, stream, [ispe(w, h), config, *transforms])], 1, brands=brands)


def grid(tiles, columns, w, h, tile_w, tile_h, brands):
    """Tiles row by row, the last ones cut at the picture's sides; their sides are 64 at least (23000-22, 7.3.11.4)."""
    parts = [coded(t) for t in tiles]
    items = [(kind, stream, [ispe(tile_w, tile_h), config]) for kind, stream, config in parts]
    rows = len(tiles) // columns
    pixi = full(b"pixi", b"\3\10\10\10")
    items.append((b"grid", struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, w, h), [ispe(w, h), pixi]))
    return container(items, len(items), [(b"dimg", len(items), range(1, len(items)))], brands)


HEIC = (b"heic", b"mif1")


def make_plain():
    image = picture(45, 31)
    # Pillow's library interpolates colours of half the resolution, libheif repeats them: with soft colours that differs by
    # few levels. pillow-heif has libheif.
    soft = picture(45, 31, 80, 176)
    for chroma in ("420", "422"):
        keep(f"color-{chroma}.avif", avif(soft, subsampling=":".join(chroma)), "halved")
        keep(f"color-{chroma}.heic", heic(image, chroma), "heic")
    keep("color-444.avif", avif(image), "avif")
    keep("color-444.heic", heic(image, "444"), "heic")
    keep("limited.avif", avif(image, range="limited"), "avif")
    # Primaries and transfer are ignored, as profiles of other formats are; the matrix is not.
    wide = imagecodecs.avif_encode(image, level=95, pixelformat="444", primaries=9, transfer=16, matrix=9)
    keep("bt2020.avif", wide, "avif")
    keep("grey.avif", avif(np.asarray(Image.fromarray(image).convert("L")), subsampling="4:0:0"), "avif")
    keep("grey.heic", heic(Image.fromarray(image).convert("L")), "heic")
    for w, h in ((1, 1), (1, 17), (17, 1)):
        keep(f"{w}x{h}.avif", avif(picture(w, h)), "avif")
    keep("17x3.heic", heic(picture(17, 3), "444"), "heic")
    alpha = rng.integers(40, 256, (31, 45, 1)).astype(np.uint8)
    clear = np.concatenate([image, alpha], 2)
    keep("alpha.avif", avif(clear), "avif")
    keep("alpha.heic", heic(clear, "444"), "heic")
    # Smooth alpha: colours that were multiplied are divided by what came out of a lossy coder.
    y, x = np.mgrid[0:31, 0:45]
    soft = np.concatenate([image, (255 - 2 * x - y)[:, :, None].astype(np.uint8)], 2)
    keep("multiplied.avif", avif(soft, quality=100, alpha_premultiplied=True), "avif", soft[:, :, :3])
    frames = [Image.fromarray(image[::-1])]
    keep("sequence.avif", avif(image, append_images=frames, save_all=True, duration=50), "avif")
    several = pillow_heif.from_pillow(Image.fromarray(image[::-1, ::-1]))
    several.add_from_pillow(Image.fromarray(image))
    out = io.BytesIO()
    several.save(out, quality=90, primary_index=1)
    keep("several.heic", out.getvalue(), "heic", pixels(heic(image)))


def make_exact():
    """Colours as they are, without loss: no conversion that libraries might do differently."""
    noise = rng.integers(0, 256, (11, 13, 3)).astype(np.uint8)
    keep("lossless.avif", imagecodecs.avif_encode(noise, level=100, pixelformat="444"), "exact", noise)


def make_deep():
    """The high byte, as of other pictures of 16 bits."""
    wide = picture(23, 19).astype(np.uint16) * 257
    for bits in (10, 12):
        data = imagecodecs.avif_encode(wide >> 16 - bits, level=95, pixelformat="444", bitspersample=bits)
        keep(f"{bits}-bits.avif", data, "avif", imagecodecs.avif_decode(data) >> bits - 8)
    deep = pillow_heif.from_bytes(mode="RGB;16", size=(23, 19), data=wide.astype("<u2").tobytes())
    out = io.BytesIO()
    deep.save(out, quality=95, chroma="444")
    found = pillow_heif.open_heif(io.BytesIO(out.getvalue()), convert_hdr_to_8bit=False)
    keep("10-bits.heic", out.getvalue(), "heic", np.asarray(found) >> 8)


def make_turned():
    image = picture(23, 19)
    plain = avif(image)
    rgb = pixels(plain)
    # Pillow turns and mirrors too, but cuts nothing.
    for quarters in (1, 2, 3):
        keep(f"turned-{quarters}.avif", single(plain, 23, 19, irot(quarters)), "transformed")
    for axis in (0, 1):
        keep(f"mirrored-{axis}.avif", single(plain, 23, 19, imir(axis)), "transformed")
    keep("turned-mirrored.avif", single(plain, 23, 19, irot(1), imir(0)), "transformed", np.rot90(rgb)[::-1])
    keep("cut.avif", single(plain, 23, 19, clap((13, 1), (11, 1), (1, 1), (-2, 1))), "transformed", rgb[2:13, 6:19])
    # The smallest picture that this coder of HEVC codes; it cuts smaller ones out.
    even = picture(64, 64)
    plain = heic(even, "444")
    rgb = pixels(plain)
    keep("turned-1.heic", single(plain, 64, 64, irot(1), brands=HEIC), "transformed", np.rot90(rgb))
    middle = clap((24, 1), (10, 1), (0, 1), (0, 1))
    keep("cut-turned.heic", single(plain, 64, 64, middle, irot(3), brands=HEIC), "transformed", np.rot90(rgb[27:37, 20:44], 3))
    # A camera's note beside the picture. Pillow writes it as a turn too, and it is done once; pillow-heif writes it
    # alone, and it is none.
    note = Image.Exif()
    note[0x0112] = 6
    data = avif(image, exif=note)
    keep("noted-6.avif", data, "transformed", np.rot90(np.asarray(Image.open(io.BytesIO(data))), 3))
    keep("noted-6.heic", heic(even, "444", exif=note.tobytes()), "transformed", rgb)


def make_grids():
    image = picture(128, 128)
    parts = [image[y:y + 64, x:x + 64] for y in (0, 64) for x in (0, 64)]
    for kind, coder, brands in (("avif", avif, (b"avif", b"mif1")),
                                ("heic", lambda p: heic(p, "444"), HEIC)):
        tiles = [coder(p) for p in parts]
        shown = [pixels(t) for t in tiles]
        rgb = np.vstack([np.hstack(shown[:2]), np.hstack(shown[2:])])[:101, :115]
        keep(f"grid.{kind}", grid(tiles, 2, 115, 101, 64, 64, brands), kind, rgb)


make_plain()
make_exact()
make_deep()
make_turned()
make_grids()
(HERE / "heif.json").write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
