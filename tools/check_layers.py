#!/usr/bin/env python3
"""Fails when an include in src/ crosses an edge that src/modules.txt does not have.

Usage: tools/check_layers.py [SOURCE_ROOT]
"""

import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+"(([a-z]+)/[^"]+)"')


def read_edges(path: pathlib.Path) -> dict[str, set[str]]:
    """Module -> modules it may include. A module may only name modules above it, so the graph has no cycle."""
    edges: dict[str, set[str]] = {}
    for line in path.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        module, _, rest = line.partition(":")
        allowed = set(rest.split("|")[0].split())
        unknown = allowed - edges.keys()
        if unknown:
            sys.exit(f"{path}: {module} names {sorted(unknown)}, which no line above defines")
        edges[module] = allowed
    return edges


def violations(source: pathlib.Path, edges: dict[str, set[str]]) -> list[str]:
    found = []
    folders = {path.name for path in source.iterdir() if path.is_dir()}
    for missing in folders ^ edges.keys():
        found.append(f"src/{missing}: the folder and its line in modules.txt must both exist")
    for path in sorted(source.rglob("*")):
        if path.suffix not in {".h", ".cc", ".cu", ".cuh"}:
            continue
        module = path.relative_to(source).parts[0]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if match and match[2] != module and match[2] not in edges.get(module, set()):
                found.append(f"{path}:{number}: {module} may not include {match[1]}")
    return found


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    found = violations(root / "src", read_edges(root / "src" / "modules.txt"))
    print("\n".join(found) if found else "layers: every include follows src/modules.txt")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
