#!/usr/bin/env python3
"""Compiles the OpenCL programs of the variants for GPUs, for GPUs that are not at hand and checks what the compilers say of them.

usage: gpu_lint.py --tools FOLDER --programs FILE [--kernels FOLDER] [--all] [--bounds FILE] [--table FILE]

The programs are the lines that ListPrograms prints. NVIDIA: clang → PTX → ptxas, its drivers' own last step; the front
end is another one, so a register more or less is no news. Programs of a release (make_ptx.py) are assembled too. AMD: clang with ROCm's device libraries, as ROCm itself does.
Intel: ocloc, where it is installed. What is checked: it compiles; nothing spills, but for the last registers where two
work-groups on a multiprocessor are demanded of the compiler; at most 32 KB of local memory, 48 KB on
matrix units; enough work-groups fit a multiprocessor; and in the loop that holds the arithmetic, the multiply-adds per
instruction, of vectors or of matrix units, are not below what they were when the bounds were recorded. AMD's GPUs do two
in one instruction where they are paired. Of products that are launched with a loop written out in part or whole, whichever
is faster (UnrollingSelection.swift), one has to meet this.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

LOCAL_MEMORY = 32768
MATRIX_LOCAL_MEMORY = 49152
NVIDIA = {"sm_80": 167936, "sm_90": 233472}  # bytes of local memory of a multiprocessor
# The device libraries of ROCm 5.2 know no gfx942 and no gfx1100; what their files hold is a number that the kernels'
# functions do not ask for.
AMD = {"gfx90a": ("90a", 64), "gfx942": ("940", 64), "gfx1100": ("1030", 32)}
INTEL = ("dg2", "pvc")
# Whose matrix instructions a target has, as Sources/ComputeOpenCL/MatrixInstructions.swift names them.
MATRIX = {
    "sm_80": "nvidia", "sm_90": "nvidia", "gfx90a": "amdMFMA", "gfx942": "amdMFMA", "gfx1100": "amdWMMA",
    "dg2": "intel8", "pvc": "intel16"}
# Bytes that may spill where a limit on registers was asked for: a few registers that are read again once a step, which
# costs less than a group that is alone.
SPILLED_AT_THE_LIMIT = 32
# What one look takes: the newest of NVIDIA's and AMD's.
USUAL_TARGETS = ("sm_90", "gfx1100")

Kernel = collections.namedtuple("Kernel", "registers spilled local_memory groups share")
# extra: options that drivers of one vendor get beside these. instructions: whose matrix instructions it has.
# ptx: the file of a release that has it.
Program = collections.namedtuple("Program", "files options group extra instructions ptx")


class Refused(Exception):
    pass


class Tools:
    """Where setup.sh unpacked the compilers."""

    def __init__(self, folder):
        self.folder = folder
        self.libraries = folder + "/usr/lib/x86_64-linux-gnu"
        self.clang = folder + "/usr/lib/llvm-19/bin/clang"
        self.ptxas = folder + "/nvidia/cu13/bin/ptxas"
        self.nvdisasm = folder + "/nvidia/cu13/bin/nvdisasm"
        self.environment = dict(os.environ, LD_LIBRARY_PATH=self.libraries)

    def run(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment)
        if done.returncode:
            raise Refused((done.stderr + done.stdout).strip()[-800:])
        return done.stdout + done.stderr


def read_programs(path):
    """The programs that ListPrograms printed."""
    with open(path) as file:
        lines = [json.loads(line) for line in file if line.strip()]
    if not lines:
        sys.exit(f"{path}: expected a program a line, found none")
    return [Program(tuple(line["files"]), *(line[field] for field in Program._fields[1:])) for line in lines]


def write_source(program, kernels, path):
    with open(path, "w") as file:
        for name in program.files:
            with open(os.path.join(kernels, name)) as part:
                file.write(f'\n#line 1 "{name}"\n' + part.read())


def most_registers(program):
    """Registers that NVIDIA's compiler may take for a work-item; None where it may take all."""
    most = re.search(r"maxrregcount=(\d+)", program.extra.get("nvidia", ""))
    return int(most[1]) if most else None


def make_ptx(tools, source, path, program, target, triple, features):
    built_in = tools.folder + "/usr/lib/clc/nvptx64--nvidiacl.bc"
    tools.run(
        tools.clang, "-x", "cl", "-target", triple, "-march=" + target, "-O3", "-w", "-S",
        "-Xclang", "-finclude-default-header", "-Xclang", "-mlink-builtin-bitcode", "-Xclang", built_in,
        "-Xclang", "-target-feature", "-Xclang", features, *program.options.split(), "-o", path, source)


def make_release_ptx(tools, source, path, program):
    """PTX in the flavour of NVIDIA's OpenCL drivers, for every GPU from compute capability 8.0 on. A driver takes no
    options for it: how many work-items a group has and how many registers an item, stand in the text."""
    make_ptx(tools, source, path, program, "sm_80", "nvptx64-unknown-nvcl", "+ptx71")
    with open(path) as file:
        text = file.read()
    most = most_registers(program)
    directives = f".reqntid {program.group}, 1, 1\n" + (f".maxnreg {most}\n" if most else "")
    text, count = re.subn(r"^(\.entry [^{]*\)\n)\{", rf"\1{directives}{{", text, flags=re.M)
    if count != 1:
        raise Refused(f"expected one kernel in the PTX, found {count}")
    with open(path, "w") as file:
        file.write(text)


def assemble_release(tools, source, base, program, target):
    make_release_ptx(tools, source, base + ".release.ptx", program)
    said = tools.run(
        tools.ptxas, "-v", "-O3", "--gpu-name", target, "-o", base + ".release.cubin", base + ".release.ptx")
    stack, stores = (int(number) for number in re.search(
        r"(\d+) bytes stack frame, (\d+) bytes spill stores", said).groups())
    if max(stack, stores) > (SPILLED_AT_THE_LIMIT if most_registers(program) else 0):
        raise Refused(f"the PTX of a release spills {max(stack, stores)} bytes")


def compile_nvidia(tools, source, base, program, target):
    make_ptx(tools, source, base + ".ptx", program, target, "nvptx64--nvidiacl", "+ptx83")
    if program.ptx:
        assemble_release(tools, source, base, program, target)
    # What the driver is told of registers goes to ptxas there.
    most = most_registers(program)
    limit = ["--maxrregcount", str(most)] if most else []
    said = tools.run(tools.ptxas, "-v", "-O3", *limit, "--gpu-name", target, "-o", base + ".cubin", base + ".ptx")
    kind = "HMMA" if program.instructions else "FFMA"
    shares = fma_shares_nvidia(tools.run(tools.nvdisasm, "-c", base + ".cubin"), kind, *trips_of(program))
    kernels = {}
    for part in said.split("Compiling entry function '")[1:]:
        name = part.split("'")[0]
        stack, stores, loads = (
            int(number) for number in re.search(
                r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", part).groups())
        registers = int(re.search(r"Used (\d+) registers", part)[1])
        local = re.search(r"(\d+) bytes smem", part)
        local = int(local[1]) if local else 0
        # Registers come in eights for each item; a group's local memory has 1 KB of the system's beside it.
        groups = min(
            65536 // (-(-registers // 8) * 8 * program.group), NVIDIA[target] // (local + 1024), 2048 // program.group, 32)
        kernels[name] = Kernel(registers, max(stores, loads, stack), local, groups, shares.get(name))
    return kernels


def compile_amd(tools, source, base, program, target):
    isa, wave = AMD[target]
    libraries = [
        "opencl", "ocml", "ockl", "oclc_daz_opt_off", "oclc_unsafe_math_off", "oclc_finite_only_off",
        "oclc_correctly_rounded_sqrt_off", "oclc_wavefrontsize64_" + ("on" if wave == 64 else "off"),
        "oclc_isa_version_" + isa]
    linked = []
    for library in libraries:
        path = tools.libraries + "/amdgcn/bitcode/" + library + ".bc"
        linked += ["-Xclang", "-mlink-builtin-bitcode", "-Xclang", path]
    tools.run(
        tools.clang, "-x", "cl", "-target", "amdgcn-amd-amdhsa", "-mcpu=" + target, "-nogpulib",
        "-mcode-object-version=4", "-O3", "-w", "-S", "-Xclang", "-finclude-default-header", *linked, *program.options.split(), "-o",
        base + ".s", source)
    with open(base + ".s") as file:
        text = file.read()
    shares = fma_shares_amd(text, program.instructions is not None, *trips_of(program))
    infos = re.findall(r"; Kernel info:\n((?:;.*\n)+)", text)
    kernels = {}
    for (name, body), info in zip(re.findall(r"\.amdhsa_kernel (\w+)\n((?:.|\n)*?)\.end_amdhsa_kernel", text), infos):
        def number(key, of=info):
            found = re.search(key + r":? (\d+)", of)
            return int(found[1]) if found else 0
        local = number("amdhsa_group_segment_fixed_size", body)
        scratch = number("amdhsa_private_segment_fixed_size", body)
        kernels[name] = Kernel(
            number("NumVgprs"), scratch, local, 65536 // local if local else 16, shares.get(name))
    return kernels


def compile_intel(tools, source, base, program, target):
    folder = base + ".intel"
    said = tools.run(
        "ocloc", "compile", "-file", source, "-device", target, "-options", program.options + " " + program.extra.get("intel", ""), "-out_dir", folder,
        "-output", "program", "-output_no_suffix")
    # It warns of what spills, and names the kernel.
    spilled = dict(re.findall(r"kernel (\w+)\s+compiled SIMD\d+ allocated \d+ regs and spilled around (\d+)", said))
    with open(source) as file:
        names = re.findall(r"__kernel\s+void\s+(\w+)", file.read())
    return {name: Kernel(0, int(spilled.get(name, 0)), 0, None, None) for name in names}


def step_share(instructions, labels, weight_of, trips, work):
    """Multiply-adds per instruction of a step: one turn of the loop over tiles with the loops inside it, of which only
    the multiply-adds of innermost loops count. None where no loop has eight of them.

    instructions: (operation, label that it jumps to or None); trips and work: see trips_of."""
    loops = sorted({(labels[to], at + 1) for at, (_, to) in enumerate(instructions) if labels.get(to, at + 1) <= at})
    fma = [weight_of(operation) for operation, _ in instructions]

    def inside(outer):
        held = [loop for loop in loops if loop != outer and outer[0] <= loop[0] and loop[1] <= outer[1]]
        return [a for a in held if not any(a != b and b[0] <= a[0] and a[1] <= b[1] for b in held)]

    def cost(loop, level):
        """(instructions, multiply-adds) of one turn."""
        children = inside(loop)
        if not any(sum(fma[child[0]:child[1]]) >= 8 for child in children):
            return loop[1] - loop[0], sum(fma[loop[0]:loop[1]])
        total, useful = loop[1] - loop[0] - sum(child[1] - child[0] for child in children), 0
        for child in children:
            length, count = cost(child, level + 1)
            turns = trips(level + 1, 0 if inside(child) else count) if count >= 8 else 1
            total, useful = total + turns * length, useful + turns * count
        return total, useful

    if work:
        # The shortest loop that does a step's work: compilers lay blocks so that longer ones go around it.
        costs = [cost(loop, 0) for loop in loops]
        steps = [(length, count) for length, count in costs if work <= count < 2 * work]
        return max((count / length for length, count in steps), default=None)
    costs = [cost(loop, 0) for loop in inside((0, len(instructions)))]
    length, count = max(costs, key=lambda each: each[1], default=(1, 0))
    return count / length if count >= 8 else None


def trips_of(program):
    """How often the loops inside a step are run: a function of how deep they lie in it and, of innermost ones, how many
    multiply-adds a turn does. It follows from the sizes of the tiles, which the kernels' comments draw. And how many an
    item does in a step, where that is one number."""
    values = {name: int(value) for name, value in re.findall(r"-D(\w+)=(-?\d+)", program.options)}
    if program.instructions:
        # Squares of 16 x 16 of a warp, 16 deep; NVIDIA's are two instructions. In two parts there are three products.
        factor = (3 if values["STORAGE"] == 3 else 1) * (2 if program.instructions == "nvidia" else 1)
        if "HEAD_WIDTH" in values:
            # A map, and but for the relevance what it adds to the sums.
            def of_warp(squares):
                return -(-squares // values["WARPS_N"])
            others, columns = values["TILE_N"] // 16, values["HEAD_WIDTH"] // 16
            squares = of_warp(others) * columns
            if program.files[-1] == "attention_matrix.cl":
                squares += of_warp(columns) * others
        else:
            squares = values["TILE_M"] * values["TILE_N"] * values["TILE_K"] // 16 ** 3
            squares //= values["WARPS_M"] * values["WARPS_N"]
        work = squares * factor
        return lambda _, count: max(1, work // count) if count else 1, work
    if "HEAD_WIDTH" in values:
        width = values["HEAD_WIDTH"]

        def trips(level, count):
            if not count:
                return -(-width // 32)  # columns of a map, 32 at a time
            # 4 x 4 elements of 32 columns, or 4 rows of the sums by 32 keys.
            return max(1, (32 * 16 if level == 2 else 32 * 4 * width // 8) // count)
        return trips, None
    work = values.get("TILE_K", 0) * values.get("ITEM_M", 0) * values.get("ITEM_N", 0)
    if program.files[-1] == "matmul_rows.cl":
        work = 128
    return lambda _, count: max(1, work // count) if count else 1, work


def fma_shares_nvidia(text, kind, trips, work):
    shares, name, instructions, labels = {}, None, [], {}

    def end():
        if name:
            shares[name] = step_share(
                instructions, labels, lambda operation: int(operation.startswith(kind)), trips, work)

    for line in text.splitlines():
        section = re.match(r"\s*\.section\s+\.text\.(\w+)", line)
        if section:
            end()
            name, instructions, labels = section[1], [], {}
            continue
        label = re.match(r"(\.L_\w+):", line)
        if label:
            labels[label[1]] = len(instructions)
            continue
        found = re.match(r"\s+/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)\s*(.*?);", line)
        if found:
            jump = re.search(r"\.L_\w+", found[2]) if found[1].startswith("BRA") else None
            instructions.append((found[1], jump[0] if jump else None))
    end()
    return shares


def fma_shares_amd(text, is_matrix, trips, work):
    shares, name, instructions, labels = {}, None, [], {}

    def weight(operation):
        if is_matrix:
            return int(operation.startswith(("v_wmma", "v_mfma")))
        if operation.startswith("v_pk_fma_f32"):
            return 2
        if operation.startswith("v_dual_"):
            return operation.count("fma")
        return int(operation.startswith(("v_fma_f32", "v_fmac_f32", "v_fmaak_f32", "v_fmamk_f32")))

    for line in text.splitlines():
        start = re.match(r"(\w+):\s*; @\w+", line)
        if start:
            name, instructions, labels = start[1], [], {}
        elif line.startswith(".Lfunc_end"):
            if name:
                shares[name] = step_share(instructions, labels, weight, trips, work)
            name = None
        elif name:
            label = re.match(r"(\.LBB\w+):", line)
            found = re.match(r"\t([a-z]\w+)\s*(.*)", line)
            if label:
                labels[label[1]] = len(instructions)
            elif found and not found[1].startswith(("s_waitcnt", "s_delay", "s_nop", "s_clause")):
                jump = re.search(r"\.LBB\w+", found[2]) if found[1].startswith(("s_cbranch", "s_branch")) else None
                operation = found[1] + (found[2] if found[1].startswith("v_dual_") else "")
                instructions.append((operation, jump[0] if jump else None))
    return shares


def name_of(program):
    """A short name: the file, and what it is built with."""
    defines = re.findall(r"-D(\w+)=(-?\d+)", program.options)
    words = [program.files[-1][:-3]] + ([program.instructions] if program.instructions else [])
    return " ".join(words + [f"{name}={value}" for name, value in defines])


def is_usual(program, target):
    """Whether it is among the programs of the short look: each kind of product and each storage once, unrolled as the
    target likes it, and the head widths of most models and of large ones."""
    values = dict(re.findall(r"-D(\w+)=(-?\d+)", program.options))
    if "HEAD_WIDTH" in values:
        return values["HEAD_WIDTH"] in ("64", "112") and "1" in (values.get("ALIGNED"), values.get("WHOLE"))
    if program.instructions:
        kind = (values["STORAGE"], values["SIDE_INPUTS"], values["SCALED"], values["WHOLE"])
        return kind in {("1", "0", "0", "1"), ("2", "0", "0", "1"), ("3", "0", "0", "1"), ("2", "1", "1", "0"), ("3", "1", "0", "1")}
    if "SIDE_INPUTS" in values:
        kind = (values["STORAGE"], values["SIDE_INPUTS"], values["SCALED"], values.get("WHOLE", "1"))
        likes = (values.get("UNROLL") == values.get("TILE_K")) == (target in AMD)
        return kind in {("0", "0", "0", "1"), ("1", "0", "0", "1"), ("2", "1", "1", "1"), ("0", "1", "0", "0")} and (
            likes or "UNROLL" not in values)
    return program.files[-1] in ("layer_norm.cl", "softmax.cl") and "FLOAT64" not in values


def compile_one(tools, program, target, kernels, folder, index):
    base = f"{folder}/{target}-{index}"
    source = base + ".cl"
    write_source(program, kernels, source)
    compiler = compile_nvidia if target in NVIDIA else compile_amd if target in AMD else compile_intel
    return compiler(tools, source, base, program, target)


def wanted_groups(program, target):
    """Groups that fit a multiprocessor together: while one waits at a barrier the other computes."""
    return 2 if target in NVIDIA else 1


def findings(kernel, program, target, bound):
    forced = target in NVIDIA and most_registers(program) is not None
    if kernel.spilled > (SPILLED_AT_THE_LIMIT if forced else 0):
        yield f"{kernel.spilled} bytes spilled"
    most = MATRIX_LOCAL_MEMORY if program.instructions else LOCAL_MEMORY
    if kernel.local_memory > most:
        yield f"{kernel.local_memory} bytes of local memory, at most {most}"
    wanted = wanted_groups(program, target)
    if kernel.groups is not None and kernel.groups < wanted:
        yield f"{kernel.groups} group on a multiprocessor with {kernel.registers} registers, wanted {wanted}"
    if bound is not None and (kernel.share is None or kernel.share < bound - 0.01):
        share = "none" if kernel.share is None else f"{100 * kernel.share:.0f} %"
        yield f"multiply-adds per instruction: {share}, recorded {100 * bound:.0f} %"


def without_unrolling(program):
    return program.files, re.sub(r"-DUNROLL=\d+", "", program.options)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tools", required=True, help="the folder that setup.sh filled")
    parser.add_argument("--programs", required=True, help="what ListPrograms printed")
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--kernels", default=os.path.join(here, "../../Kernels"))
    parser.add_argument("--bounds", default=os.path.join(here, "bounds.json"))
    parser.add_argument("--all", action="store_true", help="every program for every target")
    parser.add_argument("--record", action="store_true", help="write the shares that were found as the new bounds")
    parser.add_argument("--table", help="a Markdown file to write the figures to")
    parser.add_argument("--only", default="", help="programs whose names hold this text")
    parser.add_argument("--targets", help="targets, with commas between them")
    arguments = parser.parse_args()
    programs = read_programs(arguments.programs)
    bounds = {}
    if os.path.exists(arguments.bounds):
        with open(arguments.bounds) as file:
            bounds = json.load(file)
    targets = list(NVIDIA) + list(AMD) if arguments.all else list(USUAL_TARGETS)
    if arguments.all and shutil.which("ocloc"):
        targets += INTEL
    if arguments.targets:
        targets = arguments.targets.split(",")
    chosen = [
        (program, target, index) for target in targets for index, program in enumerate(programs)
        if program.instructions in (None, MATRIX.get(target))
        and (arguments.all or is_usual(program, target)) and arguments.only in name_of(program)]
    tools = Tools(os.path.abspath(arguments.tools))

    start, count, rows, shares, found = time.time(), 0, [], {}, []
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [
            (program, target, pool.submit(compile_one, tools, program, target, arguments.kernels, folder, index))
            for program, target, index in chosen]
        for program, target, job in jobs:
            name = name_of(program)
            try:
                kernels = job.result()
            except Refused as reason:
                # dg2 computes no doubles, and drivers say so: the launchers do not ask for them there.
                if target == "dg2" and "FLOAT64=1" in program.options:
                    continue
                count += 1
                print(f"{target} {name}: does not compile: {reason}")
                continue
            for function, kernel in kernels.items():
                key = f"{target} {name} {function}"
                if kernel.share is not None:
                    shares[key] = round(kernel.share, 2)
                found.append((
                    program, target, function,
                    list(findings(kernel, program, target, None if arguments.record else bounds.get(key)))))
                rows.append((target, name, function, kernel))
    # A product with its loop written out otherwise stands for one that has findings, and the other way round.
    good = {(without_unrolling(program), target) for program, target, _, what in found if not what}
    for program, target, function, what in found:
        if "-DUNROLL=" in program.options and (without_unrolling(program), target) in good:
            continue
        for finding in what:
            count += 1
            print(f"{target} {name_of(program)}, {function}: {finding}")
    if arguments.record:
        with open(arguments.bounds, "w") as file:
            json.dump(dict(sorted((bounds | shares).items())), file, indent=0)
            file.write("\n")
    if arguments.table:
        write_table(arguments.table, targets, rows)
    print(
        f"{len(chosen)} compilations for {', '.join(targets)}: {count} findings in {time.time() - start:.0f} s")
    sys.exit(1 if count else 0)


def write_table(path, targets, rows):
    cells = collections.OrderedDict()
    for target, name, function, kernel in rows:
        share = "" if kernel.share is None else f", {100 * kernel.share:.0f} %"
        text = f"{kernel.registers} · {kernel.spilled} · {kernel.groups}{share}"
        if target in INTEL:
            text = str(kernel.spilled)
        cells.setdefault((name, function), {})[target] = (text, kernel.local_memory)
    with open(path, "w") as file:
        file.write("| program, kernel | local B | " + " | ".join(targets) + " |\n")
        file.write("|---|---|" + "---|" * len(targets) + "\n")
        for (name, function), by_target in cells.items():
            label = name if function in name else f"{name}, {function}"
            local = max(local for _, local in by_target.values())
            file.write(f"| {label} | {local} | " + " | ".join(
                by_target.get(target, ("–",))[0] for target in targets) + " |\n")


if __name__ == "__main__":
    main()
