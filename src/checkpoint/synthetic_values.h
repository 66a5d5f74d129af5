// The bytes of a synthetic tensor, in pieces that can be made in any order. Internal to checkpoint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/index.h"
#include "checkpoint/synthetic_model.h"

namespace assay {

struct SyntheticPiece {
  Fill fill = Fill::ones;
  float spread = 0;
  Index first = 0;  // element of the tensor
  Index count = 0;
  std::uint64_t seed = 0;
  std::size_t file = 0;    // left to the caller
  std::size_t offset = 0;  // from the tensor's first byte
};

// At most 4 MB each; `seed` is the tensor's.
std::vector<SyntheticPiece> pieces_of(const SyntheticTensor& tensor, std::uint64_t seed);

std::vector<std::byte> values_of(const SyntheticPiece& piece);

}  // namespace assay
