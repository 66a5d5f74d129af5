"""generate, verify, analyze, report: files, exit codes and what one says of another."""

import json
import unittest

from assay_case import AssayCase, edit_json


class Run(AssayCase):
    def test_an_honest_run_is_consistent_with_equal_bits(self):
        text = self.must(0, "generate", "e.yaml", "-o", "run", "--threads", "2")
        self.assertIn("WITHIN-HARDWARE ANALYSIS", text)
        self.assertEqual(set(self.files("run")),
                         {"manifest.json", "sequences.jsonl", "logprobs.safetensors", "metrics.json"})
        text = self.must(0, "verify", "run", "-e", "e.yaml", "-o", "verified", "--threads", "1", "--replay", "decode")
        self.assertIn("VERIFYING WITH: awq", text)
        self.assertEqual(set(self.files("verified")) - set(self.files("run")), {"verdict.json"})
        self.assertEqual(self.verdict("verified"), "consistent")
        for phase in ("prefill", "decode"):
            for setup in ("awq", "gptq_marlin"):
                self.assertEqual(self.distance("verified", phase, setup, setup), 0)
            self.assertGreater(self.distance("verified", phase, "awq", "gptq_marlin"), 0.1)

    def test_a_sampled_run_is_what_its_seed_gives(self):
        for sampler in ("exponential_race", "inverse_cdf"):
            self.write_experiment(new=8)
            self.replace("ignore_eos: true", f"ignore_eos: true, temperature: 1.5, seed: 1, sampler: {sampler}")
            run, verified = sampler + "-run", sampler + "-verified"
            self.must(0, "generate", "e.yaml", "-o", run)
            settings = json.loads((self.folder / run / "manifest.json").read_text())["settings"]
            sampling = {"sampler": sampler, "temperature": 1.5, "seed": 1}
            self.assertEqual(settings["sampling"], sampling)
            self.must(0, "verify", run, "-e", "e.yaml", "-o", verified, "--replay", "decode")
            manifest = json.loads((self.folder / verified / "manifest.json").read_text())
            self.assertEqual(manifest["claimed_settings"], settings)
            lines = (self.folder / verified / "sequences.jsonl").read_text().splitlines()
            claims = (self.folder / run / "sequences.jsonl").read_text().splitlines()
            self.assertEqual(lines[:len(claims)], claims)
            checks = [json.loads(line) for line in lines[len(claims):]]
            self.assertEqual(len(checks), 16)
            for check in checks:
                margins = check["tokens"]["margins"]
                self.assertEqual(len(margins), 8)
                if check["claimed"] == check["verifier"]:
                    self.assertEqual(margins, [0] * 8)
            self.assertTrue(any(sum(check["tokens"]["margins"]) > 0 for check in checks))
            self.assertTrue(any(rank > 1 for check in checks for rank in check["tokens"]["ranks"]))

            # The same tokens, said to be of another seed.
            forged = self.folder / run / "manifest.json"
            edit_json(forged, lambda m: m["settings"]["sampling"].update(seed=2))
            printed = self.must(1, "verify", run, "-e", "e.yaml", "-o", verified + "2", "--replay", "decode")
            lines = (self.folder / (verified + "2") / "sequences.jsonl").read_text().splitlines()
            checks = [json.loads(line) for line in lines[len(claims):]]
            own = [check for check in checks if check["claimed"] == check["verifier"]]
            self.assertTrue(all(any(check["tokens"]["margins"]) for check in own))
            self.assertIn("would not have chosen the token at position", printed)

    def test_another_device_leaves_small_distances(self):
        self.must(0, "generate", "e.yaml", "-o", "run", "--device", "exact")
        printed = self.must(3, "verify", "run", "-e", "e.yaml", "-o", "verified", "--device", "ieee")
        self.assertTrue(printed.startswith("Inconclusive: 2 of 2 claims are not decided (awq on exact, gptq_marlin"))
        self.assertIn("  Why: no calibration was given\n", printed)
        own = self.distance("verified", "prefill", "awq", "awq")
        self.assertGreater(own, 0)
        self.assertGreater(self.distance("verified", "prefill", "awq", "gptq_marlin"), 3 * own)

    def test_several_devices_identify_the_setup_exactly(self):
        self.add_awq_marlin()
        self.must(0, "generate", "e.yaml", "-o", "run", "--device", "exact")
        verify = ("verify", "run", "-e", "e.yaml", "--replay", "decode")
        printed = self.must(0, *verify, "-o", "verified", "--device", "exact,ieee")
        for device in ("exact", "ieee"):
            self.assertIn(f"VERIFIED ON DEVICE: {device}\n", printed)
        self.assertTrue(printed.startswith("Consistent: the record is what its 3 claims say (awq on exact, "))
        self.assertIn("  One class, bits equal throughout: awq on exact, awq_marlin on exact\n", printed)
        exact = printed[printed.index("EXACT REPRODUCTION"):]
        self.assertIn("  gptq_marlin: identified exactly: only gptq_marlin@exact reproduces all ", exact)
        for claim in ("awq", "awq_marlin"):
            self.assertIn(f"  {claim}: reproduced by awq@exact and awq_marlin@exact (they cannot be told apart", exact)
            self.assertIn(f"Consistent: the record is what {claim} on exact gives. Not excluded: ", printed)
        self.assertRegex(exact, r"Prefill: coincidence rate of differing setups: \d+ of \d+ positions, \d+\.\d\d %")
        metrics = json.loads((self.folder / "verified/metrics.json").read_text())
        claims = {claim["claimed"]: claim["reproduced_by"] for claim in metrics["exact_reproduction"]["claims"]}
        self.assertEqual(claims, {"awq": ["awq@exact", "awq_marlin@exact"], "gptq_marlin": ["gptq_marlin@exact"],
                                  "awq_marlin": ["awq@exact", "awq_marlin@exact"]})
        self.assertEqual(set(metrics["devices"]), {"exact", "ieee"})
        self.assertEqual(self.must(0, "analyze", "verified"), printed)
        self.assertIn("## Prefill on ieee", self.must(0, "analyze", "verified", "-o", "md"))
        self.assertEqual(self.distance("verified", "decode", "awq", "awq_marlin@exact"), 0)
        self.assertGreater(self.distance("verified", "decode", "awq", "awq_marlin@ieee"), 0)
        self.assertIn("one device", self.assay("report", "verified", "-o", "seed").stderr)

        # One device: its tables are the same, under the setups' plain names.
        alone = self.must(3, *verify, "-o", "alone", "--device", "ieee")
        tables = alone[alone.index("CROSS-HARDWARE"):alone.index("BIT EQUALITY")]
        self.assertIn(tables, printed)
        self.assertNotIn("@", tables)
        self.assertIn("  awq: no setup reproduces it bit for bit\n", alone)

    def test_a_claim_of_another_device_is_refuted(self):
        self.must(0, "generate", "e.yaml", "-o", "run", "--device", "exact")
        manifest = self.folder / "run/manifest.json"
        manifest.write_text(manifest.read_text().replace('"device": "exact"', '"device": "ieee"'))
        printed = self.must(1, "verify", "run", "-e", "e.yaml", "-o", "verified", "--device", "ieee,exact")
        self.assertTrue(printed.startswith("Refuted: 2 of 2 claims do not hold (awq on ieee, gptq_marlin on ieee).\n"))
        self.assertIn("Refuted: the record was not produced by awq on ieee. Still possible: awq on exact.\n"
                      "  Why: its replay gives other bits\n", printed)

    def test_a_claim_of_a_device_that_was_not_run_is_inconclusive(self):
        self.must(0, "generate", "e.yaml", "-o", "run", "--device", "exact")
        manifest = self.folder / "run/manifest.json"
        manifest.write_text(manifest.read_text().replace('"device": "exact"', '"device": "ieee"', 1))
        for setup in json.loads(manifest.read_text())["setups"].values():
            self.assertEqual(setup["ran"]["device"], "exact")
        printed = self.must(3, "verify", "run", "-e", "e.yaml", "-o", "verified", "--device", "exact")
        reason = "reproduced bit for bit on exact; the claimed device ieee was not run"
        self.assertIn("Inconclusive: whether awq on ieee produced the record is not decided. Possible: awq on exact.",
                      printed)
        self.assertIn(f"  Why: {reason}\n", printed)

    def test_the_record_says_what_chose_and_what_ran(self):
        text = (self.folder / "e.yaml").read_text()
        (self.folder / "e.yaml").write_text(text.replace("device: ieee", "device: exact\nprefill_tokens: 100"))
        self.must(0, "generate", "e.yaml", "-o", "run")
        setup = json.loads((self.folder / "run/manifest.json").read_text())["setups"]["awq"]
        self.assertEqual((setup["profile"], setup["prefill_tokens"]), ("vllm-0.11", 100))
        self.assertEqual(setup["ran"]["device"], "exact")

    def test_a_claim_that_ran_something_else_is_refuted(self):
        text = (self.folder / "e.yaml").read_text()
        lie = text.replace("  awq: ", "  swap: ").replace("gptq_marlin: ", "awq: ").replace("swap: ", "gptq_marlin: ")
        (self.folder / "lie.yaml").write_text(lie)
        self.must(0, "generate", "lie.yaml", "-o", "run")
        self.must(1, "verify", "run", "-e", "e.yaml", "-o", "verified")
        self.assertEqual(self.verdict("verified"), "refuted")

    def test_files_analyse_to_what_the_run_printed(self):
        generated = self.must(0, "generate", "e.yaml", "-o", "run")
        verified = self.must(0, "verify", "run", "-e", "e.yaml", "-o", "verified")
        self.assertEqual(self.must(0, "analyze", "run"), generated)
        self.assertEqual(self.must(0, "analyze", "verified"), verified)
        self.assertEqual(self.must(0, "report", "verified"), verified)
        metrics = json.loads(self.must(0, "analyze", "verified", "-o", "json"))
        self.assertEqual(metrics, json.loads((self.folder / "verified/metrics.json").read_text()))
        self.assertIn("| awq |", self.must(0, "analyze", "verified", "-o", "md"))

    def test_the_seeds_json_comes_out_and_goes_in(self):
        self.must(0, "generate", "e.yaml", "-o", "run")
        (self.folder / "run.json").write_text(self.must(0, "report", "run", "-o", "seed"))
        self.must(0, "analyze", "run.json")
        self.must(0, "verify", "run.json", "-e", "e.yaml", "-o", "verified")
        self.assertEqual(self.distance("verified", "prefill", "awq", "awq"), 0)

    def test_a_pdf_document_is_read_through_pdftotext(self):
        self.write_pdf("text.pdf", [f"Line {i} of a page about reading files of kind {i * i}." for i in range(40)])
        text = (self.folder / "e.yaml").read_text()
        (self.folder / "e.yaml").write_text(text.replace("text.txt", "text.pdf"))
        self.must(0, "generate", "e.yaml", "-o", "run")
        first = json.loads((self.folder / "run/sequences.jsonl").read_text().splitlines()[0])
        self.assertGreater(len(first["prompt_ids"]), 40)

    def test_two_runs_compare(self):
        self.must(0, "generate", "e.yaml", "-o", "one")
        self.must(0, "generate", "e.yaml", "-o", "two")
        printed = self.must(3, "analyze", "one", "two")  # two records: distances, and no replay to owe bits
        self.assertIn("  Why: the verification does not hold the claim's log-probabilities\n", printed)
        self.assertEqual(self.must(0, "analyze", "one", "two", "--exit-zero"), printed)

    def test_help_names_an_example_of_each_verb(self):
        for verb in ("generate", "verify", "merge", "analyze", "report", "synth", "doctor"):
            self.assertIn(f"Example: assay {verb}", self.must(0, verb, "--help"))
        self.assertRegex(self.must(0, "--version"), r"^assay \d+\.\d+\.\d+\n$")
        self.assertIn("ieee exact", self.must(0, "doctor"))


if __name__ == "__main__":
    unittest.main()
