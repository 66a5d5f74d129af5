// Draws that are the same everywhere, from SplitMix64.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "base/index.h"
#include "base/splitmix.h"

namespace assay {

// Uniform in (0, 1), both ends excluded: the odd multiples of 2^-53.
inline double draw_unit(SplitMix64& random) {
  return (static_cast<double>(random.next() >> 12) + 0.5) * 0x1p-52;
}

// Uniform in 0 .. n - 1, without bias. Fault unless n is positive.
inline Index draw_below(SplitMix64& random, Index n) {
  require(n > 0, "a draw needs something to draw from");
  const auto count = static_cast<std::uint64_t>(n);
  const std::uint64_t surplus = (std::uint64_t{0} - count) % count;  // 2^64 mod count: draws to throw away
  std::uint64_t bits = random.next();
  while (bits < surplus) bits = random.next();
  return static_cast<Index>(bits % count);
}

}  // namespace assay
