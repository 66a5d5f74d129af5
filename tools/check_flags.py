#!/usr/bin/env python3
"""Fails if a translation unit is compiled with flags that would change the arithmetic.

Usage: tools/check_flags.py BUILD_FOLDER   (reads its compile_commands.json)
"""

import json
import pathlib
import shlex
import sys

REQUIRED = {"-ffp-contract=off"}
REQUIRED_OF_CUDA = {"-fmad=false", "-Xcompiler=-ffp-contract=off,-Wall,-Wextra,-Werror"}
# Value-changing optimisations, and instruction-set flags for a whole file (inline functions of such a file may be
# linked into every other one).
FORBIDDEN_PREFIXES = ("-Ofast", "-ffast-math", "-funsafe-math", "-fassociative", "-freciprocal", "-ffinite-math",
                      "-fno-signed-zeros", "-fno-trapping", "-ffp-contract=fast", "-ffp-contract=on", "-mavx", "-mfma",
                      "-march=", "-mdaz-ftz", "--use_fast_math", "-use_fast_math", "-ftz=true", "--ftz=true",
                      "-prec-div=false", "--prec-div=false", "-prec-sqrt=false", "--prec-sqrt=false", "-fmad=true",
                      "--fmad=true")


def complaints(entry: dict[str, str]) -> list[str]:
    flags = shlex.split(entry["command"])
    required = REQUIRED_OF_CUDA if entry["file"].endswith(".cu") else REQUIRED
    found = [f"{entry['file']}: lacks {flag}" for flag in sorted(required) if flag not in flags]
    found += [f"{entry['file']}: has {flag}" for flag in flags if flag.startswith(FORBIDDEN_PREFIXES)]
    return found


def main() -> int:
    entries = json.loads((pathlib.Path(sys.argv[1]) / "compile_commands.json").read_text())
    found = [line for entry in entries for line in complaints(entry)]
    if not entries:
        found = ["compile_commands.json is empty"]
    print("\n".join(found) if found else f"flags: {len(entries)} translation units keep IEEE arithmetic")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
