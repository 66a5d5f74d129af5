// Hypotheses about how a library cuts a matrix product: which k each accumulator sees (a Partition) and how
// the accumulators become one output (a Combination).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/index.h"
#include "kernels/schedule.h"

namespace assay_probe {

using assay::Index;

// What one accumulator does with its k's, in order.
enum class Step : std::uint8_t {
  tensor,       // steps of 16 of the tensor core, FP32
  tensor_half,  // steps of 16, FP16 accumulator
  fma,          // FP32 fused multiply-add, one k at a time
};

struct Partition {
  std::string name;  // "step=tensor parts=3 tile=64 cut=ceil warps=1 block=0"
  Step step = Step::tensor;
  int parts = 1;                   // outer
  int warps = 1;                   // inner: walks[part * warps + warp]
  std::vector<assay::Walk> walks;  // every k once
};

enum class Order : std::uint8_t {
  ascending,            // ((0 + 1) + 2) + ...
  descending,           // ((n-1 + n-2) + ...) + 0
  adjacent,             // tree: (0 + 1) + (2 + 3)
  halves,               // tree: (0 + n/2) + ... : a butterfly from the top
  four_lanes,           // i mod 4 ascending, then the lanes ascending
  warps_halves,         // halves within 32, then ascending
  warps_adjacent,       // adjacent within 32, then ascending
  warps_halves_halves,  // halves within 32, then halves
};

enum class Partials : std::uint8_t {
  fp32,
  rounded,  // each part's sum to the output type, then added in FP32
  running,  // and each addition's result too: a reduction in place
};

struct Combination {
  Order inner = Order::ascending;
  Order outer = Order::ascending;
  Partials partials = Partials::fp32;
};

std::string text_of(const Combination& combination);

// Grouped from likely to far-fetched; each list holds no two equal sets of walks.
std::vector<std::vector<Partition>> partition_stages(Index k, bool half_compute);

// Those worth a try for the partition; the first is the plainest.
std::vector<Combination> combinations_of(const Partition& partition);

}  // namespace assay_probe
