#!/usr/bin/env python3
"""Compiles the programs with NVIDIA's matrix instructions to PTX, as a release brings them along for drivers whose compiler
takes no PTX within OpenCL C (Sources/ComputeOpenCL/PTXFolder.swift), and has ptxas assemble each.

usage: make_ptx.py --tools FOLDER --programs FILE --output FOLDER [--kernels FOLDER]

The programs are the lines that ListPrograms prints, which name the files.
"""

import argparse
import concurrent.futures
import os
import shutil
import sys
import tempfile

from gpu_lint import NVIDIA, Refused, Tools, make_release_ptx, name_of, read_programs, write_source


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tools", required=True, help="the folder that setup.sh filled")
    parser.add_argument("--programs", required=True, help="what ListPrograms printed")
    parser.add_argument("--output", required=True, help="a folder for the files; what is in it goes")
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--kernels", default=os.path.join(here, "../../Kernels"))
    arguments = parser.parse_args()
    tools = Tools(os.path.abspath(arguments.tools))
    programs = [program for program in read_programs(arguments.programs) if program.ptx]
    made = arguments.output + ".part"
    shutil.rmtree(made, ignore_errors=True)
    os.makedirs(made)

    def make(program):
        path = os.path.join(made, program.ptx)
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "program.cl")
            write_source(program, arguments.kernels, source)
            make_release_ptx(tools, source, path, program)
            for target in NVIDIA:
                tools.run(tools.ptxas, "--gpu-name", target, "-o", os.path.join(folder, target), path)

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for program, job in [(program, pool.submit(make, program)) for program in programs]:
            try:
                job.result()
            except Refused as reason:
                failed += 1
                print(f"{name_of(program)}: {reason}", file=sys.stderr)
    if failed or not programs:
        sys.exit(f"{failed} of {len(programs)} programs do not become PTX")
    shutil.rmtree(arguments.output, ignore_errors=True)
    os.rename(made, arguments.output)
    size = sum(os.path.getsize(os.path.join(arguments.output, name)) for name in os.listdir(arguments.output))
    print(f"{arguments.output}: {len(programs)} programs, {size} bytes")


if __name__ == "__main__":
    main()
