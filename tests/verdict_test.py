"""How a verdict is made: exit codes, --alpha, --delta, --exit-zero, and a calibration from the same program."""

import json
import unittest

from assay_case import AssayCase, edit_json


class Verdict(AssayCase):
    def setUp(self) -> None:
        super().setUp()
        self.replace("tokens: 40", "tokens: 30")  # the text has 40 of these

    def calibrate(self, out: str = "cal") -> str:
        """40 prompts on `exact`, seen from `ieee`."""
        self.replace("references: 4", "references: 40")
        printed = self.must(0, "calibrate", "e.yaml", "-o", out, "--device", "exact", "--verifier-device", "ieee",
                            "--fit", "4", "--scores", "30", "--claim", "2", "--threads", "2")
        self.replace("references: 40", "references: 4")
        return printed

    def lie(self) -> None:
        text = (self.folder / "e.yaml").read_text()
        swapped = text.replace("  awq: ", "  swap: ").replace("gptq_marlin: ", "awq: ").replace("swap: ", "gptq_marlin: ")
        (self.folder / "lie.yaml").write_text(swapped)

    def test_exit_codes_and_exit_zero(self):
        self.must(0, "generate", "e.yaml", "-o", "run")
        self.must(0, "verify", "run", "-e", "e.yaml", "-o", "honest")
        self.lie()
        self.must(0, "generate", "lie.yaml", "-o", "lie")
        refuted = self.must(1, "verify", "lie", "-e", "e.yaml", "-o", "refuted")
        open_ = self.must(3, "verify", "run", "-e", "e.yaml", "-o", "open", "--device", "exact")
        for folder, code, printed in (("refuted", 1, refuted), ("open", 3, open_)):
            self.assertEqual(self.must(code, "analyze", folder), printed)
            self.assertEqual(self.must(0, "analyze", folder, "--exit-zero"), printed)
            self.assertEqual(self.must(0, "report", folder), printed)
        self.must(0, "verify", "lie", "-e", "e.yaml", "-o", "refuted-zero", "--exit-zero")
        self.assertEqual(self.verdict("refuted-zero"), "refuted")

    def test_alpha_and_delta_are_kept_and_may_be_changed(self):
        self.must(0, "generate", "e.yaml", "-o", "run")
        self.must(3, "verify", "run", "-e", "e.yaml", "-o", "verified", "--alpha", "1e-12", "--delta", "0.5")
        verdict = json.loads((self.folder / "verified/verdict.json").read_text())
        self.assertEqual((verdict["alpha"], verdict["delta"]), (1e-12, 0.5))
        self.assertIn("by chance: 1 / 10^", verdict["claims"][0]["reason"])
        self.assertIn("which is too likely", verdict["claims"][0]["reason"])
        self.must(3, "analyze", "verified")
        self.assertIn("with probability 0.001 at most", self.must(0, "analyze", "verified", "--alpha", "0.001"))

    def test_bad_values_are_refused(self):
        self.must(0, "generate", "e.yaml", "-o", "run")
        verify = ["verify", "run", "-e", "e.yaml", "-o", "out"]
        for value in ("0", "1", "-0.5", "2", "many", "nan", "inf"):
            self.refuse([*verify, "--alpha", value], "--alpha", "a probability between 0 and 1", value)
        for value in ("0", "-1", "small", "nan", "inf"):
            self.refuse([*verify, "--delta", value], "--delta", "a number above 0", value)

    def test_a_calibration_decides_where_no_bits_are_owed(self):
        printed = self.calibrate()
        self.assertIn("2 setups, 40 prompts: 4 fitted, 30 scored, 6 tested; --replay prefill\n", printed)
        self.assertRegex(printed, r"\nexact +ieee +2 +6 +0 +3 ")  # no false alarm among six claims
        self.assertEqual(set(self.files("cal")), {"calibration.json", "progress.jsonl"})
        with_it = ("--device", "ieee", "--calibration", "cal/calibration.json", "--alpha", "0.02", "--delta", "4")  # 16 tokens
        self.must(0, "generate", "e.yaml", "-o", "run", "--device", "exact")
        honest = self.must(0, "verify", "run", "-e", "e.yaml", "-o", "honest", *with_it)
        self.assertTrue(honest.startswith("Consistent: the record is what its 2 claims say (awq on exact, "))
        self.assertRegex(honest, r"\n    awq on exact +noisy +not +10\^\d\.\d  possible\n")
        self.lie()
        self.must(0, "generate", "lie.yaml", "-o", "lie", "--device", "exact")
        other = self.must(3, "verify", "lie", "-e", "e.yaml", "-o", "named", *with_it)
        self.assertIn("  Why: the verifier's setup differs in quantization: gptq_marlin claimed, awq run\n", other)
        words = json.loads((self.folder / "run/manifest.json").read_text())["setups"]
        edit_json(self.folder / "lie/manifest.json", lambda m: m.update(setups=words))
        lie = self.must(1, "verify", "lie", "-e", "e.yaml", "-o", "refuted", *with_it)
        self.assertTrue(lie.startswith("Refuted: "))
        # The folder keeps the calibration: without it given, the analysis is the same.
        self.assertEqual(self.files("honest")["calibration.json"], self.files("cal")["calibration.json"])
        self.assertEqual(self.must(0, "analyze", "honest"), honest)
        self.assertEqual(self.must(1, "analyze", "refuted"), lie)
        # Of another replay it says nothing.
        other = self.must(3, "verify", "run", "-e", "e.yaml", "-o", "decode", *with_it, "--replay", "decode")
        self.assertIn("  Why: the calibration is for --replay prefill, this is --replay decode\n", other)

    def test_a_calibration_of_other_models_or_that_does_not_read_is_refused(self):
        self.must(0, "generate", "e.yaml", "-o", "run")
        self.calibrate()
        calibration = self.folder / "cal/calibration.json"
        verify = ["verify", "run", "-e", "e.yaml", "-o", "out", "--calibration", str(calibration)]
        text = calibration.read_text()

        def refused(change, *names):
            calibration.write_text(text)
            edit_json(calibration, change)
            self.refuse(verify, "calibration.json", *names)

        refused(lambda c: c["setups"]["awq"].update(weights_sha256="00"), "setups.awq.weights_sha256", "as the verifier ran it")
        refused(lambda c: c["environment"].update(numerics_version="0"), "environment.numerics_version")
        refused(lambda c: c.update(bogus=1), "bogus")
        refused(lambda c: c.update(schema_version=9), "schema_version", "9")
        calibration.write_text(text[:300])
        self.refuse(verify, "calibration.json")
        calibration.unlink()
        self.refuse(verify, "calibration.json")

    def test_calibrate_refuses_what_cannot_be(self):
        calibrate = ["calibrate", "e.yaml", "-o", "out", "--device", "exact", "--verifier-device"]
        self.refuse([*calibrate, "ieee", "--claim", "2"], "e.yaml", "prompts.references", "0, 2 and 2")
        self.refuse([*calibrate, "ieee", "--fit", "1", "--scores", "1", "--claim", "1", "--promise", "0.01"],
                    "at least 299 test prompts (299 claims of 1)", "2 test prompts")
        self.refuse([*calibrate, "h1000", "--fit", "1", "--scores", "1", "--claim", "1"], "setups.awq.device", "h1000")
        self.calibrate("out")
        self.replace("references: 4", "references: 40")
        self.refuse([*calibrate, "ieee"], "out/calibration.json", "a complete one")


if __name__ == "__main__":
    unittest.main()
