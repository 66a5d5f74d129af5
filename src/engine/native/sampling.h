// Which token a row of logits gives under a Sampling, and how far another token is from being it.
//
// exponential_race is vLLM's sampler (v1, no top-k, no top-p, a seed for each request): logits / T, softmax,
// each probability divided by noise from Exp(1), argmax. The noise is torch's CUDA `exponential_`: Philox
// draws dealt to the elements as its kernel's threads take them, q = -log(u). Not vLLM's bits: the softmax
// sums in kernels/ops.h's order, exp and log are ours where the GPU has its fast approximations.
// docs/numerics.md, "Sampling".
#pragma once

#include <cstdint>
#include <span>

#include "emulator/device.h"
#include "kernels/ops.h"
#include "record/record.h"

namespace assay {

// Threads of torch's kernel over `count` elements on the device: blocks of 256, as many as the elements need
// and the multiprocessors hold at once. ieee and exact have no multiprocessors: as many as are needed.
Index noise_threads(const DeviceSpec& device, Index count);

// The uniform draws in (0, 1] behind call number `call` (0, 1, ...) of `exponential_` on a generator seeded
// with `seed`, one for each element. With T threads, thread t takes elements t, t + T, t + 2T, t + 3T from
// the four numbers of a draw, then t + 4T, ... from its next; a call uses up the draws of its longest thread.
void torch_uniforms(std::uint64_t seed, Index call, Index threads, std::span<float> out);

// q = -log(u), but 2^-24 for u >= 1 - 2^-24: torch's Exp(1) noise.
float exponential_noise(float uniform);

// One draw of a request.
struct Draw {
  Sampling sampling;  // the seed is the request's own
  Index step = 0;     // tokens that the request has drawn before
  Index threads = 0;  // noise_threads of the row
};

// Finite logits only. Greedy and exponential_race: the lowest id among equals.
TokenId choose_token(std::span<const float> logits, const Draw& draw);

// All fields but the position. Of a sampler that draws, the margin is 0 for the chosen token only.
TokenCheck check_token(const Ops& ops, std::span<const float> logits, TokenId token, const Draw& draw);

}  // namespace assay
