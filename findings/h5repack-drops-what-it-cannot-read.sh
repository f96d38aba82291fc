#!/usr/bin/env bash
# Packages: h5py 3.14.0, numpy 2.3.2 (Python 3.11); hdf5-tools 1.10.8 with libhdf5 1.10.8 (Debian 12), only unpacked.
#
# Guess: h5repack, asked to pack a file anew that holds a dataset of a filter that it lacks (LZF, which h5py writes and
# reads by itself), refuses it and leaves no target; or it copies the chunks of that dataset as they are.
# What happens: a line of warning, exit code 0, and a target that opens and lacks that dataset; all others are there.
# What it means: a conversion in a script that looks at the exit code loses data. Count datasets before and after, or
# convert with a program that has the filter: for LZF, h5py.
#
# Seen: "Warning: dataset </maps/b-lzf> cannot be read, user defined filter is not available", exit code 0; before: three
# datasets; after: a-plain and c-gzip.
#
# Needs Debian 12's package lists on amd64; about half a minute.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q h5py==3.14.0 numpy==2.3.2
mkdir packages
(cd packages && apt-get download -qq hdf5-tools=1.10.8+repack1-1 libhdf5-103-1=1.10.8+repack1-1 \
  libhdf5-hl-100=1.10.8+repack1-1 libaec0 libsz2 libcurl4 >/dev/null 2>&1 && for file in *.deb; do dpkg -x "$file" ..; done)
export LD_LIBRARY_PATH=$folder/usr/lib/x86_64-linux-gnu

cat >write.py <<'CODE'
import h5py
import numpy

with h5py.File("mixed.h5", "w") as file:
    values = numpy.arange(1024).reshape(32, 32)
    for name, filter in (("a-plain", None), ("b-lzf", "lzf"), ("c-gzip", "gzip")):
        file.create_dataset(f"maps/{name}", data=values, chunks=(8, 8), compression=filter)
CODE
cat >list.py <<'CODE'
import h5py
import sys

with h5py.File(sys.argv[1]) as file:
    print(" ".join(sorted(f"{name}:{data.compression}:{data[()].sum()}" for name, data in file["maps"].items())))
CODE
venv/bin/python write.py
before=$(venv/bin/python list.py mixed.h5)
usr/bin/h5repack --version
status=0
usr/bin/h5repack -f GZIP=4 mixed.h5 packed.h5 >log 2>&1 || status=$?
cat log
after=$(venv/bin/python list.py packed.h5)
printf 'exit code %s\nbefore: %s\nafter:  %s\n' "$status" "$before" "$after"
[ $status = 0 ]
[ "$before" = "a-plain:None:523776 b-lzf:lzf:523776 c-gzip:gzip:523776" ]
[ "$after" = "a-plain:gzip:523776 c-gzip:gzip:523776" ]
