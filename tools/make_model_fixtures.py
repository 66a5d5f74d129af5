#!/usr/bin/env python3
"""Writes tests/fixtures/model/{prompts.json, logits.safetensors, dequantized.json} for the models of this repository.

    python3 tools/make_model_fixtures.py --models models --fixtures tests/fixtures/model

`prompts.json`: for each prompt its `text`, `ids`, the `positions` whose logits are stored, and for the first the
`hidden_positions`. `logits.safetensors` (all float32), by Hugging Face transformers with eager attention on the CPU:
  MODEL.promptN.float64   [4, 4096]   logits with float64 weights and activations
  MODEL.promptN.float16   [4, 4096]   the same with float16 weights and activations
  tiny-qwen3.prompt0.hidden [9, 2, 256] and .final_norm [2, 256]: float64, after the embedding and after each layer
transformers computes RMSNorm, the rotary angles and the softmax in float32 in both runs. Quantized models run with their
dequantized weights. `dequantized.json`: for each checkpoint and quantized linear the shape [K, N] and the SHA-256 of the
dequantized FP16 matrix (row-major, little-endian, row = input feature), from GPTQModel's own dequantizers.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import pathlib

import safetensors.torch
import torch
import transformers
from gptqmodel import BACKEND, GPTQModel
from gptqmodel.quantization.awq.utils.packing_utils import dequantize_gemm

TEXT = """A program that adds the same numbers in another order may give another answer. This is not noise: each step \
rounds in a way that the hardware defines, and a second program can take the same steps. The verifier reads the record \
of a run, which holds the prompt, the generated tokens and the log-probabilities, and computes them again.

If the two agree in every bit, then the setup that was claimed is the setup that ran. If they differ, the size of the \
difference is compared with the difference between known setups, for example between two kernels that read the same \
checkpoint. The following options are available:

  --device NAME   the device whose arithmetic is used
  --replay MODE   how the tokens of the record are computed again, either in one pass or step by step
  --output FILE   write the report to FILE instead of the standard output

The file is read once. When it can't be opened, the command prints an error message and returns 2, as described in the \
section on exit codes. See also the manual page of each tool for a list of the environment variables that it reads, and \
the examples in the directory of the documentation. A record that was written by an older version can be read by all \
later ones; the opposite is not promised, since new fields may have been added to the manifest in the meantime. To test \
this, run the following command in the source tree, and then look at the log file for lines that begin with a number."""
LENGTHS = [24, 100, 300]
Weights = dict[str, torch.Tensor]


def dequantized(folder: pathlib.Path) -> Weights:
    """The dequantized matrix [K, N] of each quantized linear, computed by GPTQModel."""
    quantization = json.loads((folder / "config.json").read_text())["quantization_config"]
    if quantization["quant_method"] == "awq":
        stored = safetensors.torch.load_file(folder / "model.safetensors")
        return {name.removesuffix(".qweight"): dequantize_gemm(
                    tensor, stored[name.replace("qweight", "qzeros")], stored[name.replace("qweight", "scales")],
                    quantization["bits"], quantization["group_size"])
                for name, tensor in stored.items() if name.endswith(".qweight")}
    loaded = GPTQModel.load(str(folder), backend=BACKEND.TORCH, device="cpu", dtype=torch.float16)
    return {name: module.dequantize_weight().half() for name, module in loaded.model.named_modules()
            if hasattr(module, "qweight")}


def load_plain(folder: pathlib.Path, weights: Weights, dtype: torch.dtype) -> transformers.Qwen3ForCausalLM:
    """The model with ordinary linears: its stored weights and, where it is quantized, the dequantized ones."""
    config = transformers.AutoConfig.from_pretrained(folder, attn_implementation="eager")
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = transformers.Qwen3ForCausalLM(config).to(dtype).eval()
    state = {name: tensor for name, tensor in safetensors.torch.load_file(folder / "model.safetensors").items()
             if name in model.state_dict()}
    state |= {f"{name}.weight": matrix.T for name, matrix in weights.items()}
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model.load_state_dict(state)
    return model


def hidden_states(model: transformers.Qwen3ForCausalLM, ids: list[int], positions: list[int]) -> Weights:
    """The residual stream after the embedding and each layer, and the final norm's output."""
    seen: list[torch.Tensor] = []
    modules = [model.model.embed_tokens, *model.model.layers, model.model.norm]
    hooks = [module.register_forward_hook(lambda _module, _inputs, output: seen.append(output[0, positions]))
             for module in modules]
    model(input_ids=torch.tensor([ids]))
    for hook in hooks:
        hook.remove()
    return {"hidden": torch.stack(seen[:-1]).float(), "final_norm": seen[-1].float()}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--models", type=pathlib.Path, required=True)
    arguments.add_argument("--fixtures", type=pathlib.Path, required=True)
    options = arguments.parse_args()
    torch.set_grad_enabled(False)
    base = options.models / "tiny-qwen3"
    ids = transformers.AutoTokenizer.from_pretrained(base)(TEXT).input_ids
    prompts = [{"ids": ids[:n], "text": "", "positions": [0, n // 3, 2 * n // 3, n - 1]} for n in LENGTHS]
    for prompt in prompts:
        prompt["text"] = transformers.AutoTokenizer.from_pretrained(base).decode(prompt["ids"])
    prompts[0]["hidden_positions"] = [5, LENGTHS[0] - 1]
    (options.fixtures / "prompts.json").write_text(json.dumps(prompts) + "\n")

    folders = [base, *(path.parent for root in (options.models, options.fixtures)
                       for path in sorted(root.glob("*/config.json")) if "quantization_config" in path.read_text())]
    hashes, logits = {}, {}
    for folder in folders:
        weights = {} if folder == base else dequantized(folder)
        hashes |= {folder.name: {name: {"shape": list(matrix.shape), "sha256": hashlib.sha256(
            matrix.contiguous().numpy().astype("<f2").tobytes()).hexdigest()} for name, matrix in sorted(weights.items())}}
        if not folder.name.startswith("tiny-qwen3"):
            continue
        for dtype, label in ((torch.float64, "float64"), (torch.float16, "float16")):
            model = load_plain(folder, weights, dtype)
            for i in range(3) if folder == base else [1]:
                out = model(input_ids=torch.tensor([prompts[i]["ids"]])).logits[0, prompts[i]["positions"]]
                logits[f"{folder.name}.prompt{i}.{label}"] = out.float()
            if folder == base and dtype == torch.float64:
                states = hidden_states(model, prompts[0]["ids"], prompts[0]["hidden_positions"])
                logits |= {f"{folder.name}.prompt0.{name}": tensor for name, tensor in states.items()}
    del hashes[base.name]
    safetensors.torch.save_file(logits, options.fixtures / "logits.safetensors")
    (options.fixtures / "dequantized.json").write_text(json.dumps(hashes, indent=1) + "\n")


if __name__ == "__main__":
    main()
