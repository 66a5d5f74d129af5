#!/usr/bin/env python3
"""Prints the validation loss (nats a token, rows of 2048) of every model under --models, on the CPU in float32.

    python3 tools/evaluate_tiny.py --tokens /tmp/corpus/tokens.xz --models models

Quantized models run with the weights that GPTQModel's own dequantizers give. A minute or two a model.
"""
from __future__ import annotations

import argparse
import pathlib

import torch

from make_model_fixtures import dequantized, load_plain
from train_tiny import read_tokens, validation_loss


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--tokens", type=pathlib.Path, required=True)
    arguments.add_argument("--models", type=pathlib.Path, required=True)
    options = arguments.parse_args()
    valid = read_tokens(options.tokens, "cpu")[1]
    for path in sorted(options.models.glob("*/config.json")):
        weights = dequantized(path.parent) if "quantization_config" in path.read_text() else {}
        model = load_plain(path.parent, weights, torch.float32)
        model.set_attn_implementation("sdpa")
        print(f"{path.parent.name}: {validation_loss(model, valid, 2048):.4f}", flush=True)


if __name__ == "__main__":
    main()
