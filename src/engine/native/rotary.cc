#include "engine/native/rotary.h"

#include "number/float16.h"
#include "number/transcendental.h"

namespace assay {

RotaryTable::RotaryTable(double theta, Index head_dim, Index positions, Dtype dtype)
    : half_(head_dim / 2), positions_(positions) {
  const auto rounded = [dtype](double x) {
    const auto single = static_cast<float>(x);
    return dtype == Dtype::fp16 ? round_to_fp16(single) : round_to_bf16(single);
  };
  std::vector<float> frequencies;
  for (Index i = 0; i < half_; ++i) {
    const double fraction = static_cast<double>(2 * i) / static_cast<double>(head_dim);
    frequencies.push_back(static_cast<float>(portable_inverse_power(theta, fraction)));
  }
  for (Index position = 0; position < positions; ++position) {
    for (const float frequency : frequencies) {
      const SinCos both = portable_sincos(static_cast<double>(static_cast<float>(position) * frequency));
      cosine_.push_back(rounded(both.cos));
      sine_.push_back(rounded(both.sin));
    }
  }
}

}  // namespace assay
