"""Makes the small data sets of this folder, heatmaps for them, and what the metrics are by numpy and scikit-learn.

usage: make_fixtures.py            (writes beside itself)
Needs: h5py, numpy, Pillow, scikit-learn, scipy.

expected.json is computed from the files as other readers see them (h5py, csv, Pillow), never from what wrote them.
The protocols are those of methods §6, written as the public code has them.
"""
import csv, json, pathlib, shutil, struct, warnings, zlib
import h5py
import numpy as np
import scipy.io
from PIL import Image
from sklearn.metrics import average_precision_score

HERE = pathlib.Path(__file__).resolve().parent
rng = np.random.default_rng(61)
expected = {}


def fresh(name):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def minmax(map):
    map = map.astype(np.float32)
    return (map - map.min()) / (map.max() - map.min())


def smooth(height, width, levels=None):
    """A blob with noise, in [0, 1]; `levels` makes ties."""
    y, x = np.mgrid[0:height, 0:width]
    centre = rng.uniform(0.2, 0.8, 2)
    map = np.exp(-8 * ((y / height - centre[0]) ** 2 + (x / width - centre[1]) ** 2))
    map += 0.2 * rng.random((height, width))
    map = minmax(map)
    return map if levels is None else minmax(np.floor(map * levels))


# --- the protocols -------------------------------------------------------------------------------------------------

def segmentation(map, mask, threshold):
    """One image by the public code: counts and average precision. `map` may hold NaN."""
    map = map.reshape(-1)
    mask = mask.reshape(-1).astype(int)
    limit = map.astype(np.float64).mean() if threshold == "mean" else 0.5
    predicted = np.nan_to_num((map.astype(np.float64) > limit).astype(float)).astype(int)
    scores = np.concatenate([np.nan_to_num(1 - map), np.nan_to_num(map)])
    truths = np.concatenate([mask == 0, mask == 1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        precision = average_precision_score(truths, scores)
    return {
        "correct": int((predicted == mask).sum()), "labelled": int(mask.size),
        "intersections": [int(((predicted == k) & (mask == k)).sum()) for k in (0, 1)],
        "unions": [int(((predicted == k) | (mask == k)).sum()) for k in (0, 1)],
        "averagePrecision": float(precision),
    }


def segmentation_summary(rows):
    inter = np.sum([row["intersections"] for row in rows], axis=0)
    union = np.sum([row["unions"] for row in rows], axis=0)
    return {
        "pixelAccuracy": sum(r["correct"] for r in rows) / (np.spacing(1) + sum(r["labelled"] for r in rows)),
        "mIoU": float((inter / (np.spacing(1) + union)).mean()),
        "mAP": float(np.mean([row["averagePrecision"] for row in rows])),
    }


def points_in(map, points, threshold):
    height, width = map.shape
    tp = fp = fn = 0
    for x, y, positive in points:
        found = map[min(int(np.floor(y * height)), height - 1), min(int(np.floor(x * width)), width - 1)] > threshold
        tp += int(found and positive)
        fp += int(found and not positive)
        fn += int(not found and positive)
    return {"truePositives": tp, "falsePositives": fp, "falseNegatives": fn}


def point_summary(images):
    counts, pairs = {}, []
    for image in images:
        for row in image:
            tp, rest = row["truePositives"], row["falsePositives"] + row["falseNegatives"]
            pair = counts.setdefault(row["label"], np.zeros(2))
            pair += (tp, tp + rest)
            pairs.append(np.nan if tp + rest == 0 else tp / (tp + rest))
    per_class = [tp / total if total else np.nan for tp, total in counts.values()]
    return {"perClass": float(np.nanmean(per_class)), "perImage": float(np.nanmean(pairs))}


# --- metrics alone -------------------------------------------------------------------------------------------------

def metric_cases():
    folder = fresh("metrics")
    nan = smooth(9, 7)
    nan[2, 3:6] = np.nan
    maps = {
        "smooth": smooth(37, 23), "ties": smooth(16, 16, 4), "binary": smooth(11, 5, 1), "row": smooth(1, 13),
        "pixels": minmax(np.array([[0.25, 0.5], [0.75, 0]])), "nan": nan, "all-nan": np.full((4, 3), np.nan),
        "no-object": smooth(8, 9), "all-object": smooth(8, 9), "shifted": 0.3 + 0.4 * smooth(12, 10),
    }
    rows = {}
    for name, map in maps.items():
        map = map.astype(np.float32)
        mask = (rng.random(map.shape) < np.nan_to_num(map)).astype(np.uint8)
        if name == "no-object":
            mask[:] = 0
        if name == "all-object":
            mask[:] = 1
        np.save(folder / f"{name}.heatmap.npy", map)
        np.save(folder / f"{name}.mask.npy", mask)
        rows[name] = {threshold: segmentation(map, mask, threshold) for threshold in ("mean", "0.5")}
    expected["segmentation"] = {
        "images": rows,
        "summary": {t: segmentation_summary([rows[name][t] for name in maps]) for t in ("mean", "0.5")},
        "order": list(maps),
    }

    np.save(folder / "points.heatmap.npy", smooth(7, 9))
    map = np.load(folder / "points.heatmap.npy")
    points = [[x, y, bool(rng.random() < 0.5)] for x in (0, 1 / 9, 0.5, 0.999, 1) for y in (0, 3 / 7, 0.71, 1)]
    expected["points"] = {"points": points, "counts": points_in(map, points, 0.5)}

    hits = (rng.random((13, 19)) < 0.6)
    x = np.array([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    accuracy = hits.mean(axis=0)
    expected["perturbation"] = {
        "rows": [{"isHit": bool(row[0]), "positiveHits": row[1:10].tolist(), "negativeHits": row[10:].tolist()}
                 for row in hits],
        "accuracy": float(accuracy[0]),
        "positiveAUC": float(np.trapezoid(accuracy[:10], x)),
        "negativeAUC": float(np.trapezoid(np.concatenate([accuracy[:1], accuracy[10:]]), x)),
        "counts": {n: [int(n * s) for s in x[1:].tolist()] for n in (1, 10, 90, 57600, 50176, 147456)},
    }
    tied = smooth(6, 7, 3)
    np.save(folder / "order.heatmap.npy", tied)
    flat = tied.reshape(-1)
    expected["perturbation"]["mostRelevantFirst"] = np.lexsort((np.arange(flat.size), -flat)).tolist()
    expected["perturbation"]["leastRelevantFirst"] = np.lexsort((np.arange(flat.size), flat)).tolist()

    mask = (rng.random((11, 17)) < 0.4).astype(np.uint8)
    np.save(folder / "resize.mask.npy", mask)
    for height, width in ((5, 5), (32, 24), (11, 8), (11, 17)):
        resized = Image.fromarray(mask).resize((width, height), Image.NEAREST)
        np.save(folder / f"resize.{height}x{width}.npy", np.array(resized))


# --- data sets -----------------------------------------------------------------------------------------------------

WNIDS = ["n01440764", "n01443537", "n02119789", "n02124075"]
NAMES = ["tench", "goldfish", "kit_fox", "Egyptian_cat"]


def picture(height, width):
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([x * 255 / max(width - 1, 1), y * 255 / max(height - 1, 1), (x + y) % 7 * 30], axis=-1)
    return (0.7 * base + 0.3 * rng.integers(0, 256, (height, width, 3))).astype(np.uint8)


def blob(height, width):
    y, x = np.mgrid[0:height, 0:width]
    centre = rng.uniform(0.3, 0.7, 2)
    return (((y / height - centre[0]) ** 2 + (x / width - centre[1]) ** 2) < 0.06).astype(np.uint8)


def summary_of_masks(masks, maps):
    """Squashes each mask to its heatmap's size."""
    rows = []
    for mask, map in zip(masks, maps):
        size = (map.shape[1], map.shape[0])
        rows.append(segmentation(map, np.array(Image.fromarray(mask).resize(size, Image.NEAREST)), "mean"))
    return {"images": rows, "summary": segmentation_summary(rows)}


def class_index():
    (HERE / "imagenet_class_index.json").write_text(
        json.dumps({str(i): [wnid, name] for i, (wnid, name) in enumerate(zip(WNIDS, NAMES))}))


def cell(references):
    """A column of MATLAB's cell array: an array of references."""
    data = np.empty((len(references), 1), dtype=h5py.ref_dtype)
    data[:, 0] = references
    return data


def characters(text):
    return np.frombuffer(text.encode("utf-16-le"), dtype=np.uint16).reshape(-1, 1).copy()


def matlab_header(path):
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Thu Jan 01 00:00:00 1970 HDF5 schema 1.00 ."
    with open(path, "r+b") as raw:
        raw.write(header.ljust(116) + bytes(8) + struct.pack("<H", 0x0200) + b"IM")


def imagenet_seg():
    """gtsegs_ijcv.mat: a user block of 512 bytes, then HDF5; all dimensions reversed."""
    folder = fresh("imagenet-seg")
    path = folder / "gtsegs.mat"
    ids = ["n02119789_42", "n01440764_7", "n09999999_1", "n01443537_1234"]
    sizes = [(9, 12), (13, 7), (16, 16), (5, 31)]
    with h5py.File(path, "w", userblock_size=512) as file:
        def store(value, kind, name):
            packed = {"chunks": True, "compression": 3} if value.dtype == np.uint8 else {}
            data = file.create_dataset(f"#refs#/{name}", data=value, **packed)
            data.attrs["MATLAB_class"] = np.bytes_(kind)
            return data.ref
        lists = {"img": [], "gt": [], "id": [], "target": []}
        for index, (id, (height, width)) in enumerate(zip(ids, sizes)):
            lists["img"].append(store(picture(height, width).transpose(2, 1, 0), "uint8", f"img{index}"))
            # MATLAB keeps a mask as it was made: logical, or a number.
            mask = blob(height, width).T
            mask = store(mask, "logical", f"mask{index}") if index % 2 else store(mask * 1.0, "double", f"mask{index}")
            lists["gt"].append(store(cell([mask]), "cell", f"gt{index}"))
            lists["id"].append(store(characters(id), "char", f"id{index}"))
            lists["target"].append(store(np.array([[float(index)]]), "double", f"target{index}"))
        for name, references in lists.items():
            file.create_dataset(f"value/{name}", data=cell(references))
    matlab_header(path)

    maps = np.stack([smooth(14, 15) for _ in ids])
    np.save(folder / "heatmaps.npy", maps)
    with h5py.File(path, "r") as file:
        def read(list, index):
            return np.array(file[file[f"/value/{list}"][index, 0]])
        found = {}
        for index in range(len(file["/value/img"])):
            mask = np.array(file[file[file["/value/gt"][index, 0]][0, 0]]).transpose((1, 0)).astype(np.uint8)
            found["".join(chr(c) for c in read("id", index)[:, 0])] = (read("img", index).transpose((2, 1, 0)), mask)
    order = sorted(found)
    expected["imagenet-seg"] = summary_of_masks([found[id][1] for id in order], maps) | {
        "ids": order,
        "classes": [WNIDS.index(id.split("_")[0]) if id.split("_")[0] in WNIDS else None for id in order],
        "sizes": [list(found[id][0].shape[:2]) for id in order],
        "pixels": [found[id][0].reshape(-1).tolist() for id in order],
    }


def hostile_imagenet_seg():
    """Files in that layout with one thing wrong each; `expected` says what the error names."""
    folder = fresh("imagenet-seg-hostile")

    def make(name, version="v110", **wrong):
        """Writes a file whose only image has `wrong` parts: functions of the file that return a reference, or lists."""
        with h5py.File(folder / f"{name}.mat", "w", libver=version, userblock_size=512) as file:
            def part(key, value):
                return wrong[key](file) if key in wrong else file.create_dataset("#refs#/" + key, data=value).ref
            mask = part("mask", np.ones((2, 3), np.uint8))
            parts = {
                "img": part("image", np.zeros((3, 2, 3), np.uint8)), "gt": part("gt", cell([mask])),
                "id": part("id", characters("n01440764_1"))}
            for key, reference in parts.items():
                if f"link_{key}" in wrong:
                    file[f"value/{key}"] = wrong[f"link_{key}"]
                elif f"no_{key}" not in wrong:
                    file.create_dataset(f"value/{key}", data=wrong.get(f"list_{key}", cell([reference])))
        matlab_header(folder / f"{name}.mat")

    def data(value, **options):
        return lambda file: file.create_dataset("#refs#/wrong", data=value, **options).ref

    def huge(shape, dtype):
        """Room for more than any memory, none of it written."""
        return lambda file: file.create_dataset(
            "#refs#/wrong", shape=shape, dtype=dtype, chunks=(1,) * len(shape), compression=3).ref

    def virtual(file):
        layout = h5py.VirtualLayout(shape=(3, 2, 3), dtype=np.uint8)
        layout[:] = h5py.VirtualSource("other.mat", "data", shape=(3, 2, 3))
        return file.create_virtual_dataset("#refs#/wrong", layout).ref

    def chunk(content, **options):
        """An array whose only chunk has `content` in the file."""
        def make(file):
            array = file.create_dataset("#refs#/wrong", shape=(3, 2, 3), dtype=np.uint8, chunks=(3, 2, 3), **options)
            array.id.write_direct_chunk((0, 0, 0), content)
            return array.ref
        return make

    def filtered(number):
        """An array with a filter that nobody has."""
        def make(file):
            properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            properties.set_chunk((3, 2, 3))
            properties.set_filter(number, h5py.h5z.FLAG_OPTIONAL)
            space = h5py.h5s.create_simple((3, 2, 3))
            array = h5py.h5d.create(file["#refs#"].id, b"wrong", h5py.h5t.STD_U8LE, space, properties)
            return h5py.Dataset(array).ref
        return make

    # The file as a whole
    make("no-ids", no_id=True)
    make("list-of-numbers", list_img=np.zeros((1, 1)))
    make("flat-list", list_gt=np.empty((1,), dtype=h5py.ref_dtype))
    make("more-masks", list_gt=np.empty((2, 1), dtype=h5py.ref_dtype))
    make("null-id", id=lambda file: h5py.h5r.Reference())
    make("id-of-bytes", id=data(np.zeros((4, 1), np.uint8)))
    make("id-of-surrogates", id=data(np.full((4, 1), 0xD800, np.uint16)))
    make("huge-id", id=huge((1 << 20, 1 << 20), np.uint16))
    # Its image
    make("image-of-doubles", image=data(np.zeros((3, 2, 3))))
    make("grey-image", image=data(np.zeros((2, 3), np.uint8)))
    make("four-channels", image=data(np.zeros((4, 2, 3), np.uint8)))
    make("huge-image", image=huge((3, 1 << 31, 1 << 31), np.uint8))
    make("empty-image", image=data(np.zeros((3, 0, 3), np.uint8)))
    make("null-image", image=lambda file: h5py.h5r.Reference())
    make("group-image", image=lambda file: file.create_group("#refs#/group").ref)
    make("external-image", image=data(np.zeros((3, 2, 3), np.uint8), external=[("other.bin", 0, h5py.h5f.UNLIMITED)]))
    make("virtual-image", image=virtual)
    make("short-chunk", image=chunk(zlib.compress(bytes(5)), compression=3))
    # Of these, the newer versions of the format keep no size.
    make("short-plain-chunk", "earliest", image=chunk(bytes(5)))
    make("long-plain-chunk", "earliest", image=chunk(bytes(1000)))
    make("short-checked-chunk", image=chunk(bytes(9), fletcher32=True))
    make("wrong-checksum", image=chunk(bytes(18) + b"wrong"[:4], fletcher32=True))
    wide = {"chunks": (3, 2, 30), "maxshape": (3, 2, 300), "compression": 3}
    make("wide-chunk", image=data(np.zeros((3, 2, 3), np.uint8), **wide))
    make("many-chunks", image=huge((3, 200, 200), np.uint8))
    make("other-filter", image=data(np.zeros((3, 2, 3), np.uint8), compression="lzf"))
    make("szip-filter", image=data(np.zeros((3, 2, 3), np.uint8), compression="szip"))
    make("scale-offset-filter", image=data(np.zeros((3, 2, 3), np.uint8), scaleoffset=0))
    make("unknown-filter", image=filtered(40_000))
    make("external-link", link_img=h5py.ExternalLink("../imagenet-seg/gtsegs.mat", "/value/img"))
    # Its mask
    make("mask-without-cell", gt=data(np.ones((2, 3), np.uint8)))
    make("null-mask", mask=lambda file: h5py.h5r.Reference())
    make("mask-of-text", mask=data(np.full((2, 3), b"x")))
    make("huge-mask", mask=huge((1 << 40, 1 << 40), np.uint8))
    (folder / "other.bin").unlink(missing_ok=True)
    filters = "/value/img[0]: expected chunks packed by deflate (gzip), shuffle and fletcher32, or not packed, found "
    expected["imagenet-seg-hostile"] = {
        "no-ids": "/value/id: expected an array, found none",
        "list-of-numbers": "/value/img: expected references to objects, found floating-point numbers of 8 bytes",
        "flat-list": "/value/gt: expected 2 dimensions, found 1",
        "more-masks": "expected as many ids as images and masks, found 1, 1, 2",
        "null-id": "/value/id[0]: expected an array, found none",
        "id-of-bytes": "/value/id[0]: expected unsigned integers of 2 bytes (text), found integers of 1 bytes",
        "id-of-surrogates": "/value/id[0]: expected <wnid>_<number>, found other text",
        "huge-id": "/value/id[0]: expected 1 to 1000 elements, found 1048576 × 1048576",
        "image-of-doubles": "/value/img[0]: expected unsigned integers of 1 byte, found floating-point numbers",
        "grey-image": "/value/img[0]: expected 3 dimensions, found 2",
        "four-channels": "/value/img[0]: expected 3 channels × columns × rows, found 4 × 2 × 3",
        "huge-image": "/value/img[0]: expected 1 to 536870910 elements, found 3 × 2147483648 × 2147483648",
        "empty-image": "/value/img[0]: expected 1 to 536870910 elements, found 3 × 0 × 3",
        "null-image": "/value/img[0]: expected an array, found none",
        "group-image": "/value/img[0]: expected an array, found another kind of object",
        "external-image": "/value/img[0]: expected data in this file, found data in another",
        "virtual-image": "/value/img[0]: expected data in this file, found data in another",
        "short-chunk": "/value/img[0]: expected chunks of 18 bytes, found 5",
        "short-plain-chunk": "/value/img[0]: expected chunks of 18 bytes, found 5",
        "long-plain-chunk": "/value/img[0]: expected chunks of 18 bytes, found more",
        "short-checked-chunk": "/value/img[0]: expected chunks of 18 bytes, found 5",
        "wrong-checksum": "/value/img[0]: expected 18 readable elements, found a read error (H5Dread)",
        "wide-chunk": "/value/img[0]: expected chunks within 3 × 2 × 3, found 3 × 2 × 30",
        "many-chunks": "/value/img[0]: expected at most 10000 chunks, found 120000",
        "other-filter": filters + "LZF, filter 32000; only h5py has this filter: write the file there with",
        "szip-filter": filters + "szip, filter 4; write the file again by 'h5repack -f GZIP=4 OLD NEW'",
        "scale-offset-filter": filters + "scale-offset, filter 6; write the file again by 'h5repack",
        "unknown-filter": filters + "filter 40000; write the file again by 'h5repack -f GZIP=4 OLD NEW'",
        "external-link": "/value/img: expected an array, found none",
        "mask-without-cell": "/value/gt[0]: expected references to objects, found integers of 1 bytes",
        "null-mask": "/value/gt[0]{0}: expected an array, found none",
        "mask-of-text": "/value/gt[0]{0}: expected unsigned integers of 1 or 2 bytes, or doubles, found text",
        "huge-mask": "/value/gt[0]{0}: expected 1 to 178956970 elements, found 1099511627776 × 1099511627776",
    }


def stored_imagenet_seg():
    """One picture in every way of packing that is read."""
    folder = fresh("imagenet-seg-storage")
    path = folder / "gtsegs.mat"
    image = np.arange(3 * 6 * 5, dtype=np.uint8).reshape(3, 6, 5) ** 2
    ways = {
        "whole": {}, "plain": {"chunks": (1, 4, 3)}, "shuffled": {"shuffle": True}, "checked": {"fletcher32": True},
        "packed": {"compression": 3}, "packed-shuffled": {"compression": 3, "shuffle": True},
        "all": {"compression": 3, "shuffle": True, "fletcher32": True}, "skipped": {"compression": 3}}
    with h5py.File(path, "w", userblock_size=512) as file:
        def store(value, name, **way):
            return file.create_dataset(f"#refs#/{name}", data=value, **way).ref
        lists = {"img": [], "gt": [], "id": []}
        for index, (name, way) in enumerate(ways.items()):
            lists["img"].append(store(image, name, **way))
            if name == "skipped":  # as the library does where packing makes nothing smaller
                array = file[f"#refs#/{name}"]
                array.id.write_direct_chunk((0, 0, 0), image.tobytes(), filter_mask=1)
            mask = store(np.ones((6, 5), np.uint8), f"mask{index}")
            lists["gt"].append(store(cell([mask]), f"gt{index}"))
            lists["id"].append(store(characters(f"n01440764_{index}"), f"id{index}"))
        for name, references in lists.items():
            file.create_dataset(f"value/{name}", data=cell(references))
    matlab_header(path)
    with h5py.File(path, "r") as file:
        found = [np.array(file[reference]) for reference in file["/value/img"][:, 0]]
    expected["imagenet-seg-storage"] = [picture.transpose((2, 1, 0)).reshape(-1).tolist() for picture in found]


def mask_folder():
    folder = fresh("mask-folder")
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    classes = {"a-2": "red fox", "b": "tench", "A10": "red fox"}
    for stem, kind in zip(classes, ("png", "jpg", "JPEG")):
        height, width = rng.integers(9, 20, 2)
        Image.fromarray(picture(height, width)).save(folder / "images" / f"{stem}.{kind}")
        mask = blob(height, width)
        if stem == "a-2":  # a palette, as in Pascal VOC
            image = Image.fromarray(mask * 15)
            image.putpalette([0, 0, 0] * 15 + [192, 128, 0] + [255] * 720)
        elif stem == "b":  # labels 0 and 1
            image = Image.fromarray(mask)
        else:
            image = Image.fromarray(mask.astype(bool))
        image.save(folder / "masks" / f"{stem}.png")
    (folder / "classes.json").write_text(json.dumps(classes | {"not-there": "tench"}))
    order = sorted(classes)
    maps = np.stack([smooth(10, 10, 6) for _ in order])
    np.save(folder / "heatmaps.npy", maps)
    masks = [(np.array(Image.open(folder / "masks" / f"{s}.png").convert("RGB")).max(axis=-1) > 0).astype(np.uint8)
             for s in order]
    expected["mask-folder"] = summary_of_masks(masks, maps) | {"ids": order, "classes": [classes[s] for s in order]}


def open_images():
    folder = fresh("openimages")
    (folder / "images").mkdir()
    images = ["0001eeaf4aed83f9", "000595fe6fee6369", "00075905539074f2", "no-points", "only-unsure"]
    for name in images:
        Image.fromarray(picture(*rng.integers(8, 14, 2))).save(folder / "images" / f"{name}.jpg")
    labels = {"/m/01g317": "Person", "/m/0jbk": 'Animal, "wild"', "/m/06z37_": "Picture frame", "/m/0c9ph5": "Flower"}
    with open(folder / "class-descriptions.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["LabelName", "DisplayName"], *labels.items()])
    # Another order of columns than the original's, one more, every field quoted, a mark and CRLF.
    rows = []
    for image in images[:3] + ["not-there"]:
        for label in list(labels)[:3]:
            for _ in range(int(rng.integers(2, 6))):
                x, y = (f"{v:.6f}" for v in rng.random(2))
                rows.append([image, y, x, label, rng.choice(["yes", "no", "unsure"]), 'says "maybe",\nthen no'])
    rows += [[images[0], "1.0", "1", "/m/01g317", "yes", ""], [images[1], "0", "0.0", "/m/0jbk", "no", ""],
             [images[4], "0.5", "0.5", "/m/0c9ph5", "unsure", ""], ["not-there", "7", "x", "?", "perhaps", ""]]
    # One class without a yes, in a corner where the map is low: it has no IoU.
    rows += [[images[2], "0.99", "0.99", "/m/0c9ph5", "no", ""]]
    order = rng.permutation(len(rows))
    with open(folder / "points.csv", "w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["ImageId", "Y", "X", "Label", "EstimatedYesNo", "Comment"])
        writer.writerows(rows[i] for i in order)

    found = {}
    with open(folder / "points.csv", newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            if row["ImageId"] in images and row["EstimatedYesNo"] != "unsure":
                point = [float(row["X"]), float(row["Y"]), row["EstimatedYesNo"] == "yes"]
                found.setdefault(row["ImageId"], {}).setdefault(row["Label"], []).append(point)
    ids = sorted(found)
    classes = sorted({label for image in found.values() for label in image})
    maps = np.stack([smooth(12, 14) for _ in ids])
    maps[:, -2:, -2:] = 0
    np.save(folder / "heatmaps.npy", maps)
    rows = [[{"label": label, **points_in(map, points, 0.5)} for label, points in sorted(found[id].items())]
            for id, map in zip(ids, maps)]
    expected["openimages"] = {
        "ids": ids, "classes": classes, "names": [labels[label] for label in classes],
        "points": [found[id] for id in ids], "images": rows, "summary": point_summary(rows),
    }


def imagenet_val():
    folder = fresh("imagenet-val")
    # Numbers of ILSVRC2012 follow another order than the WordNet ids.
    numbers = {1: "n02119789", 2: "n02124075", 3: "n01443537", 4: "n01440764"}
    truth = [3, 1, 4, 1, 2]
    (folder / "flat").mkdir()
    for line, number in enumerate(truth, start=1):
        name = f"ILSVRC2012_val_{line:08}.JPEG"
        (folder / "folders" / numbers[number]).mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(picture(8, 6))
        for path in (folder / "flat" / name, folder / "folders" / numbers[number] / name):
            image.save(path, format="JPEG")
    (folder / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{n}\n" for n in truth))
    # As meta.mat, as its conversion prints it, and as map_clsloc.txt has it.
    leaf = [(n, wnid, "words", "gloss", 0, np.array([]), 0, 1300) for n, wnid in numbers.items()]
    inner = [(1001, "n00001740", "entity", "gloss", 2, np.array([1, 2]), 18, 0)]
    fields = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height",
              "num_train_images"]
    synsets = np.array(leaf + inner, dtype=[(name, object) for name in fields]).reshape(-1, 1)
    scipy.io.savemat(folder / "meta.mat", {"synsets": synsets})
    with open(folder / "meta.mat", "r+b") as raw:  # without the hour
        raw.write(b"MATLAB 5.0 MAT-file".ljust(116))
    lines = [f"{s[0]} {s[1]}\n" for s in scipy.io.loadmat(folder / "meta.mat", squeeze_me=True)["synsets"]
             if s[4] == 0]
    (folder / "synsets.txt").write_text("".join(lines))
    (folder / "map_clsloc.txt").write_text("".join(f"{wnid} {n} some_name\n" for n, wnid in numbers.items()))
    ids = [f"ILSVRC2012_val_{line:08}.JPEG" for line in range(1, len(truth) + 1)]
    classes = [WNIDS.index(numbers[number]) for number in truth]
    nested = sorted((f"{numbers[number]}/{id}", place) for id, number, place in zip(ids, truth, classes))
    expected["imagenet-val"] = {
        "flat": {"ids": ids, "classes": classes},
        "folders": {"ids": [id for id, _ in nested], "classes": [place for _, place in nested]},
    }


for make in (metric_cases, class_index, imagenet_seg, hostile_imagenet_seg, mask_folder, open_images, imagenet_val,
             stored_imagenet_seg):
    make()
(HERE / "expected.json").write_text(json.dumps(expected) + "\n")
