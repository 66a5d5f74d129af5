"""Provers and verifiers that are servers, over real sockets: the verdict is the native one, whatever goes wrong on the way."""

import json
import os
import pathlib
import random
import re
import signal
import subprocess
import time
import unittest
import urllib.request

from assay_case import ASSAY, MODELS, ROOT
from server_case import MOCK_SERVER, ServerCase

FAULTS = ["refused", "reset", "slow", "cut", "429", "500", "wrong_ids", "nan", "duplicate", "missing_position"]


def harm(faults: str) -> tuple[str, ...]:
    """Options of a server that has them; its probes have short prompts, and are spared."""
    return "--fault", faults, "--fault-min-tokens", "20"


class Remote(ServerCase):
    """A verifier with the setup awq alone leaves the claims of gptq_marlin open: exit code 3."""

    native: dict[str, bytes] = {}  # the files of the run of e.yaml that every test begins with

    def setUp(self) -> None:
        super().setUp()
        if not Remote.native:
            self.must(0, "generate", "e.yaml", "-o", "native")
            Remote.native = self.files("native")
        (self.folder / "native").mkdir(exist_ok=True)
        for name, content in Remote.native.items():
            (self.folder / "native" / name).write_bytes(content)

    def both(self, *more: str, dialect: str = "vllm") -> dict[str, str]:
        return {q: self.serve(q, dialect, *more) for q in ("awq", "gptq_marlin")}

    def test_a_server_generates_and_we_verify(self):
        self.remote_experiment("served.yaml", self.both())
        self.must(0, "generate", "served.yaml", "-o", "served")
        self.assertEqual(self.numbers("served"), self.numbers("native"))
        for run, exit_code in (("served", 0), ("native", 0)):
            self.must(exit_code, "verify", run, "-e", "e.yaml", "-o", f"{run}-verified")
        self.assertEqual(self.verdict("served-verified"), self.verdict("native-verified"))

    def test_we_generate_and_a_server_verifies(self):
        for replay in ("prefill", "decode"):
            self.remote_experiment("served.yaml", self.both("--batch-invariant"))
            self.must(0, "verify", "native", "-e", "served.yaml", "-o", replay, "--replay", replay)
            self.must(0, "verify", "native", "-e", "e.yaml", "-o", f"native-{replay}", "--replay", replay)
            self.assertEqual(self.verdict(replay), self.verdict(f"native-{replay}"))
            for phase in ("prefill", "decode"):
                for claimed in ("awq", "gptq_marlin"):
                    self.assertEqual(self.distance(replay, phase, claimed, claimed), 0)

    def test_a_vllm_that_scores_ids_of_interest_leaves_none_out(self):
        """Claims of another quantization have ids outside the verifier's top k."""
        self.must(0, "verify", "native", "-e", "e.yaml", "-o", "by-us")
        for folder, more, scored in (("with", (), "all_in_prefill"), ("without", ("--no-prompt-ids",), "top_k")):
            self.remote_experiment("served.yaml", self.both("--batch-invariant", *more))
            self.must(0, "verify", "native", "-e", "served.yaml", "-o", folder)
            self.assertEqual(self.verdict(folder), self.verdict("by-us"))
            manifest = json.loads((self.folder / folder / "manifest.json").read_text())
            self.assertEqual(manifest["setups"]["awq"]["ran"]["ids_scored"], scored)
            said = (self.folder / folder / "verdict.json").read_text()
            self.assertEqual("scored only its own most likely ids" in said, scored == "top_k", said)
        numbers = (self.folder / "with/logprobs.safetensors").read_bytes()
        self.assertNotEqual((self.folder / "without/logprobs.safetensors").read_bytes(), numbers)
        for claimed in ("awq", "gptq_marlin"):
            for verifier in ("awq", "gptq_marlin"):
                for phase in ("prefill", "decode"):
                    self.assertEqual(self.distance("with", phase, claimed, verifier),
                                     self.distance("by-us", phase, claimed, verifier))

    def test_another_model_behind_the_endpoint_is_refuted(self):
        url = self.serve("awq", "vllm", "--batch-invariant")
        self.remote_experiment("false.yaml", {"gptq_marlin": url})
        self.must(0, "generate", "false.yaml", "-o", "false")
        self.must(1, "verify", "false", "-e", "e.yaml", "-o", "false-verified")

    def test_a_calibration_of_servers_seen_from_the_native_engine(self):
        """The auditor's path: the setups' own servers generate honestly, and the auditor's engine re-executes."""
        edit = self.replace
        edit("tokens: 40", "tokens: 30")
        urls = self.both()
        self.remote_experiment("record.yaml", urls)
        edit("references: 4", "references: 40")
        self.remote_experiment("servers.yaml", urls)
        split = ("--fit", "4", "--scores", "30", "--claim", "2")
        self.refuse(["calibrate", "servers.yaml", "-o", "x", "--device", "a100", *split], "servers.yaml", "--device", "a100")
        self.refuse(["calibrate", "servers.yaml", "-o", "x", "-e", "e.yaml", *split], "e.yaml", "--verifier-device", "none")
        calibrate = ["calibrate", "servers.yaml", "-e", "e.yaml", "--verifier-device", "exact", *split]
        printed = self.must(0, *calibrate, "-o", "cal")
        self.assertRegex(printed, r"\nieee +exact +2 +6 +0 +3 ")
        cells = json.loads((self.folder / "cal/calibration.json").read_text())["cells"]
        self.assertEqual({(c["engine"], c.get("verifier_engine")) for c in cells}, {("vllm", None)})
        edit("references: 40", "references: 4")
        decide = ["--device", "exact", "--calibration", "cal/calibration.json", "--alpha", "0.02", "--delta", "4"]
        self.must(0, "generate", "record.yaml", "-o", "record")
        honest = self.must(0, "verify", "record", "-e", "e.yaml", "-o", "honest", *decide)
        self.assertTrue(honest.startswith("Consistent: "), honest)
        swapped = {"awq": urls["gptq_marlin"], "gptq_marlin": urls["awq"]}
        self.remote_experiment("lie.yaml", swapped)
        self.must(0, "generate", "lie.yaml", "-o", "lie")
        refuted = self.must(1, "verify", "lie", "-e", "e.yaml", "-o", "refuted", *decide)
        self.assertTrue(refuted.startswith("Refuted: "), refuted)
        # Runs of another program on that device say nothing of the native engine's records.
        native = self.must(3, "verify", "native", "-e", "e.yaml", "-o", "open", *decide)
        self.assertIn("the calibration's runs of it were made by vllm, the record by the native engine", native)

    def test_sglang_generates_and_verifies(self):
        self.remote_experiment("served.yaml", self.both("--batch-invariant", dialect="sglang"), engine="sglang")
        self.must(0, "generate", "served.yaml", "-o", "served")
        self.must(0, "verify", "served", "-e", "e.yaml", "-o", "by-us")
        self.must(0, "verify", "native", "-e", "served.yaml", "-o", "by-sglang")
        self.assertEqual(self.distance("by-sglang", "decode", "awq", "awq"), 0)
        done = self.assay("verify", "native", "-e", "served.yaml", "-o", "x", "--replay", "decode")
        self.assertEqual(done.returncode, 2)
        self.assertIn("decode", done.stderr)

    def test_any_completions_endpoint_can_be_recorded(self):
        """Texts in and out: where their ids are certain, they are the native engine's, and so are the numbers."""
        url = self.serve("awq", "openai")
        self.remote_experiment("texts.yaml", {"awq": url}, engine="openai")
        text = (self.folder / "texts.yaml").read_text().replace("ignore_eos: true", "top_k: 3")
        (self.folder / "texts.yaml").write_text(text)
        done = self.assay("generate", "texts.yaml", "-o", "texts")
        self.assertEqual(done.returncode, 0, done.stderr)
        ran = json.loads((self.folder / "texts/manifest.json").read_text())["setups"]["awq"]["ran"]
        self.assertEqual(ran["ids"], "retokenized")
        kept = {line["reference"]: line["generated_ids"] for line in self.lines("texts")}
        native = {line["reference"]: line["generated_ids"] for line in self.lines("native") if line["setup"] == "awq"}
        self.assertTrue(kept)
        for reference, ids in kept.items():
            self.assertEqual(ids, native[reference][:len(ids)])
        if len(kept) < len(native):
            self.assertEqual(ran["dropped"], f"{len(native) - len(kept)} of {len(native)} references")
        done = self.assay("verify", "texts", "-e", "e.yaml", "-o", "texts-verified")
        self.assertEqual(self.distance("texts-verified", "decode", "awq", "awq"), 0)

    def lines(self, folder: str) -> list[dict]:
        return [json.loads(line) for line in (self.folder / folder / "sequences.jsonl").read_text().splitlines()]

    def test_what_a_server_says_of_itself_is_in_the_manifest(self):
        url = self.serve("awq", "vllm", "--fingerprint", "vllm-0.30.0-mock")
        self.remote_experiment("one.yaml", {"awq": url})
        self.must(0, "generate", "one.yaml", "-o", "run")
        setup = json.loads((self.folder / "run/manifest.json").read_text())["setups"]["awq"]
        self.assertEqual(setup["server"], {"engine": "vllm", "endpoints": [url], "served_model": "tiny", "in_flight": 1})
        self.assertEqual(setup["ran"]["server_fingerprint"], "vllm-0.30.0-mock")
        self.assertEqual(setup["ran"]["server_version"], "0.30.0")
        self.assertEqual(setup["ran"]["forced_decode"], "yes")
        self.assertEqual(setup["ran"]["determinism"], "not_deterministic")
        self.assertNotIn("server-info-secret", json.dumps(setup))
        for line in self.lines("run"):
            self.assertEqual((line["served"]["endpoint"], line["served"]["fingerprint"]), (url, "vllm-0.30.0-mock"))

    def test_the_setups_that_the_docs_show_are_read(self):
        """Up to their models, which are not in the cache."""
        for page in ("README.md", "docs/remote.md"):
            text = (ROOT / page).read_text()
            setups = re.search(r"```yaml\n(setups:\n.*?)```", text, re.S).group(1)
            (self.folder / "docs.yaml").write_text((self.folder / "e.yaml").read_text().split("setups:\n")[0] + setups)
            done = self.assay("generate", "docs.yaml", "-o", "docs", env=dict(os.environ, HF_HUB_OFFLINE="1", HF_HOME=str(self.folder)))
            self.assertEqual(done.returncode, 2)
            self.assertIn("Qwen/Qwen3-8B-AWQ", done.stderr)

    def test_a_fleet_with_a_death_in_mid_run(self):
        urls = [self.serve("awq", "vllm", "--batch-invariant", "--latency-ms", "20"),
                self.serve("awq", "vllm", "--batch-invariant", *harm("die@2")),
                self.serve("awq", "vllm", "--batch-invariant", "--latency-ms", "20")]
        self.remote_experiment("fleet.yaml", {"awq": urls})
        self.must(3, "verify", "native", "-e", "fleet.yaml", "-o", "verified")
        served = [json.loads(line)["served"]["endpoint"]
                  for line in (self.folder / "verified/sequences.jsonl").read_text().splitlines() if "verifier" in line]
        self.assertLess({urls[0], urls[2]}, set(served) | {""})
        self.assertEqual(self.distance("verified", "decode", "awq", "awq"), 0)

    def test_every_fault_leaves_the_same_numbers(self):
        # Remembered: an answer comes well within timeout_s, and only the fault is slow.
        url = self.serve("awq", "vllm", "--batch-invariant", "--remember", "--fault-min-tokens", "20")
        self.remote_experiment("plain.yaml", {"awq": url})
        self.must(3, "verify", "native", "-e", "plain.yaml", "-o", "plain")
        expected = self.numbers("plain")
        units = len(expected[1]) // 2
        self.remote_experiment("faulty.yaml", {"awq": url}, more=", timeout_s: 2")
        for fault in FAULTS:
            with self.subTest(fault):
                self.ask_of_faults(url, f"{fault}@2".encode())
                before = self.counted(url)
                done = self.assay("verify", "native", "-e", "faulty.yaml", "-o", fault)
                self.assertEqual(done.returncode, 3, done.stderr)
                self.assertEqual(self.numbers(fault), expected)
                self.assertEqual(self.counted(url) - before, units + (fault != "duplicate"), done.stderr)

    @staticmethod
    def ask_of_faults(url: str, plan: bytes | None = None) -> bytes:
        """Makes `plan` the server's plan of faults, or asks how many requests could have had one."""
        with urllib.request.urlopen(url + "/mock/faults", plan, timeout=10) as reply:
            return reply.read()

    def counted(self, url: str) -> int:
        return json.loads(self.ask_of_faults(url))["counted"]

    def test_one_command_launches_and_ends_the_servers(self):
        setups = ""
        for quantization, folder in (("awq", "tiny-qwen3-awq"), ("gptq_marlin", "tiny-qwen3-gptq")):
            launch = (f"{MOCK_SERVER} --dialect vllm --model {{model}} --quantization {{quantization}} --device ieee "
                      f"--served-name {{model}} --port {{port}}")
            setups += (f"  {quantization}: {{engine: vllm, launch: '{launch}', model: {MODELS / folder}, "
                       f"quantization: {quantization}, device: ieee}}\n")
        self.remote_experiment("launch.yaml", {}, setups=setups)
        self.must(0, "generate", "launch.yaml", "-o", "launched")
        self.assertEqual(self.numbers("launched"), self.numbers("native"))
        self.assertTrue(list((self.folder / "launched").glob("*.log")))
        self.assertEqual(self.servers_of(str(self.folder)), [])

    def servers_of(self, mark: str) -> list[str]:
        """Mock servers whose command line or working folder names `mark`."""
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes().decode(errors="replace")
                if "mock_server" in command and (mark in command or mark in str((process / "cwd").resolve())):
                    found.append(command)
            except OSError:
                continue
        return found

    def test_ctrl_c_ends_a_launched_server(self):
        launch = (f"{MOCK_SERVER} --dialect vllm --model {{model}} --quantization awq --device ieee "
                  f"--served-name {{model}} --port {{port}} --latency-ms 300")
        self.remote_experiment("launch.yaml", {}, setups=f"  awq: {{engine: vllm, launch: '{launch}', device: ieee, "
                               f"model: {MODELS / 'tiny-qwen3-awq'}, quantization: awq}}\n")
        for how, code in ((signal.SIGINT, 4), (signal.SIGKILL, -signal.SIGKILL)):
            progress = self.folder / f"run-{code}/progress.jsonl"
            with subprocess.Popen([ASSAY, "generate", "launch.yaml", "-o", f"run-{code}"], cwd=self.folder,
                                  stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
                while not progress.exists() and process.poll() is None:
                    time.sleep(0.01)
                process.send_signal(how)
                self.assertEqual(process.wait(timeout=60), code)
            deadline = time.monotonic() + 15
            while self.servers_of(str(self.folder)) and time.monotonic() < deadline:
                time.sleep(0.05)
            self.assertEqual(self.servers_of(str(self.folder)), [])

    def test_ctrl_c_while_a_server_starts(self):
        self.remote_experiment("launch.yaml", {}, setups=f"  awq: {{engine: vllm, launch: 'sleep 60 {{port}}', device: ieee, "
                               f"model: {MODELS / 'tiny-qwen3-awq'}, quantization: awq}}\n")
        with subprocess.Popen([ASSAY, "generate", "launch.yaml", "-o", "run"], cwd=self.folder,
                              stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
            while not (self.folder / "run/server-awq.log").exists() and process.poll() is None:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=60)[1]
        self.assertIn("a stop was asked for", said)
        self.assertIn("the same command resumes run", said)
        self.assertEqual(process.returncode, 4)

    def test_the_token_is_nowhere(self):
        secret = "sk-Very-Secret-0123456789"
        url = self.serve("awq", "vllm", "--token", secret, *harm("500@2,wrong_ids@3"))
        self.remote_experiment("token.yaml", {"awq": url}, more=", token_variable: PROVIDER_KEY")
        environment = dict(os.environ, PROVIDER_KEY=secret)
        done = self.assay("generate", "token.yaml", "-o", "run", env=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        wrong = self.assay("generate", "token.yaml", "-o", "wrong", env=dict(os.environ, PROVIDER_KEY="sk-wrong-9876"))
        self.assertEqual(wrong.returncode, 2)
        without = self.assay("generate", "token.yaml", "-o", "without")
        self.assertEqual(without.returncode, 2)
        self.assertIn("PROVIDER_KEY", without.stderr)
        said = "".join(d.stdout + d.stderr for d in (done, wrong, without))
        for path in self.folder.rglob("*"):
            if path.is_file():
                said += path.read_bytes().decode(errors="replace")
        self.assertNotIn(secret, said)
        self.assertNotIn("sk-wrong-9876", said)

    def test_certificates_are_checked(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "ca.pem",
                        "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
                       cwd=self.folder, check=True, capture_output=True)
        url = self.serve("awq", "vllm", "--tls", str(self.folder / "ca.pem"), str(self.folder / "key.pem"))
        self.remote_experiment("tls.yaml", {"awq": url})
        refused = self.assay("generate", "tls.yaml", "-o", "refused")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("certificate", refused.stderr)
        for more, folder in ((", ca_file: ca.pem", "trusted"), (", verify_tls: false", "blind")):
            self.remote_experiment("tls.yaml", {"awq": url}, more=more)
            self.must(0, "generate", "tls.yaml", "-o", folder)

    def test_killed_anywhere_it_resumes_to_the_same_file(self):
        """SIGKILL at a random time, 50 times, each resumed to its end."""
        url = self.serve("awq", "vllm", "--batch-invariant", "--remember", "--latency-ms", "20")
        self.remote_experiment("one.yaml", {"awq": url})
        verify = ["verify", "native", "-e", "one.yaml"]
        self.must(3, *verify, "-o", "first")
        start = time.monotonic()
        self.must(3, *verify, "-o", "whole")
        length = time.monotonic() - start
        expected = self.numbers("whole")
        delays = random.Random(6)
        partial = 0
        for trial in range(50):
            with subprocess.Popen([ASSAY, *verify, "-o", f"run{trial}"], cwd=self.folder, stderr=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL) as process:
                time.sleep(delays.uniform(0, 0.9 * length))
                process.kill()
            done = (self.folder / f"run{trial}/manifest.json").exists()
            partial += not done
            if not done:
                self.must(3, *verify, "-o", f"run{trial}")
            self.assertEqual(self.numbers(f"run{trial}"), expected)
        self.assertGreater(partial, 10)

    def test_a_full_disk_leaves_a_run_that_resumes(self):
        url = self.serve("awq", "vllm", "--batch-invariant")
        self.remote_experiment("one.yaml", {"awq": url})
        verify = ["verify", "native", "-e", "one.yaml"]
        self.must(3, *verify, "-o", "whole")
        shell = f"ulimit -f 4; exec {ASSAY} {' '.join(verify)} -o full"
        full = subprocess.run(["bash", "-c", shell], cwd=self.folder, capture_output=True, text=True, check=False)
        self.assertEqual(full.returncode, 2, full.stderr)
        self.must(3, *verify, "-o", "full")
        self.assertEqual(self.numbers("full"), self.numbers("whole"))

    def test_servers_that_cannot_be_used_are_refused(self):
        cases = [("http://127.0.0.1:9", "127.0.0.1:9"), ("ftp://127.0.0.1", "http"), ("http://user:pw@127.0.0.1:1", "endpoint")]
        for url, word in cases:
            self.remote_experiment("bad.yaml", {"awq": url})
            done = self.assay("generate", "bad.yaml", "-o", "bad")
            self.assertEqual(done.returncode, 2)
            self.assertIn(word, done.stderr)
            self.assertNotIn("pw@", done.stderr)
        url = self.serve("awq", "vllm")
        self.remote_experiment("bad.yaml", {"awq": url})
        text = (self.folder / "bad.yaml").read_text()
        (self.folder / "bad.yaml").write_text(text.replace("served_model_name: tiny", "served_model_name: huge"))
        done = self.assay("generate", "bad.yaml", "-o", "bad")
        self.assertEqual(done.returncode, 2)
        self.assertIn("tiny", done.stderr)
        self.remote_experiment("bad.yaml", {"awq": self.serve("awq", "vllm", "--no-trace")})
        done = self.assay("verify", "native", "-e", "bad.yaml", "-o", "bad", "--replay", "decode")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--enable-trace-replay", done.stderr)


if __name__ == "__main__":
    unittest.main()
