"""Real servers for the end-to-end tests: tests/servers/mock_server, which answers with the native engine's numbers."""

import contextlib
import os
import pathlib
import subprocess

from assay_case import MODELS, ROOT, AssayCase

MOCK_SERVER = os.environ.get("MOCK_SERVER", str(ROOT / "build/release/tests/mock_server"))

# The setups of AssayCase's experiment, each behind a server.
QUANTIZATIONS = {"awq": "tiny-qwen3-awq", "gptq_marlin": "tiny-qwen3-gptq"}


class ServerCase(AssayCase):
    def serve(self, quantization: str = "awq", dialect: str = "vllm", *more: str) -> str:
        """The base URL of a server that lives as long as the test."""
        model = MODELS / QUANTIZATIONS[quantization]
        process = subprocess.Popen(
            [MOCK_SERVER, "--dialect", dialect, "--model", str(model), "--quantization", quantization, "--device", "ieee",
             "--served-name", "tiny", "--port", "0", *more], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(self.end, process)
        line = process.stdout.readline()
        self.assertTrue(line.startswith("listening on "), line)
        scheme = "https" if "--tls" in more else "http"
        self.last_server = process
        return f"{scheme}://{line.split()[-1]}"

    @staticmethod
    def end(process: subprocess.Popen) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        process.stdout.close()

    def remote_experiment(self, name: str, endpoints: dict[str, str | list[str]], engine: str = "vllm", more: str = "",
                          setups: str = "") -> None:
        """A copy of e.yaml whose setups are servers: quantization -> endpoints. `setups`: further lines."""
        text = (self.folder / "e.yaml").read_text().split("setups:\n")[0] + "setups:\n"
        for quantization, endpoint in endpoints.items():
            urls = endpoint if isinstance(endpoint, str) else "[" + ", ".join(endpoint) + "]"
            model = MODELS / QUANTIZATIONS[quantization]
            text += (f"  {quantization}: {{engine: {engine}, endpoint: {urls}, model: {model}, device: ieee, "
                     f"quantization: {quantization}, served_model_name: tiny{more}}}\n")
        (self.folder / name).write_text(text + setups)

    def numbers(self, folder: str) -> tuple[bytes, list]:
        """What a run computed, without who served it."""
        import json
        lines = [json.loads(line) for line in (self.folder / folder / "sequences.jsonl").read_text().splitlines()]
        for line in lines:
            line.pop("served", None)
        return (self.folder / folder / "logprobs.safetensors").read_bytes(), lines
