#!/usr/bin/env python3
"""Trains the tokenizer of the tiny models and writes `models/tiny-qwen3/tokenizer.json` and `tokenizer_config.json`.

    python3 tools/train_tokenizer.py --corpus /tmp/corpus --out models/tiny-qwen3

Byte-level BPE of 4096 tokens with the structure of Qwen3's file: NFC, Qwen's split pattern, three added special tokens
with the last ids. --corpus is the folder that `build_corpus.py` made. `new_tokenizer`, `train` and `save` also build the
synthetic tokenizers of `make_tokenizer_fixtures.py`.
"""
from __future__ import annotations

import argparse
import json
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

VOCABULARY = 4096
SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
QWEN3_PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
                 r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CHAT_TEMPLATE = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content']"
                 " + '<|im_end|>' + '\\n' }}{% endfor %}"
                 "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")


def new_tokenizer(pattern: str, *, nfc: bool) -> Tokenizer:
    """An untrained byte-level BPE in the form of Qwen's and Llama 3's files."""
    tokenizer = Tokenizer(models.BPE())
    if nfc:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)])
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def train(tokenizer: Tokenizer, texts: Iterable[str], vocabulary: int, special_tokens: list[str]) -> None:
    """Learns the merges; the special tokens get the last ids, so that there are `vocabulary` ids in all."""
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=vocabulary - len(special_tokens), show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special_tokens])
    assert tokenizer.get_vocab_size() == vocabulary


def save(data: dict[str, Any], path: pathlib.Path) -> Tokenizer:
    """Writes a tokenizer.json and reads it back with the library, which refuses what it does not understand."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n")
    return Tokenizer.from_file(str(path))


def as_qwen(tokenizer: Tokenizer) -> dict[str, Any]:
    """The tokenizer's JSON with empty affixes, as Qwen's files have them."""
    data = json.loads(tokenizer.to_str())
    data["model"] |= {"continuing_subword_prefix": "", "end_of_word_suffix": ""}
    return data


def corpus_texts(path: pathlib.Path) -> Iterator[str]:
    with open(path) as lines:
        for line in lines:
            yield json.loads(line)["text"]


def tokenizer_config(tokenizer: Tokenizer) -> dict[str, Any]:
    added = {str(tokenizer.token_to_id(token)): {"content": token, "lstrip": False, "normalized": False,
                                                 "rstrip": False, "single_word": False, "special": True}
             for token in SPECIAL_TOKENS}
    return {"add_bos_token": False, "add_prefix_space": False, "added_tokens_decoder": added,
            "additional_special_tokens": SPECIAL_TOKENS[1:], "bos_token": None, "chat_template": CHAT_TEMPLATE,
            "clean_up_tokenization_spaces": False, "eos_token": "<|im_end|>", "errors": "replace",
            "model_max_length": 8192, "pad_token": "<|endoftext|>", "split_special_tokens": False,
            "tokenizer_class": "Qwen2Tokenizer", "unk_token": None}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--corpus", type=pathlib.Path, required=True)
    arguments.add_argument("--out", type=pathlib.Path, required=True)
    options = arguments.parse_args()
    tokenizer = new_tokenizer(QWEN3_PATTERN, nfc=True)
    train(tokenizer, corpus_texts(options.corpus / "train.jsonl"), VOCABULARY, SPECIAL_TOKENS)
    tokenizer = save(as_qwen(tokenizer), options.out / "tokenizer.json")
    (options.out / "tokenizer_config.json").write_text(json.dumps(tokenizer_config(tokenizer), indent=2) + "\n")
    valid = "".join(corpus_texts(options.corpus / "valid.jsonl"))
    print(f"{len(valid.encode()) / len(tokenizer.encode(valid).ids):.3f} bytes a token on the validation text")


if __name__ == "__main__":
    main()
