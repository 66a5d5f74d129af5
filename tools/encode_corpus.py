#!/usr/bin/env python3
"""Encodes the corpus with the tiny tokenizer into one file for `train_tiny.py`.

    python3 tools/encode_corpus.py --corpus /tmp/corpus --model models/tiny-qwen3 --out /tmp/corpus/tokens.xz

Documents are put in a random but fixed order, each ends with <|endoftext|>. One in ten is written as a conversation
(its first line asks, the rest answers), so that the chat tokens mean something. The file is xz-compressed little-endian
uint16 ids: the first four words hold the number of validation ids (as uint64), which come first.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import pathlib

import numpy
from tokenizers import Tokenizer


def as_conversation(text: str) -> str:
    question, _, answer = text.partition("\n")
    return (f"<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n{question.strip()}<|im_end|>\n"
            f"<|im_start|>assistant\n{answer.strip()}<|im_end|>\n")


def encode(path: pathlib.Path, tokenizer: Tokenizer) -> numpy.ndarray:
    keyed = []
    with open(path) as lines:
        for line in lines:
            document = json.loads(line)
            key = hashlib.sha256(b"order" + document["source"].encode()).digest()
            text = as_conversation(document["text"]) if key[0] < 26 else document["text"]
            keyed.append((key, text + "<|endoftext|>"))
    texts = [text for _, text in sorted(keyed)]
    return numpy.concatenate([numpy.array(e.ids, dtype="<u2") for e in tokenizer.encode_batch(texts)])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--corpus", type=pathlib.Path, required=True)
    arguments.add_argument("--model", type=pathlib.Path, required=True)
    arguments.add_argument("--out", type=pathlib.Path, required=True)
    options = arguments.parse_args()
    tokenizer = Tokenizer.from_file(str(options.model / "tokenizer.json"))
    valid = encode(options.corpus / "valid.jsonl", tokenizer)
    train = encode(options.corpus / "train.jsonl", tokenizer)
    header = numpy.array([len(valid)], dtype="<u8")
    with lzma.open(options.out, "wb", preset=1) as out:
        out.write(header.tobytes() + valid.tobytes() + train.tobytes())
    print(f"{len(train)} training ids, {len(valid)} validation ids, {options.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
