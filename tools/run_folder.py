"""Reads run folders (docs/records.md) into Python. Needs numpy."""
from __future__ import annotations

import json
import pathlib

import numpy as np


def read_tensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    types = {"I32": "<i4", "F32": "<f4"}
    return {name: np.frombuffer(data[start + entry["data_offsets"][0]:start + entry["data_offsets"][1]],
                                types[entry["dtype"]])
            for name, entry in json.loads(data[8:start]).items() if name != "__metadata__"}


def read_run(folder: pathlib.Path):
    """Yields (setup, reference, phase, positions, [{id: log-probability}, ...]); a setup is "quantization@device", or
    "quantization:kernel@device" where a kernel was asked for.

    The dictionaries are in the file's order: a position's own token is their first key."""
    manifest = json.loads((folder / "manifest.json").read_text())
    if manifest["schema"] != "assay run" or manifest["schema_version"] != 2:
        raise SystemExit(f"{folder}: expected a run folder of schema version 2")
    names = {key: "@".join([":".join([setup["quantization"], *([setup["kernel"]] if setup.get("kernel") else [])]),
                            setup["device"]]) for key, setup in manifest["setups"].items()}
    tensors = read_tensors(folder / "logprobs.safetensors")
    at = 0
    for text in (folder / "sequences.jsonl").read_text().splitlines():
        line = json.loads(text)
        for phase in ("prefill", "decode"):
            lists = []
            for count in line[phase]["counts"]:
                ids, values = (tensors[name][at:at + count] for name in ("ids", "logprob"))
                lists.append(dict(zip(ids.tolist(), values.tolist())))
                at += count
            yield (names[line.get("verifier", line.get("setup"))], line["reference"], phase,
                   line[phase]["positions"], lists)
