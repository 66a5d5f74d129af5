"""The example job files do what they say: each task's shard, and together the whole run."""

import json
import os
import subprocess
import unittest

import yaml

from assay_case import ASSAY, ROOT, AssayCase

SLURM = ROOT / "docs/jobs/slurm_array.sh"
KUBERNETES = ROOT / "docs/jobs/kubernetes_indexed_job.yaml"


class JobFiles(AssayCase):
    def setUp(self) -> None:
        super().setUp()
        self.programs = self.folder / "bin"
        self.programs.mkdir()
        self.program("assay", f'exec "{ASSAY}" "$@"')
        self.program("srun", 'exec "$@"')
        self.program("scontrol", f'echo "$@" >> "{self.folder}/scontrol.txt"')

    def program(self, name: str, line: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)

    def run_task(self, command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess:
        path = f"{self.programs}:{os.environ['PATH']}"
        return subprocess.run(command, cwd=self.folder, env={"PATH": path, **environment}, capture_output=True, text=True,
                              check=False, timeout=300)

    def slurm(self, task: int, tasks: int, first: int = 1) -> subprocess.CompletedProcess:
        environment = {"SLURM_ARRAY_TASK_ID": task, "SLURM_ARRAY_TASK_COUNT": tasks, "SLURM_ARRAY_TASK_MIN": first,
                       "SLURM_ARRAY_TASK_MAX": first + tasks - 1, "SLURM_ARRAY_JOB_ID": 77}
        return self.run_task(["bash", str(SLURM), "a", "e.yaml", "b"], {key: str(value) for key, value in environment.items()})

    def assert_whole(self, *shards: str) -> None:
        """Merged: same bytes as the verification in one process, but for the time of the start."""
        whole = self.must(0, "verify", "a", "-e", "e.yaml", "-o", "whole")
        self.assertEqual(self.must(0, "merge", *shards, "-o", "b"), whole)
        times = [json.loads(self.files(f)["manifest.json"])["timestamp"].encode() for f in ("b", "whole")]
        self.assertEqual(self.files("b"),
                         {name: content.replace(times[1], times[0]) for name, content in self.files("whole").items()})

    def test_slurm_array(self):
        self.must(0, "generate", "e.yaml", "-o", "a")
        for task in (1, 2):
            done = self.slurm(task, 2)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"b-{task} holds shard {task} of 2", done.stderr)
        self.assert_whole("b-1", "b-2")
        self.assertFalse((self.folder / "scontrol.txt").exists())

    def test_slurm_requeues_what_was_stopped_and_nothing_else(self):
        self.program("assay", "exit 4")
        self.assertEqual(self.slurm(2, 3).returncode, 4)
        self.assertEqual((self.folder / "scontrol.txt").read_text(), "requeue 77_2\n")
        self.program("assay", "exit 2")
        self.assertEqual(self.slurm(2, 3).returncode, 2)
        self.assertEqual((self.folder / "scontrol.txt").read_text(), "requeue 77_2\n")

    def test_slurm_arrays_begin_at_one(self):
        done = self.slurm(0, 2, first=0)
        self.assertEqual((done.returncode, done.stderr), (2, "the array must be 1-N: task i does shard i of N\n"))

    def test_kubernetes_indexed_job(self):
        self.must(0, "generate", "e.yaml", "-o", "a")
        (self.folder / "experiment.yaml").write_text((self.folder / "e.yaml").read_text())
        spec = yaml.safe_load(KUBERNETES.read_text())["spec"]
        self.assertEqual(spec["completionMode"], "Indexed")
        (container,) = spec["template"]["spec"]["containers"]
        values = {entry["name"]: entry.get("value") for entry in container["env"]}
        self.assertEqual(values["SHARDS"], str(spec["completions"]))
        self.assertEqual(spec["template"]["spec"]["restartPolicy"], "Never")  # backoffLimitPerIndex asks for it
        for index in range(2):
            environment = {"SHARDS": "2", "JOB_COMPLETION_INDEX": str(index)}
            done = self.run_task([*container["command"], *container["args"]], environment)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"b-{index} holds shard {index + 1} of 2", done.stderr)
        self.assert_whole("b-0", "b-1")


if __name__ == "__main__":
    unittest.main()
