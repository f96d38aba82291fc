"""The command `legrad`, which the wheel holds beside the library."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    command = Path(__file__).resolve().parent / "bin" / "legrad"
    if not command.exists():
        sys.exit(f"legrad: {command} is not there; install the wheel again")
    os.execv(command, ["legrad", *sys.argv[1:]])


if __name__ == "__main__":
    main()
