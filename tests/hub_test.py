"""Models by their Hub names: what the program downloads, and that it and Python's huggingface_hub find each other's caches."""

import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import unittest

from assay_case import ASSAY, MODELS, AssayCase
from fake_hub import COMMIT, FakeHub

NAME = "org/tiny-qwen3-awq"
TOKEN = "hf_aSecretThatNobodyMaySee"
MISSING = "" if importlib.util.find_spec("huggingface_hub") else "huggingface_hub is not installed (tools/requirements.txt)"


class Hub(AssayCase):
    def setUp(self) -> None:
        super().setUp()
        self.hub = FakeHub(MODELS / "tiny-qwen3-awq", NAME)
        self.addCleanup(self.hub.close)
        self.cache = self.folder / "home/hub/models--org--tiny-qwen3-awq"
        self.snapshot = self.cache / "snapshots" / COMMIT
        text = (self.folder / "e.yaml").read_text()
        (self.folder / "e.yaml").write_text(
            "".join(line + "\n" for line in text.splitlines() if "gptq_marlin" not in line)
            .replace(str(MODELS / "tiny-qwen3-awq"), NAME))

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        return kept | {"HF_HOME": str(self.folder / "home"), "HF_ENDPOINT": self.hub.url,
                       "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"} | more

    def generate(self, out: str, **environment: str) -> subprocess.CompletedProcess:
        return self.assay("generate", "e.yaml", "-o", out, env=self.environment(**environment))

    def python(self, code: str, **environment: str) -> str:
        done = subprocess.run([sys.executable, "-c", "import huggingface_hub as hub\n" + code], capture_output=True,
                              text=True, check=False, timeout=120, env=self.environment(**environment))
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def assert_same_model(self) -> None:
        for path in (MODELS / "tiny-qwen3-awq").iterdir():
            self.assertEqual((self.snapshot / path.name).read_bytes(), path.read_bytes(), path.name)

    def test_a_name_is_downloaded_once_and_is_the_folder(self):
        done = self.generate("named")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"{NAME}: downloading 6 files, 6.4 MB", done.stderr)
        self.assertIn(f"{NAME}: all files, 6.4 of 6.4 MB", done.stderr)
        self.assert_same_model()
        self.assertEqual(len(self.hub.bodies("model.safetensors")), 2)  # asked of the Hub, then of the storage
        asked = len(self.hub.asked)
        self.assertEqual(self.generate("again").returncode, 0)
        self.assertEqual(self.generate("offline", HF_HUB_OFFLINE="1").returncode, 0)
        self.assertEqual(len(self.hub.asked), asked)
        (self.folder / "e.yaml").write_text(
            (self.folder / "e.yaml").read_text().replace(NAME, str(MODELS / "tiny-qwen3-awq")))
        self.must(0, "generate", "e.yaml", "-o", "folder")
        hashes = [json.loads(self.files(run)["manifest.json"])["setups"]["awq"]["weights_sha256"]
                  for run in ("named", "offline", "folder")]
        self.assertEqual(hashes[0], hashes[2])
        self.assertEqual(hashes[1], hashes[2])

    def test_offline_without_a_cache(self):
        done = self.generate("run", HF_HUB_OFFLINE="1")
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"no folder {self.cache}", done.stderr)
        self.assertIn("HF_HUB_OFFLINE is set", done.stderr)
        self.assertEqual(self.hub.asked, [])

    def test_a_killed_download_goes_on(self):
        reached = threading.Event()
        go_on = threading.Event()
        self.addCleanup(go_on.set)

        def hold(sent: int) -> None:
            if sent >= 3 << 20:
                reached.set()
                go_on.wait(60)

        self.hub.before_bytes = hold
        for _ in range(2):
            reached.clear()
            with subprocess.Popen([ASSAY, "generate", "e.yaml", "-o", "run"], cwd=self.folder, env=self.environment(),
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                self.assertTrue(reached.wait(60))
                process.send_signal(signal.SIGKILL)
            self.assertFalse((self.snapshot / "model.safetensors").exists())
        go_on.set()
        done = self.generate("run")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_same_model()
        self.assertEqual([p.name for p in (self.cache / "blobs").iterdir() if ".assay" in p.name], [])

    def test_an_interrupted_download_says_so_and_goes_on(self):
        reached = threading.Event()
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        self.hub.before_bytes = lambda sent: sent >= 3 << 20 and (reached.set(), go_on.wait(60))
        with subprocess.Popen([ASSAY, "generate", "e.yaml", "-o", "run"], cwd=self.folder, env=self.environment(),
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            self.assertTrue(reached.wait(60))
            process.send_signal(signal.SIGINT)
            self.assertIn("a stop before its end", process.communicate(timeout=60)[1])
            self.assertEqual(process.returncode, 4)
        go_on.set()
        done = self.generate("run")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_same_model()

    def test_the_token_stays_secret(self):
        self.hub.token = TOKEN
        done = self.generate("none")
        self.assertEqual(done.returncode, 2)
        self.assertIn("401 RepoNotFound (no token was sent: HF_TOKEN is not set)", done.stderr)
        wrong = self.generate("wrong", HF_TOKEN=TOKEN + "x")
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("(a token was sent)", wrong.stderr)
        done = self.generate("run", HF_TOKEN=TOKEN)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertFalse(self.hub.leaked)
        self.assertNotIn(TOKEN, done.stderr + done.stdout + wrong.stderr)
        for path in self.folder.rglob("*"):
            if path.is_file():
                self.assertNotIn(TOKEN.encode(), path.read_bytes(), str(path))

    @unittest.skipIf(MISSING, MISSING)
    def test_python_finds_what_the_program_downloaded(self):
        self.assertEqual(self.generate("run").returncode, 0)
        asked = len(self.hub.asked)
        found = self.python(f"print(hub.snapshot_download({NAME!r}, local_files_only=True))")
        self.assertEqual(pathlib.Path(found), self.snapshot)
        found = self.python(f"print(hub.try_to_load_from_cache({NAME!r}, 'model.safetensors'))")
        self.assertEqual(pathlib.Path(found), self.snapshot / "model.safetensors")
        found = self.python(f"print(hub.hf_hub_download({NAME!r}, 'config.json', local_files_only=True))")
        self.assertEqual(pathlib.Path(found), self.snapshot / "config.json")
        self.assertEqual(len(self.hub.asked), asked)
        scan = self.python("info = hub.scan_cache_dir()\n"
                           "print([repo.repo_id for repo in info.repos], len(info.warnings))")
        self.assertEqual(scan, f"['{NAME}'] 0")
        self.python(f"hub.snapshot_download({NAME!r})")  # fetches what the program has no use for
        self.assertEqual(len(self.hub.bodies("README.md")), 1)
        self.assertEqual(len(self.hub.bodies("model.safetensors")), 2)

    @unittest.skipIf(MISSING, MISSING)
    def test_the_program_finds_what_python_downloaded(self):
        self.python(f"hub.snapshot_download({NAME!r})")
        asked = len(self.hub.asked)
        done = self.generate("run", HF_HUB_OFFLINE="1")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.generate("online")
        self.assertEqual(done.returncode, 0, done.stderr)
        # One question at most, for the list of files, where huggingface_hub keeps none.
        self.assertLessEqual(len(self.hub.asked), asked + 1)
        self.assertTrue(all("/resolve/" not in path for _, path, _ in self.hub.asked[asked:]))

    @unittest.skipIf(MISSING, MISSING)
    def test_the_program_completes_what_python_began(self):
        self.python(f"hub.snapshot_download({NAME!r}, allow_patterns=['*.json'])")
        self.assertFalse((self.snapshot / "model.safetensors").exists())
        done = self.generate("run")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_same_model()
        self.assertIn("downloading 1 files", done.stderr)


if __name__ == "__main__":
    unittest.main()
