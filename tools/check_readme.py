#!/usr/bin/env python3
"""Runs every command of the README's console blocks and compares what they print with what the README shows.

A block is a sequence of "$ command" lines, each followed by its output; a line "..." stands for any number of lines. A
command whose exit status is not 0 is followed by a line "[exit N]". `make demo` is compared with the file given, `make test`
is run by whoever runs this. Usage: tools/check_readme.py BUILD_FOLDER [DEMO_OUTPUT]
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def blocks(text: str) -> list[tuple[str, list[str]]]:
    """(command, expected lines) of every console block, in order."""
    commands: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", text, re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                commands.append((line[2:], []))
            else:
                commands[-1][1].append(line.rstrip())
    return commands


def matches(expected: list[str], actual: list[str]) -> bool:
    """Whether the runs of lines between "..." occur in order, the first at the start and the last at the end."""
    pattern = "\n".join(re.escape(line) if line != "..." else "(?:.*\n)*?.*" for line in expected)
    return re.fullmatch(pattern, "\n".join(actual)) is not None


def output_of(command: str, build: pathlib.Path, demo: pathlib.Path | None) -> list[str] | None:
    """The lines that the command prints, its exit status last if that is not 0; None: not run here."""
    if command == "make test" or (command == "make demo" and demo is None):
        return None
    if command == "make demo":
        return [line.rstrip() for line in demo.read_text().splitlines()]
    environment = os.environ | {"PATH": f"{build}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, env=environment, text=True, capture_output=True)
    status = [f"[exit {done.returncode}]"] if done.returncode else []
    if done.returncode == 2:
        status += done.stderr.splitlines()
    return [line.rstrip() for line in done.stdout.splitlines()] + status


def main() -> int:
    build = pathlib.Path(sys.argv[1]).resolve()
    demo = pathlib.Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else None
    shutil.rmtree(ROOT / "runs" / "readme", ignore_errors=True)
    (ROOT / "runs").mkdir(exist_ok=True)
    commands = blocks((ROOT / "README.md").read_text())
    failed = not commands
    for command, expected in commands:
        actual = output_of(command, build, demo)
        good = actual is None or matches(expected, actual)
        print(f"{'left to the caller' if actual is None else 'ok' if good else 'DIFFERS'}: {command}")
        if not good:
            print("\n".join(["--- README", *expected, "--- printed", *actual]))
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
