"""A run that is killed or interrupted resumes from its folder and ends with the same bytes."""

import json
import signal
import subprocess
import time
import unittest

from assay_case import ASSAY, AssayCase


class Resume(AssayCase):
    def stop_after(self, lines: int, how: signal.Signals, *arguments: str, folder: str) -> int:
        """Sends `how` once progress.jsonl has that many lines; the exit code."""
        progress = self.folder / folder / "progress.jsonl"
        with subprocess.Popen([ASSAY, *arguments], cwd=self.folder, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as process:
            while process.poll() is None:
                if progress.exists() and progress.read_bytes().count(b"\n") >= lines:
                    process.send_signal(how)
                    process.wait(timeout=60)
                time.sleep(0.001)
        self.assertTrue(progress.exists(), "the run was over before it could be stopped")
        self.assertFalse((self.folder / folder / "manifest.json").exists())
        return process.returncode

    def assert_same(self, folder: str, whole: str) -> None:
        """Same bytes; each run has the time of its own first start."""
        times = [json.loads(self.files(f)["manifest.json"])["timestamp"].encode() for f in (folder, whole)]
        stopped = self.files(folder)
        uninterrupted = {name: content.replace(times[1], times[0]) for name, content in self.files(whole).items()}
        self.assertEqual(set(stopped), set(uninterrupted))
        for name, content in stopped.items():
            self.assertEqual(content, uninterrupted[name], name)

    def test_killed_twice_and_resumed(self):
        self.write_experiment(new=60)
        self.must(0, "generate", "e.yaml", "-o", "whole")
        generate = ("generate", "e.yaml", "-o", "run", "--threads", "1")
        for lines in (2, 4):
            self.assertEqual(self.stop_after(lines, signal.SIGKILL, *generate, folder="run"), -signal.SIGKILL)
        self.must(0, *generate)
        self.assert_same("run", "whole")

        verify = ("verify", "whole", "-e", "e.yaml", "--replay", "decode", "--threads", "1")
        self.must(0, *verify, "-o", "verified-whole")
        killed = self.stop_after(3, signal.SIGKILL, *verify, "-o", "verified", folder="verified")
        self.assertEqual(killed, -signal.SIGKILL)
        self.must(0, *verify, "-o", "verified")
        self.assert_same("verified", "verified-whole")

    def test_interrupt_finishes_the_unit_and_says_partial(self):
        self.write_experiment(new=60)
        self.must(0, "generate", "e.yaml", "-o", "whole")
        generate = ("generate", "e.yaml", "-o", "run", "--threads", "1")
        self.assertEqual(self.stop_after(2, signal.SIGINT, *generate, folder="run"), 4)
        self.assertTrue((self.folder / "run/progress.jsonl").read_bytes().endswith(b"}\n"))
        self.must(0, *generate)
        self.assert_same("run", "whole")

    def test_a_changed_experiment_does_not_resume(self):
        self.write_experiment(new=60)
        self.stop_after(2, signal.SIGINT, "generate", "e.yaml", "-o", "run", folder="run")
        self.write_experiment(new=61)
        before = self.files("run")
        done = self.assay("generate", "e.yaml", "-o", "run")
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"\Aassay: run/progress.jsonl: max_new_tokens: expected 60.*found 61\n\Z")
        self.assertEqual(self.files("run"), before)


if __name__ == "__main__":
    unittest.main()
