#!/usr/bin/env python3
"""Trains the tiny Qwen3 model on one GPU and writes it in FP16 to --out.

    python3 tools/train_tiny.py --tokens /tmp/corpus/tokens.xz --tokenizer models/tiny-qwen3 --out models/tiny-qwen3 --seconds 500

--tokens comes from `encode_corpus.py`. The schedule follows the clock, so that a run fits a time budget: the learning
rate warms up over 2 % of --seconds, stays, and falls to zero over the last 40 %; the last 20 % train at length 8192.
Weights are FP32 with bfloat16 autocast; they are rounded to FP16 once, at the end. A checkpoint is kept in --work and
taken up again when it is there. Prints, and writes to `training.json` in --work, the validation losses (FP32 and FP16
weights, FP16 arithmetic), the unigram loss, and a generated sample.
"""
from __future__ import annotations

import argparse
import json
import lzma
import pathlib
import time

import numpy
import torch
import transformers
from torch.nn.functional import cross_entropy

SHORT, LONG = 1024, 8192
TOKENS_A_STEP = 65536
PEAK_RATE = 3e-3
PROMPT = "The following options are available:\n"


def new_config() -> transformers.Qwen3Config:
    return transformers.Qwen3Config(
        vocab_size=4096, hidden_size=256, intermediate_size=1024, num_hidden_layers=8, num_attention_heads=4,
        num_key_value_heads=2, head_dim=64, max_position_embeddings=8192, rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6}, tie_word_embeddings=True, attention_bias=False,
        bos_token_id=None, eos_token_id=[4095, 4093], pad_token_id=4093, attn_implementation="sdpa")


def read_tokens(path: pathlib.Path, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The training and the validation ids."""
    data = lzma.decompress(path.read_bytes())
    count = int(numpy.frombuffer(data, dtype="<u8", count=1)[0])
    ids = torch.from_numpy(numpy.frombuffer(data, dtype="<u2", offset=8).astype(numpy.int16)).to(device)
    return ids[count:], ids[:count]


def token_loss(model: transformers.Qwen3ForCausalLM, ids: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    """The loss of each next token; documents that share a row see each other, as usual in pre-training."""
    hidden = model.model(input_ids=ids[:, :-1], attention_mask={"full_attention": None}, use_cache=False)[0]
    return cross_entropy(model.lm_head(hidden).float().flatten(0, 1), ids[:, 1:].flatten(), reduction=reduction)


@torch.no_grad()
def validation_loss(model: transformers.Qwen3ForCausalLM, ids: torch.Tensor, length: int) -> float:
    rows = ids[: (len(ids) - 1) // length * length + 1].long()
    losses = [token_loss(model, rows[i : i + length + 1][None], "sum") for i in range(0, len(rows) - 1, length)]
    return torch.stack(losses).double().sum().item() / (len(rows) - 1)


def unigram_loss(train: torch.Tensor, valid: torch.Tensor, vocabulary: int) -> float:
    counts = torch.bincount(train.long(), minlength=vocabulary).double() + 1
    return -(counts / counts.sum()).log()[valid[1:].long()].mean().item()


def rate(progress: float) -> float:
    return PEAK_RATE * min(progress / 0.02, 1.0, max(0.0, (1 - progress) / 0.4))


def train_model(model: transformers.Qwen3ForCausalLM, ids: torch.Tensor, seconds: float, checkpoint: pathlib.Path) -> int:
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim == 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}],
                                  lr=PEAK_RATE, betas=(0.9, 0.95), fused=True)
    step, spent, saved = 0, 0.0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]
    loss_of = torch.compile(token_loss, dynamic=False)
    start = time.monotonic() - spent
    while (progress := (time.monotonic() - start) / seconds) < 1:
        length = LONG if progress > 0.8 else SHORT
        draw = torch.Generator().manual_seed(step)
        offsets = torch.randint(len(ids) - length - 1, (TOKENS_A_STEP // length, 1), generator=draw).cuda()
        batch = ids[offsets + torch.arange(length + 1, device="cuda")].long()
        with torch.autocast("cuda", torch.bfloat16):
            loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate(progress)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        if step % 200 == 0:
            print(f"step {step} at {time.monotonic() - start:.0f} s, length {length}: loss {loss.item():.4f}", flush=True)
        if (spent := time.monotonic() - start) > saved + 120:
            saved = spent
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "spent": spent}, checkpoint)
    return step


def sample(model: transformers.Qwen3ForCausalLM, tokenizer: transformers.PreTrainedTokenizerBase) -> str:
    torch.manual_seed(0)
    ids = tokenizer(PROMPT, return_tensors="pt").input_ids.cuda()
    out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=300, do_sample=True, temperature=0.7, top_k=40)
    return tokenizer.decode(out[0])


def save_model(model: transformers.Qwen3ForCausalLM, folder: pathlib.Path) -> None:
    """Also names the RoPE base and the type the way transformers 4 does, which vLLM 0.11 reads."""
    model.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text()) | {"rope_theta": 1e6, "rope_scaling": None, "torch_dtype": "float16"}
    del config["rope_parameters"], config["dtype"]
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--tokens", type=pathlib.Path, required=True)
    arguments.add_argument("--tokenizer", type=pathlib.Path, required=True)
    arguments.add_argument("--out", type=pathlib.Path, required=True)
    arguments.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/tmp"))
    arguments.add_argument("--seconds", type=float, default=500)
    options = arguments.parse_args()
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("highest")
    train, valid = read_tokens(options.tokens, "cuda")
    model = transformers.Qwen3ForCausalLM(new_config()).cuda()
    steps = train_model(model, train, options.seconds, options.work / "checkpoint.pt")
    model.eval()
    report = {"steps": steps, "tokens": steps * TOKENS_A_STEP, "training_ids": len(train), "validation_ids": len(valid),
              "parameters": model.num_parameters(), "unigram": unigram_loss(train, valid, 4096),
              "fp32": validation_loss(model, valid, 2048), "training_text": validation_loss(model, train[: len(valid)], 2048)}
    model.half()
    report |= {f"fp16_length_{length}": validation_loss(model, valid, length) for length in (SHORT, 2048, LONG)}
    save_model(model, options.out)
    report["largest_weight"] = max(p.abs().max().item() for p in model.parameters())
    report["sample"] = sample(model, transformers.AutoTokenizer.from_pretrained(options.tokenizer))
    report["fp16_weights_fp32_arithmetic"] = validation_loss(model.float(), valid, 2048)
    report |= {"torch": torch.__version__, "transformers": transformers.__version__, "gpu": torch.cuda.get_device_name()}
    (options.work / "training.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
