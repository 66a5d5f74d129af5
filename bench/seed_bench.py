#!/usr/bin/env python3
"""The seed's experiment at its own size: 3 setups x 4 references, 8067 + 100 tokens, on models of Qwen3-8B's shape with
random weights (made on the first run, 12 GB). Times generate and verify as a user starts them, loading included.

Usage: bench/seed_bench.py ASSAY FOLDER   (JSON on stdout)
"""

import json
import pathlib
import random
import subprocess
import sys
import time

EXPERIMENT = """\
prompts: {documents: [corpus.txt], tokens: 8057, references: 4, question: "What is it?"}
generate: {max_new_tokens: 100, top_k: 5, positions: last3, runs: 1, ignore_eos: true}
setups:
  awq:         {model: awq,  quantization: awq}
  awq_marlin:  {model: awq,  quantization: awq_marlin}
  gptq_marlin: {model: gptq, quantization: gptq_marlin}
device: h100
"""


def timed(*command: str) -> float:
    start = time.perf_counter()
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode not in (0, 3):  # 3: inconclusive, as a verdict without calibration is
        sys.exit(f"{' '.join(command)}: exit code {run.returncode}\n{run.stdout[-2000:]}{run.stderr[-2000:]}")
    return time.perf_counter() - start


def main() -> int:
    assay = str(pathlib.Path(sys.argv[1]).resolve())
    folder = pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for quantization in ("awq", "gptq"):
        if not (folder / quantization).exists():
            timed(assay, "synth", "--shape", "qwen3-8b", "--quantization", quantization, "-o", str(folder / quantization))
    words = [line.strip() for line in "the of a to in is that for it as with on be at by an this are from".split()]
    chance = random.Random(1)
    (folder / "corpus.txt").write_text(" ".join(chance.choice(words) for _ in range(20000)))
    experiment = folder / "experiment.yaml"
    experiment.write_text(EXPERIMENT)
    stamp = str(time.time_ns())
    record = str(folder / ("run-" + stamp))
    times = {"generate_seconds": timed(assay, "generate", str(experiment), "-o", record)}
    for replay in ("prefill", "decode"):
        out = f"{record}-{replay}"
        times[f"verify_{replay}_seconds"] = timed(assay, "verify", record, "-e", str(experiment), "-o", out,
                                                  "--replay", replay)
    times["seed_experiment_seconds"] = times["generate_seconds"] + times["verify_prefill_seconds"]
    print(json.dumps(times, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
