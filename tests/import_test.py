"""Files of other programs become run folders that verify as records do."""

import json
import struct
import unittest

from assay_case import MODELS, AssayCase

CLAIM = ("--model", str(MODELS / "tiny-qwen3-awq"), "--quantization", "awq", "--dtype", "float16", "--device", "ieee",
         "--name", "awq")


class Import(AssayCase):
    def scores(self, folder: str) -> list[tuple[int, float, int]]:
        """(id, log-probability, rank) of all lines, one after another."""
        content = (self.folder / folder / "logprobs.safetensors").read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8:8 + length])
        columns = []
        for name, form in (("ids", "i"), ("logprob", "f"), ("rank", "i")):
            begin, end = header[name]["data_offsets"]
            columns.append(struct.unpack(f"<{(end - begin) // 4}{form}", content[8 + length + begin:8 + length + end]))
        return list(zip(*columns))

    def difr(self, folder: str) -> dict:
        """The run as DiFR writes vLLM's outputs."""
        scores = iter(self.scores(folder))
        samples = []
        for line in (self.folder / folder / "sequences.jsonl").read_text().splitlines():
            run = json.loads(line)
            entries = {}
            for phase in ("prefill", "decode"):
                for position, count in zip(run[phase]["positions"], run[phase]["counts"]):
                    entries[position] = {str(i): {"logprob": logprob, "rank": rank, "decoded_token": "x"}
                                         for i, logprob, rank in (next(scores) for _ in range(count))}
            if run["setup"] != "awq":
                continue
            prompt = len(run["prompt_ids"])
            length = prompt + len(run["generated_ids"])
            samples.append({"prompt_token_ids": run["prompt_ids"],
                            "prompt_logprobs": [None] + [entries[p] for p in range(1, prompt)],
                            "outputs": [{"token_ids": run["generated_ids"],
                                         "logprobs": [entries[p] for p in range(prompt, length)]}]})
        return {"config": {"temperature": 0.0}, "samples": samples}

    def test_difrs_samples_of_our_own_run_are_identified(self):
        self.replace("ignore_eos: true", "ignore_eos: true, positions: all")
        self.must(0, "generate", "e.yaml", "-o", "native")
        (self.folder / "samples.json").write_text(json.dumps(self.difr("native")))
        self.must(0, "import", "difr", "samples.json", "-o", "imported", *CLAIM)
        self.must(0, "verify", "imported", "-e", "e.yaml", "-o", "verified")
        self.assertEqual(self.verdict("verified"), "consistent")
        for phase in ("prefill", "decode"):
            self.assertEqual(self.distance("verified", phase, "awq", "awq"), 0)

    def test_lm_evals_answers_of_one_token(self):
        request = {"arg_0": "The capital of France is", "arg_1": " x"}
        line = {"doc_id": 0, "doc": {}, "target": "0", "arguments": {"gen_args_0": request},
                "resps": [[["-1.5", "False"]]], "filtered_resps": [["-1.5", "False"]], "filter": "none",
                "metrics": ["acc"], "doc_hash": "d", "prompt_hash": "p", "target_hash": "t", "acc": 0.0}
        (self.folder / "samples.jsonl").write_text(json.dumps(line) + "\n")
        done = self.assay("import", "lm-eval", "samples.jsonl", "-o", "imported", *CLAIM)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.scores("imported")[0][1:], (-1.5, 0))

    def test_what_cannot_be_read_is_refused(self):
        (self.folder / "bad.json").write_text('{"config": {}, "samples": [{"prompt": "text"}]}')
        self.refuse(["import", "difr", "bad.json", "-o", "x", *CLAIM], "bad.json")
        self.refuse(["import", "difr", "none.json", "-o", "x", *CLAIM], "none.json")
        done = self.assay("import", "tgi", "bad.json", "-o", "x", *CLAIM)
        self.assertEqual(done.returncode, 2)
        self.assertIn("expected difr|lm-eval, found tgi", done.stderr)


if __name__ == "__main__":
    unittest.main()
