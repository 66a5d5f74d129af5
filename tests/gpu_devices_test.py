#!/usr/bin/env python3
"""Devices of GPUs, end to end: who made a record is identified on the right device, and wrong setups are refused."""

import json
import unittest

from assay_case import AssayCase


class GpuDevices(AssayCase):
    def ran(self, folder: str) -> dict[str, dict[str, str]]:
        manifest = json.loads((self.folder / folder / "manifest.json").read_text())
        return {name: setup["ran"] for name, setup in manifest["setups"].items()}

    def test_kernel_and_device_are_identified_exactly(self):
        self.add_awq_marlin()
        self.must(0, "generate", "e.yaml", "-o", "run", "--device", "a100")
        self.assertEqual(self.ran("run")["awq_marlin"]["kernel"], "marlin_a")
        self.assertEqual(self.ran("run")["awq_marlin"]["sm_count"], "108")
        verify = ("verify", "run", "-e", "e.yaml", "--replay", "decode")
        printed = self.must(0, *verify, "-o", "verified", "--device", "a100,h100,ieee")
        for setup in ("awq", "awq_marlin", "gptq_marlin"):
            self.assertIn(f"  {setup}: identified exactly: only {setup}@a100 reproduces all", printed)
        self.assertIn("coincidence rate of differing setups", printed)

        # Across hardware the pair of kernels drowns in the diagonal; the checkpoint does not.
        alone = self.assay(*verify, "-o", "h100", "--device", "h100")
        self.assertIn("no setup reproduces it bit for bit", alone.stdout)
        self.assertEqual(self.ran("h100")["gptq_marlin"]["kernel"], "machete")
        own = self.distance("h100", "prefill", "awq", "awq")
        self.assertGreater(own, 0)
        self.assertLess(self.distance("h100", "prefill", "awq", "awq_marlin"), 3 * own)
        self.assertGreater(self.distance("h100", "prefill", "awq", "gptq_marlin"), 30 * own)

    def test_an_upgraded_engine_is_another_setup(self):
        self.add_awq_marlin()
        self.must(0, "generate", "e.yaml", "-o", "run", "--device", "a100")
        self.replace("device: ieee", "device: a100\nprofile: vllm-0.12")
        printed = self.assay("verify", "run", "-e", "e.yaml", "-o", "verified", "--replay", "decode").stdout
        self.assertIn("  awq: identified exactly: only awq reproduces all", printed)  # its kernel is the same
        self.assertIn("  awq_marlin: no setup reproduces it bit for bit", printed)
        self.assertEqual(self.ran("verified")["awq_marlin"]["kernel"], "marlin_b")

    def test_refuses_what_a_device_cannot_run(self):
        cases = [
            ({}, "a1000", ("setups.awq.device", "one of ieee", "a1000")),
            ({}, "v100", ("setups.awq.kernel", "compute capability 7.5", "v100")),
            ({"device: ieee": "device: ieee\nprofile: vllm-9"}, "a100", ("profile", "vllm-0.11, vllm-0.12", "vllm-9")),
            ({"quantization: awq}": "quantization: awq, kernel: machete}"}, "h100", ("kernel", "gptq weights", "awq")),
            ({"quantization: awq}": "quantization: awq, kernel: marlin}"}, "a100", ("kernel", "one of chain", "marlin")),
            ({"quantization: awq}": "quantization: awq, kernel: awq}"}, "ieee", ("kernel", "only kernel of device ieee", "awq")),
        ]
        text = (self.folder / "e.yaml").read_text()
        for changes, device, parts in cases:
            (self.folder / "e.yaml").write_text(text)
            for old, new in changes.items():
                self.replace(old, new)
            with self.subTest(device=device, changes=changes):
                self.refuse(["generate", "e.yaml", "-o", "out", "--device", device], "e.yaml", *parts)


if __name__ == "__main__":
    unittest.main()
