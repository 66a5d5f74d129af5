"""Bad input: exit code 2, one line on stderr that names file, key, expected and found, and nothing written."""

import json
import os
import resource
import struct
import unittest
import unittest.mock

from assay_case import AssayCase, edit_json, overwrite, tensor_place


class BadInput(AssayCase):
    def setUp(self) -> None:
        super().setUp()
        self.output = "out"

    def refuse_generate(self, *names: str, **options) -> None:
        self.refuse(["generate", "e.yaml", "-o", "out"], *names, **options)

    def refuse_verify(self, record: str, *names: str) -> None:
        self.refuse(["verify", record, "-e", "e.yaml", "-o", "out"], *names)

    def test_truncated_safetensors(self):
        weights = self.model_copy() / "model.safetensors"
        os.truncate(weights, weights.stat().st_size - 100)
        self.refuse_generate("model.safetensors")

    def test_safetensors_cut_inside_the_header(self):
        os.truncate(self.model_copy() / "model.safetensors", 100)
        self.refuse_generate("model.safetensors")

    def test_lying_header_length(self):
        overwrite(self.model_copy() / "model.safetensors", 0, struct.pack("<Q", 2**63 + 5))
        self.refuse_generate("model.safetensors")

    def test_missing_shard(self):
        model = self.model_copy()
        names = self.tensor_names(model / "model.safetensors")
        (model / "model.safetensors").rename(model / "model-00001-of-00002.safetensors")
        files = {name: "model-00001-of-00002.safetensors" for name in names}
        files[names[0]] = "model-00002-of-00002.safetensors"
        (model / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": files}))
        self.refuse_generate("model-00002-of-00002.safetensors")

    @staticmethod
    def tensor_names(path) -> list[str]:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            return [name for name in json.loads(file.read(length)) if name != "__metadata__"]

    def test_wrong_vocabulary_size(self):
        edit_json(self.model_copy() / "config.json", lambda c: c.update(vocab_size=c["vocab_size"] + 128))
        self.refuse_generate("model.embed_tokens.weight")

    def test_tokenizer_larger_than_the_model(self):
        token = {"id": 4096, "content": "<|late|>", "single_word": False, "lstrip": False, "rstrip": False,
                 "normalized": False, "special": True}
        edit_json(self.model_copy() / "tokenizer.json", lambda t: t["added_tokens"].append(token))
        self.refuse_generate("vocab_size", "4097, the tokenizer's vocabulary")

    def test_nan_weights(self):
        weights = self.model_copy() / "model.safetensors"
        begin, _, _ = tensor_place(weights, "model.norm.weight")
        overwrite(weights, begin + 2, b"\x00\x7e")
        self.refuse_generate("model.safetensors", "model.norm.weight", "nan")

    def test_nan_in_the_last_setup_is_found_before_the_first_runs(self):
        text = (self.folder / "e.yaml").read_text()
        weights = self.model_copy() / "model.safetensors"
        begin, _, _ = tensor_place(weights, "model.norm.weight")
        overwrite(weights, begin, b"\x00\x7e")
        (self.folder / "e.yaml").write_text(text + f"  late: {{model: {weights.parent}, quantization: awq}}\n")
        self.refuse_generate("model.norm.weight")

    def test_config_cut_in_half(self):
        config = self.model_copy() / "config.json"
        os.truncate(config, config.stat().st_size // 2)
        self.refuse_generate("config.json")

    # Experiment files.

    def test_prompt_longer_than_the_context(self):
        edit_json(self.model_copy() / "config.json", lambda c: c.update(max_position_embeddings=64))
        self.refuse_generate("e.yaml", "prompts.tokens", "at most 64 tokens")

    def test_unknown_key(self):
        self.replace("tokens: 40", "tokns: 40")
        self.refuse_generate("e.yaml:3", "prompts.tokns", "did you mean tokens?")

    def test_two_setups_of_one_name(self):
        self.replace("gptq_marlin:", "awq:")
        self.refuse_generate("e.yaml:", "setups.awq")

    def test_unknown_device_and_quantization(self):
        self.refuse(["generate", "e.yaml", "-o", "out", "--device", "a1000"], "e.yaml", "setups.awq.device", "a1000")
        self.replace("quantization: awq}", "quantization: awk}")
        self.refuse_generate("awk")

    def test_no_gpu(self):
        arguments = ["generate", "e.yaml", "-o", "out", "--processor", "cuda"]
        with unittest.mock.patch.dict(os.environ, CUDA_VISIBLE_DEVICES=""):
            self.refuse(arguments, "processor", "cpu: ", "found cuda")
        done = self.assay(*arguments[:-1], "gpu")
        self.assertEqual(done.returncode, 2)
        self.assertIn("any|cpu|cuda", done.stderr)

    def test_unknown_keys_and_values_of_a_setup(self):
        self.replace("quantization: awq}", "quantization: awq, kernle: marlin_b}")
        self.refuse_generate("e.yaml:10", "setups.awq.kernle", "did you mean kernel?")
        self.replace("kernle: marlin_b", "prefill_tokens: 0")
        self.refuse_generate("e.yaml:10", "setups.awq.prefill_tokens", "an integer from 1")
        self.replace("prefill_tokens: 0", "quantization: awq")
        self.refuse_generate("e.yaml:10", "setups.awq.quantization", "each name once")
        self.write_experiment()
        self.replace("device: ieee", "device: ieee\nprofiles: vllm-0.12")
        self.refuse_generate("e.yaml:9", "profiles", "did you mean profile?")

    def test_lists_of_devices(self):
        generate = ["generate", "e.yaml", "-o", "out", "--device"]
        self.refuse([*generate, "exact,ieee"], "--device", "one device", "exact,ieee")
        self.refuse([*generate, ""], "--device", "a name")
        self.must(0, "generate", "e.yaml", "-o", "run")
        verify = ["verify", "run", "-e", "e.yaml", "-o", "out", "--device"]
        self.refuse([*verify, "exact,ieee,exact"], "--device", "each device once", "exact twice")
        for empty in ("exact,,ieee", ",exact", "exact,", ","):
            self.refuse([*verify, empty], "--device", "a name between commas", empty)
        self.refuse([*verify, "exact,a1000"], "e.yaml", "setups.awq.device", "a1000", "exact")

    def test_missing_model_and_document(self):
        self.replace("text.txt", "absent.txt")
        self.refuse_generate("e.yaml", "prompts.documents", "absent.txt")
        self.write_experiment(awq=self.folder / "absent")
        self.refuse_generate("absent")

    # Records.

    def seed_record(self, change) -> str:
        self.must(0, "generate", "e.yaml", "-o", "run")
        record = json.loads(self.must(0, "report", "run", "-o", "seed"))
        change(record)
        (self.folder / "record.json").write_text(json.dumps(record))
        return "record.json"

    def test_token_id_out_of_range(self):
        def change(record):
            record["generations"]["awq"][1]["prompt_ids"][3] = 5000000

        self.refuse_verify(self.seed_record(change), "record.json", "awq/ref_1", "5000000")

    def test_sampling_that_is_not_one(self):
        for keys, *names in (("temperature: 0.7", "generate.seed", "nothing"),
                             ("temperature: -0.7, seed: 1", "generate.temperature", "-0.7"),
                             ("seed: 1", "generate.seed", "temperature is 0"),
                             ("temperature: 0.7, seed: 1, sampler: gumbel", "generate.sampler", "gumbel"),
                             ("temperature: 0.7, seed: 1, sampler: greedy", "generate.sampler", "inverse_cdf"),
                             ("sampler: inverse_cdf", "generate.sampler", "greedy")):
            self.write_experiment()
            self.replace("ignore_eos: true", "ignore_eos: true, " + keys)
            self.refuse_generate("e.yaml:", *names)

    def test_other_schema_version(self):
        self.must(0, "generate", "e.yaml", "-o", "run")
        edit_json(self.folder / "run/manifest.json", lambda m: m.update(schema_version=99))
        self.refuse_verify("run", "manifest.json", "schema_version", "99")
        self.refuse(["analyze", "run"], "manifest.json", "schema_version", "99")

    def test_json_cut_in_half(self):
        record = self.folder / self.seed_record(lambda record: None)
        os.truncate(record, record.stat().st_size // 2)
        self.refuse_verify("record.json", "record.json")
        os.truncate(self.folder / "run/manifest.json", 300)
        self.refuse_verify("run", "manifest.json")

    def test_changed_run_folder(self):
        self.must(0, "generate", "e.yaml", "-o", "run")
        path = self.folder / "run/logprobs.safetensors"
        overwrite(path, path.stat().st_size - 1, b"\x01")
        self.refuse_verify("run", "logprobs.safetensors", "sha256")

    def test_complete_run_is_not_overwritten(self):
        self.must(0, "generate", "e.yaml", "-o", "out")
        self.refuse_generate("out", "a complete run")

    # The disk.

    def test_full_disk(self):
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        self.refuse_generate("progress.jsonl", "room to write", preexec_fn=limit)

    def test_full_disk_later_resumes(self):
        self.must(0, "generate", "e.yaml", "-o", "whole")
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
        done = self.assay("generate", "e.yaml", "-o", "out", preexec_fn=limit)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("progress.jsonl: expected room to append", done.stderr.splitlines()[-1])
        self.must(0, "generate", "e.yaml", "-o", "out")
        self.assertEqual(self.files("out")["logprobs.safetensors"], self.files("whole")["logprobs.safetensors"])

    def test_output_is_a_file(self):
        (self.folder / "out").write_text("mine")
        self.refuse_generate("out", "a folder")

    def test_usage(self):
        for arguments in ([], ["frob"], ["generate"], ["analyze", "run", "-o", "xml"], ["verify", "run"]):
            done = self.assay(*arguments)
            self.assertEqual(done.returncode, 2)
            self.assertRegex(done.stderr, r"\Aassay: [^\n]*\n\Z")


if __name__ == "__main__":
    unittest.main()
