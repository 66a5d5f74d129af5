// Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as
// easy as 1, 2, 3" (SC 2011), and its draws as cuRAND numbers them.
#pragma once

#include <array>
#include <cstdint>

namespace assay {

// Ten rounds over one counter: 128 random bits. 20 multiplications.
constexpr std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                                  std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t even = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t odd = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(odd >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(odd),
               static_cast<std::uint32_t>(even >> 32) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(even)};
    key = {key[0] + 0x9E3779B9U, key[1] + 0xBB67AE85U};
  }
  return counter;
}

// Draws 4 block .. 4 block + 3 of a subsequence: what a cuRAND state initialised with (seed, subsequence,
// offset 4 block) gives first. The block is the low half of the counter, the subsequence the high one.
constexpr std::array<std::uint32_t, 4> curand_draws(std::uint64_t seed, std::uint64_t subsequence,
                                                    std::uint64_t block) {
  const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  const auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
  return philox4x32({low(block), high(block), low(subsequence), high(subsequence)}, {low(seed), high(seed)});
}

// cuRAND's uniform float in (0, 1]: the draw rounded to FP32, times 2^-32 (exact), plus 2^-33 (rounded).
constexpr float curand_uniform(std::uint32_t draw) { return static_cast<float>(draw) * 0x1p-32F + 0x1p-33F; }

}  // namespace assay
