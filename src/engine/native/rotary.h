// Rotary position embedding tables (Su et al. 2021), the half-split (NeoX) form of Qwen and Llama.
#pragma once

#include <vector>

#include "base/index.h"
#include "number/dtype.h"

namespace assay {

// cos and sin of position * inverse_frequency_i, i < D/2, rounded to `dtype` as vLLM caches them.
// inverse_frequency_i = RN32(theta^(-2i/D)); the angle is one FP32 product; sine and cosine are
// portable_sincos.
class RotaryTable {
 public:
  RotaryTable(double theta, Index head_dim, Index positions, Dtype dtype);

  Index positions() const { return positions_; }
  const float* cosine(Index position) const { return cosine_.data() + position * half_; }
  const float* sine(Index position) const { return sine_.data() + position * half_; }

 private:
  Index half_;
  Index positions_;
  std::vector<float> cosine_;
  std::vector<float> sine_;
};

}  // namespace assay
