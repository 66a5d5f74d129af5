"""--shard and merge: two processes leave together what one would have."""

import json
import unittest

from assay_case import AssayCase


class Shard(AssayCase):
    def run_shards(self, name: str, *command: str) -> tuple[str, str]:
        folders = (f"{name}-1", f"{name}-2")
        for i, folder in enumerate(folders, 1):
            done = self.assay(*command, "-o", folder, "--shard", f"{i}/2")
            self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
            self.assertIn(f"{folder} holds shard {i} of 2", done.stderr)
            self.assertEqual(set(self.files(folder)), {"progress.jsonl"})
        return folders

    def assert_same(self, folder: str, whole: str) -> None:
        """Same bytes but for the time of the start."""
        times = [json.loads(self.files(f)["manifest.json"])["timestamp"].encode() for f in (folder, whole)]
        expected = {name: content.replace(times[1], times[0]) for name, content in self.files(whole).items()}
        self.assertEqual(self.files(folder), expected)

    def test_two_shards_merge_to_the_whole_run(self):
        printed = self.must(0, "generate", "e.yaml", "-o", "whole")
        shards = self.run_shards("run", "generate", "e.yaml")
        self.assertEqual(self.must(0, "merge", *shards, "-o", "run"), printed)
        self.assert_same("run", "whole")

        verify = ("verify", "whole", "-e", "e.yaml", "--device", "ieee,exact", "--replay", "decode")
        printed = self.must(0, *verify, "-o", "verified-whole")
        shards = self.run_shards("verified", *verify)
        for _ in range(2):
            self.assertEqual(self.must(0, "merge", *reversed(shards), "-o", "verified"), printed)
            self.assert_same("verified", "verified-whole")

    def test_shards_that_are_not_one_run_are_refused(self):
        one, two = self.run_shards("run", "generate", "e.yaml")
        self.refuse(["merge", one, "-o", "out"], "all 2 shards", "no shard 2")
        self.refuse(["merge", two, two, "-o", "out"], "shard/index", "each shard once")
        self.replace("max_new_tokens: 4", "max_new_tokens: 5")
        other, _ = self.run_shards("other", "generate", "e.yaml")
        self.refuse(["merge", other, two, "-o", "out"], "max_new_tokens", "run-2/progress.jsonl")
        for word in ("3/2", "0/2", "2", "a/b", "1/", "-1/2"):
            done = self.assay("generate", "e.yaml", "-o", "out", f"--shard={word}")
            self.assertEqual(done.returncode, 2)
            self.assertIn(f"--shard: expected i/n, 1/n to n/n, found {word}", done.stderr)
        self.refuse(["generate", "e.yaml", "-o", "out", "--shard", "1/9"], "--shard", "at most 4 shards")


if __name__ == "__main__":
    unittest.main()
