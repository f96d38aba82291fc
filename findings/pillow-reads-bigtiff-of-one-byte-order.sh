#!/usr/bin/env bash
# Packages: Pillow 13.0.0, tifffile 2025.5.10, numpy 2.3.2 (Python 3.11).
#
# Guess: Pillow reads BigTIFF, which it has supported for years, in both byte orders, as it does classic TIFF.
# What happens: classic TIFF opens in both orders and BigTIFF in the little-endian one; a big-endian BigTIFF ("MM", 43) is
# taken for a classic one and fails. tifffile reads all four to the same pixels.
# What it means: "Pillow cannot open it" does not say that a TIFF is damaged. A decoder through libtiff reads it.
#
# Seen: II 42 same pixels, MM 42 same pixels, II 43 same pixels, MM 43 an error; tifffile reads all four.
#
# Needs pip; some seconds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q pillow==13.0.0 tifffile==2025.5.10 numpy==2.3.2
cat >try.py <<'CODE'
import numpy
import tifffile
from PIL import Image

pixels = numpy.arange(7 * 5 * 3, dtype=numpy.uint8).reshape(7, 5, 3)
for order, name in (("<", "II"), (">", "MM")):
    for big, magic in ((False, 42), (True, 43)):
        path = f"{name}{magic}.tif"
        tifffile.imwrite(path, pixels, byteorder=order, bigtiff=big, photometric="rgb")
        assert (tifffile.imread(path) == pixels).all()
        try:
            said = "same pixels" if (numpy.asarray(Image.open(path)) == pixels).all() else "other pixels"
        except Exception as error:
            said = "an error"
            details = f" ({type(error).__name__}: {error})"
            print(name, magic, said + details)
            continue
        print(name, magic, said)
CODE
venv/bin/python try.py | tee log
diff <(cut -d' ' -f1-4 log) - <<'SEEN'
II 42 same pixels
II 43 same pixels
MM 42 same pixels
MM 43 an error
SEEN
