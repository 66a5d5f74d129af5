"""Faults planted in a checkpoint or a record: the verification must see each."""

import json
import struct
import unittest

from assay_case import MODELS, AssayCase, overwrite, tensor_place


class PlantedFault(AssayCase):
    def assert_caught(self, record: str) -> None:
        """The claim `awq` no longer has the verifier's bits; gptq_marlin, left alone, still has."""
        done = self.assay("verify", record, "-e", "honest.yaml", "-o", "verified")
        self.assertNotEqual(done.returncode, 2, done.stderr)
        self.assertGreater(self.distance("verified", "prefill", "awq", "awq"), 0)
        self.assertEqual(self.distance("verified", "prefill", "gptq_marlin", "gptq_marlin"), 0)

    def setUp(self) -> None:
        super().setUp()
        (self.folder / "honest.yaml").write_text((self.folder / "e.yaml").read_text())

    def test_control_without_a_fault(self):
        self.model_copy()
        self.must(0, "generate", "e.yaml", "-o", "run")
        self.must(0, "verify", "run", "-e", "honest.yaml", "-o", "verified")
        self.assertEqual(self.distance("verified", "prefill", "awq", "awq"), 0)

    def test_swapped_groups(self):
        weights = self.model_copy() / "model.safetensors"
        begin, _, entry = tensor_place(weights, "layers.0.mlp.down_proj.scales")
        row = 2 * entry["shape"][1]  # FP16 [groups, outputs]
        content = weights.read_bytes()[begin:begin + 2 * row]
        self.assertNotEqual(content[:row], content[row:])
        overwrite(weights, begin, content[row:] + content[:row])
        self.must(0, "generate", "e.yaml", "-o", "run")
        self.assert_caught("run")

    def test_zero_points_off_by_one(self):
        weights = self.model_copy() / "model.safetensors"
        begin, _, entry = tensor_place(weights, "layers.0.mlp.down_proj.qzeros")
        row = 4 * entry["shape"][1]  # eight 4-bit zero points in each I32, one row for each group
        zeros = weights.read_bytes()[begin:begin + row]
        off = bytes((low + 1 if (low := byte & 15) < 15 else 14) | byte & 0xF0 for byte in zeros)
        overwrite(weights, begin, off)
        self.must(0, "generate", "e.yaml", "-o", "run")
        self.assert_caught("run")

    def change_record(self, change) -> str:
        self.must(0, "generate", "e.yaml", "-o", "run")
        record = json.loads(self.must(0, "report", "run", "-o", "seed"))
        for generation in record["generations"]["awq"]:
            change(generation)
        (self.folder / "record.json").write_text(json.dumps(record))
        return "record.json"

    def test_positions_shifted_by_one(self):
        def shift(generation):
            signals = generation["prefill_signals"]
            generation["prefill_signals"] = dict(zip(signals, [*list(signals.values())[1:], signals["pos_-3"]]))

        record = self.change_record(shift)
        done = self.assay("verify", record, "-e", "honest.yaml", "-o", "verified")
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"record.json: awq/ref_0.prefill, .*expected the score of the position's own token")

    def test_log_probabilities_shifted_by_one_position(self):
        def shift(generation):
            scores = [signal["logprobs"] for signal in generation["prefill_signals"].values()]
            values = [sorted(score["log_probs"], reverse=True)[:5] for score in scores]
            for score, value in zip(scores, values[1:] + values[:1]):
                # The likeliest five ids get the values of the next position, in the same order.
                order = sorted(range(len(score["log_probs"])), key=lambda i: -score["log_probs"][i])
                for i, moved in zip(order, value):
                    score["log_probs"][i] = moved
                for i in order[5:]:  # an own token outside the top 5 stays below them
                    score["log_probs"][i] = min(score["log_probs"]) - 1

        self.assert_caught(self.change_record(shift))

    def test_one_bit_of_one_log_probability(self):
        self.must(0, "generate", "e.yaml", "-o", "run")
        record = json.loads(self.must(0, "report", "run", "-o", "seed"))
        generation = record["generations"]["awq"][1]
        values = generation["decode_signals"]["pos_-1"]["logprobs"]["log_probs"]
        (bits,) = struct.unpack("<I", struct.pack("<f", values[-1]))
        values[-1] = struct.unpack("<f", struct.pack("<I", bits + 1))[0]  # a little less likely
        (self.folder / "record.json").write_text(json.dumps(record))
        verify = ("verify", "record.json", "-e", "honest.yaml", "-o", "verified", "--replay", "decode")
        printed = self.must(1, *verify)
        position = len(generation["prompt_ids"]) + len(generation["generated_ids"]) - 1
        self.assertRegex(printed, rf"awq under awq +12/12 +11/12 +no  ref_1, decode position {position}\n")
        self.assertIn("  awq: no setup reproduces it bit for bit\n", printed)
        self.assertTrue(printed.startswith("Refuted: 1 of 2 claims does not hold (awq on ieee).\n"))
        self.assertIn("Refuted: the record was not produced by awq on ieee. Of the candidates that were examined, "
                      "none is possible.\n  Why: its replay gives other bits\n", printed)
        self.assertRegex(printed, rf"First difference from awq on ieee: ref_1, decode position {position}, token \d+: "
                                  r"-[\d.]+ recorded, -[\d.]+ replayed \(1 ULPs\)\n")
        self.assertIn("  gptq_marlin: identified exactly: only gptq_marlin reproduces all 24 positions", printed)

    def test_one_generated_token_exchanged(self):
        def exchange(generation):
            generation["generated_ids"][0] ^= 1

        record = self.change_record(exchange)
        self.assertNotEqual(self.assay("verify", record, "-e", "honest.yaml", "-o", "verified").returncode, 2)
        self.assertGreater(self.distance("verified", "decode", "awq", "awq"), 0)


if __name__ == "__main__":
    unittest.main()
