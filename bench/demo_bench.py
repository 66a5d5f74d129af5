#!/usr/bin/env python3
"""The demo's experiment: seconds and peak memory of generate and verify, as JSON.

Usage: bench/demo_bench.py ASSAY
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXPERIMENT = str(ROOT / "demo" / "experiment.yaml")


def measure(command: list[str]) -> dict[str, object]:
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    return {
        "seconds": round(time.monotonic() - start, 3),
        "peak_memory_mb": round(usage.ru_maxrss / 1024, 1),
        "exit_status": os.waitstatus_to_exitcode(status),
    }


def main() -> int:
    assay = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        made, checked = f"{folder}/made", f"{folder}/checked"
        generate = measure([assay, "generate", EXPERIMENT, "-o", made, "--device", "exact"])
        verify = measure([assay, "verify", made, "-e", EXPERIMENT, "-o", checked, "--device", "ieee"])
    print(json.dumps({"threads": os.cpu_count(), "generate": generate, "verify": verify}, indent=2))
    return 0 if generate["exit_status"] == 0 and verify["exit_status"] in (0, 1, 3) else 1


if __name__ == "__main__":
    sys.exit(main())
