"""Mock servers for tests: started, asked, and ended."""

import json
import os
import signal
import subprocess
import unittest
import urllib.error
import urllib.request

from assay_case import MODELS, ROOT

MOCK_SERVER = os.environ.get("MOCK_SERVER", str(ROOT / "build/release/tests/mock_server"))
PROXYLESS = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class MockServer:
    """A running mock_server of tiny-qwen3-awq on `ieee`, known as "tiny"."""

    def __init__(self, dialect: str, *options: str):
        command = [MOCK_SERVER, "--dialect", dialect, "--model", str(MODELS / "tiny-qwen3-awq"), "--quantization", "awq",
                   "--served-name", "tiny", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            raise RuntimeError(f"mock_server printed {line!r}")
        self.address = line.split()[-1]
        self.port = int(self.address.split(":")[1])
        self.url = f"http://{self.address}"

    def open(self, path: str, body=None, headers=None, timeout: float = 60, context=None) -> bytes:
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json", **(headers or {})})
        if context is not None:
            return urllib.request.urlopen(request, timeout=timeout, context=context).read()
        return PROXYLESS.open(request, timeout=timeout).read()

    def get(self, path: str):
        return json.loads(self.open(path))

    def post(self, path: str, body, **options):
        return json.loads(self.open(path, body, **options))

    def refusal(self, path: str, body=None, **options) -> tuple[int, str]:
        try:
            self.open(path, body, **options)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        raise AssertionError(f"{path} did not refuse {body}")

    def end(self, signal_number: int = signal.SIGTERM) -> int:
        """The exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        code = self.process.wait(timeout=60)
        self.process.stdout.close()
        return code


class MockServerCase(unittest.TestCase):
    def start(self, dialect: str, *options: str) -> MockServer:
        server = MockServer(dialect, *options)
        self.addCleanup(server.end)
        return server
