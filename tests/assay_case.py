"""What the end-to-end tests share: the program, an experiment, and copies of the tiny models to damage."""

import json
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = ROOT / "models"
ASSAY = os.environ.get("ASSAY", str(ROOT / "build/release/assay"))

EXPERIMENT = """\
prompts:
  documents: [text.txt]
  tokens: 40
  references: 4
  system: "You read."
  question: "What is it?"
generate: {{max_new_tokens: {new}, ignore_eos: true}}
device: ieee
setups:
  awq:         {{model: {awq}, quantization: awq}}
  gptq_marlin: {{model: {gptq}, quantization: gptq_marlin}}
"""


class AssayCase(unittest.TestCase):
    """Each test has a folder of its own, with the experiment e.yaml in it."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        lines = (f"Line {i} of a text that says how to read a file of kind {i * i}.\n" for i in range(60))
        (self.folder / "text.txt").write_text("".join(lines))
        self.write_experiment()

    def write_experiment(self, awq: pathlib.Path = MODELS / "tiny-qwen3-awq", new: int = 4) -> None:
        text = EXPERIMENT.format(awq=awq, gptq=MODELS / "tiny-qwen3-gptq", new=new)
        (self.folder / "e.yaml").write_text(text)

    def add_awq_marlin(self) -> None:
        text = (self.folder / "e.yaml").read_text()
        awq = next(line for line in text.splitlines() if line.startswith("  awq:"))
        text += awq.replace("  awq:", "  awq_marlin:").replace("quantization: awq}", "quantization: awq_marlin}") + "\n"
        (self.folder / "e.yaml").write_text(text)

    def write_pdf(self, name: str, lines: list[str]) -> None:
        """A page of text in the smallest form that readers accept (ISO 32000-1, 7.5)."""
        text = "\n".join(f"({line}) Tj T*" for line in lines)
        stream = f"BT /F 10 Tf 12 TL 40 780 Td\n{text}\nET"
        objects = ["<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
                   "<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
                   f"<</Length {len(stream)}>>stream\n{stream}\nendstream",
                   "<</Type/Font/Subtype/Type1/BaseFont/Courier>>"]
        body, places = "%PDF-1.4\n", []
        for number, content in enumerate(objects, 1):
            places.append(len(body))
            body += f"{number} 0 obj{content}endobj\n"
        table = "".join(f"{place:010} 00000 n \n" for place in places)
        body += f"xref\n0 6\n0000000000 65535 f \n{table}trailer<</Size 6/Root 1 0 R>>\nstartxref\n{len(body)}\n%%EOF\n"
        (self.folder / name).write_text(body)

    def assay(self, *arguments: str, **options) -> subprocess.CompletedProcess:
        return subprocess.run([ASSAY, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=300,
                              check=False, **options)

    def must(self, expected: int, *arguments: str) -> str:
        done = self.assay(*arguments)
        self.assertEqual(done.returncode, expected, done.stderr)
        return done.stdout

    def refuse(self, arguments: list[str], *names: str, **options) -> None:
        before = self.listing()
        done = self.assay(*arguments, **options)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"\Aassay: [^\n]*\n\Z")
        for name in (*names, "expected ", "found "):
            self.assertIn(name, done.stderr)
        self.assertEqual(self.listing(), before)

    def listing(self) -> dict[str, int]:
        return {str(path): path.stat().st_size for path in self.folder.rglob("*")}

    def replace(self, old: str, new: str) -> None:
        path = self.folder / "e.yaml"
        text = path.read_text()
        self.assertIn(old, text)
        path.write_text(text.replace(old, new))

    # Checkpoints.

    def model_copy(self) -> pathlib.Path:
        """A copy of tiny-qwen3-awq that e.yaml's setup awq points to."""
        copy = self.folder / "model"
        shutil.copytree(MODELS / "tiny-qwen3-awq", copy)
        self.write_experiment(awq=copy)
        return copy

    def files(self, folder: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.folder / folder).iterdir()}

    def verdict(self, folder: str) -> str:
        return json.loads((self.folder / folder / "verdict.json").read_text())["outcome"]

    def distance(self, folder: str, phase: str, claimed: str, verifier: str) -> float:
        """The mean over references."""
        for row in self.must(0, "report", folder, "-o", "csv").splitlines():
            cells = row.split(",")
            if cells[:4] == [phase, "all", claimed, verifier]:
                return float(cells[4])
        self.fail(f"no {phase} distance of {claimed} under {verifier}")


def edit_json(path: pathlib.Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def tensor_place(path: pathlib.Path, suffix: str) -> tuple[int, int, dict]:
    """File offsets [begin, end) and header entry of the first tensor whose name ends so."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    name = min(name for name in header if name.endswith(suffix))
    begin, end = header[name]["data_offsets"]
    return 8 + length + begin, 8 + length + end, header[name]


def overwrite(path: pathlib.Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)
