#!/usr/bin/env python3
"""The peer of cuda_bench: Hugging Face transformers, FP16, sdpa, a random Qwen3 of the same shape on the same GPU.

Usage: bench/transformers_peer.py CONFIG_FOLDER [TOKENS]   (needs torch with CUDA and transformers; JSON on stdout)
"""

import json
import sys
import time

import torch
import transformers


def seconds(body) -> float:
    torch.cuda.synchronize()
    start = time.perf_counter()
    body()
    torch.cuda.synchronize()
    return time.perf_counter() - start


@torch.inference_mode()
def main() -> int:
    config = transformers.AutoConfig.from_pretrained(sys.argv[1])
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    tokens = int(sys.argv[2]) if len(sys.argv) > 2 else 8167
    torch.set_default_dtype(torch.float16)
    with torch.device("cuda"):
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").half().eval()
    ids = torch.randint(0, config.vocab_size, (1, tokens), device="cuda")

    def forced() -> None:
        hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[0]
        for some in hidden.split(1024):
            logprobs = torch.log_softmax(model.lm_head(some).float(), -1)
            logprobs.topk(5)

    cache = transformers.DynamicCache()
    model(input_ids=ids[:, :-100], past_key_values=cache, use_cache=True, logits_to_keep=1)

    def decode() -> None:
        for i in range(20):
            model(input_ids=ids[:, i : i + 1], past_key_values=cache, use_cache=True)

    forced_times = sorted(seconds(forced) for _ in range(5))
    decode_times = sorted(seconds(decode) for _ in range(3))
    print(json.dumps({
        "peer": f"transformers {transformers.__version__}, torch {torch.__version__}",
        "gpu": torch.cuda.get_device_name(),
        "teacher_forced_tokens_per_second": tokens / forced_times[2],
        "decode_milliseconds_a_token": decode_times[1] / 20 * 1e3,
    }, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
