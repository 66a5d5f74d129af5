#!/usr/bin/env python3
"""Quantizes tiny-qwen3 with GPTQModel (on the CPU) into the checkpoints that the loader is tested on.

    python3 tools/quantize_tiny.py --model models/tiny-qwen3 --tokens /tmp/corpus/tokens.xz --models models \\
        --fixtures tests/fixtures/model [--only NAME]

Writes `tiny-qwen3-awq` and `tiny-qwen3-gptq` under --models, and variants of the GPTQ format under --fixtures: each of
those is quantized from a cut of the model (the first one or two layers; where the table says so, only the first 256
rows of the embedding, the byte tokens). The weights, scales, zero points and quantization_config are GPTQModel's; this
script only names the RoPE base and the type in config.json the way transformers 4 does, as vLLM 0.11 reads them.
"""
from __future__ import annotations

import argparse
import dataclasses
import json
import lzma
import pathlib
import shutil
import tempfile
from typing import Any

import numpy
import torch
import transformers
from gptqmodel import BACKEND, GPTQModel
from gptqmodel.quantization import FORMAT
from gptqmodel.quantization.config import AWQConfig, BaseQuantizeConfig, GPTQConfig

ROW_LENGTH = 256
BYTE_TOKENS = 256


@dataclasses.dataclass(frozen=True)
class Variant:
    method: type[BaseQuantizeConfig]
    options: dict[str, Any]
    layers: int = 8
    vocabulary: int = 4096
    rows: int = 32  # of calibration; the search for AWQ's scales is slow on a CPU

    def config(self) -> BaseQuantizeConfig:
        defaults = {"bits": 4, "group_size": 128, "sym": True, "desc_act": False, "offload_to_disk": False, "device": "cpu"}
        return self.method(**(defaults | self.options))


MODELS = {
    "tiny-qwen3-awq": Variant(AWQConfig, {"sym": False}, rows=16),
    "tiny-qwen3-gptq": Variant(GPTQConfig, {}),
}
FIXTURES = {
    "tiny-qwen3-gptq-desc-act": Variant(GPTQConfig, {"desc_act": True, "act_group_aware": False}, layers=2),
    "gptq-8bit": Variant(GPTQConfig, {"bits": 8}, layers=1, vocabulary=BYTE_TOKENS),
    "gptq-asymmetric": Variant(GPTQConfig, {"sym": False}, layers=1, vocabulary=BYTE_TOKENS),
    "gptq-v2": Variant(GPTQConfig, {"format": FORMAT.GPTQ_V2, "sym": False}, layers=1, vocabulary=BYTE_TOKENS),
    "gptq-group-32": Variant(GPTQConfig, {"group_size": 32}, layers=1, vocabulary=BYTE_TOKENS),
    "gptq-group-all": Variant(GPTQConfig, {"group_size": -1, "act_group_aware": False}, layers=1, vocabulary=BYTE_TOKENS),
}


def write_cut(model: pathlib.Path, variant: Variant, out: pathlib.Path) -> None:
    """The model with its first layers and the first rows of its embedding."""
    whole = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=torch.float16)
    config = whole.config
    config.num_hidden_layers, config.vocab_size = variant.layers, variant.vocabulary
    config.layer_types = config.layer_types[: variant.layers]
    if variant.vocabulary < 4096:
        config.eos_token_id = config.pad_token_id = None
        whole.generation_config = transformers.GenerationConfig()
    cut = transformers.Qwen3ForCausalLM(config).half()
    weights = {name: value for name, value in whole.state_dict().items() if name in cut.state_dict()}
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        weights[name] = weights[name][: variant.vocabulary]
    cut.load_state_dict(weights)
    cut.save_pretrained(out)


def calibration_rows(path: pathlib.Path, vocabulary: int, rows: int) -> list[dict[str, list[int]]]:
    """Rows of the training ids, evenly spaced; in a cut vocabulary the other ids are left out."""
    data = lzma.decompress(path.read_bytes())
    validation = int(numpy.frombuffer(data, dtype="<u8", count=1)[0])
    ids = numpy.frombuffer(data, dtype="<u2", offset=8)[validation:].astype(int)
    if vocabulary < 4096:
        ids = ids[ids < vocabulary]
    starts = numpy.linspace(0, len(ids) - ROW_LENGTH, rows).astype(int)
    return [{"input_ids": ids[start : start + ROW_LENGTH].tolist(), "attention_mask": [1] * ROW_LENGTH} for start in starts]


def quantize(model: pathlib.Path, variant: Variant, tokens: pathlib.Path, out: pathlib.Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder)
        write_cut(model, variant, source)
        if variant.vocabulary == 4096:
            for path in model.glob("tokenizer*.json"):
                shutil.copy(path, source)
        quantized = GPTQModel.load(str(source), variant.config(), dtype=torch.float16)
        quantized.quantize(calibration_rows(tokens, variant.vocabulary, variant.rows), batch_size=8, backend=BACKEND.AUTO)
        shutil.rmtree(out, ignore_errors=True)
        quantized.save(str(out))
    keep_checkpoint(model, variant, out)


def keep_checkpoint(model: pathlib.Path, variant: Variant, out: pathlib.Path) -> None:
    """Drops the log and puts the model's own tokenizer in place of the library's copy of it."""
    for path in out.iterdir():
        if path.name not in ("config.json", "generation_config.json", "model.safetensors", "quantize_config.json"):
            path.unlink()
    if variant.layers == 8:
        for path in model.glob("tokenizer*.json"):
            shutil.copy(path, out)
    written = json.loads((out / "config.json").read_text())
    config = json.loads((model / "config.json").read_text()) | {key: written[key] for key in written if key not in ("dtype", "rope_parameters")}
    (out / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", type=pathlib.Path, required=True)
    arguments.add_argument("--tokens", type=pathlib.Path, required=True)
    arguments.add_argument("--models", type=pathlib.Path, required=True)
    arguments.add_argument("--fixtures", type=pathlib.Path, required=True)
    arguments.add_argument("--only", choices=[*MODELS, *FIXTURES])
    options = arguments.parse_args()
    for variants, folder in ((MODELS, options.models), (FIXTURES, options.fixtures)):
        for name, variant in variants.items():
            if options.only in (None, name):
                quantize(options.model, variant, options.tokens, folder / name)


if __name__ == "__main__":
    main()
