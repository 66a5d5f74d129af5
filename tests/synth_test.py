"""assay synth: a model of random weights that runs, and nothing left of one that could not be written."""

import json
import resource
import unittest

from assay_case import AssayCase


class Synth(AssayCase):
    def synth(self, *arguments: str) -> None:
        self.must(0, "synth", "--shape", "tiny", *arguments)

    def test_a_random_model_generates_and_verifies(self):
        self.synth("--quantization", "awq", "--shards", "2", "-o", "random")
        self.assertEqual(set(self.files("random")),
                         {"config.json", "tokenizer.json", "model.safetensors.index.json",
                          "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"})
        self.assertIn("measuring speed only", json.loads((self.folder / "random/config.json").read_text())["_name_or_path"])
        text = (self.folder / "e.yaml").read_text()
        setups = text.index("setups:")
        (self.folder / "e.yaml").write_text(text[:setups] + "setups:\n  awq: {model: random, quantization: awq}\n")
        self.must(0, "generate", "e.yaml", "-o", "run")
        self.must(0, "verify", "run", "-e", "e.yaml", "-o", "verified", "--replay", "decode")
        self.assertEqual(self.verdict("verified"), "consistent")

    def test_threads_change_no_byte_and_the_seed_does(self):
        self.synth("--quantization", "gptq", "-o", "one", "--threads", "1")
        self.synth("--quantization", "gptq", "-o", "two", "--threads", "3")
        self.synth("--quantization", "gptq", "-o", "three", "--seed", "1")
        self.assertEqual(self.files("one"), self.files("two"))
        self.assertNotEqual(self.files("one")["model.safetensors"], self.files("three")["model.safetensors"])

    def test_trouble_leaves_nothing(self):
        self.refuse(["synth", "--shape", "vast", "-o", "out"], "tiny", "vast")
        self.refuse(["synth", "--shape", "tiny", "-o", "out", "--shards", "30"], "--shards", "30")
        self.refuse(["synth", "--shape", "tiny", "-o", "out", "--quantization", "gguf"], "gguf")
        self.refuse(["synth", "--shape", "tiny", "-o", "out", "--tokenizer", "absent.json"], "absent.json")
        (self.folder / "taken").mkdir()
        self.refuse(["synth", "--shape", "tiny", "-o", "taken"], "taken", "a new folder")
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200000, 200000))
        self.refuse(["synth", "--shape", "tiny", "-o", "out"], "model.safetensors", "room to write", preexec_fn=limit)


if __name__ == "__main__":
    unittest.main()
