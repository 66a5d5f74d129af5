#include "emulator/reference_chain.h"

#include <algorithm>
#include <array>

#include "emulator/dot_model.h"
#include "number/float16.h"

namespace assay {
namespace {

constexpr Index kMostProducts = 32;

float chain_of_one(const DotArithmetic& arithmetic, Operand operand, const Walk& walk, const float* a,
                   const std::uint16_t* column, float c) {
  std::array<float, kMostProducts> w;
  for (Index j = 0; j < walk.count; ++j) {
    const Index start = walk.first + j * walk.stride;
    for (Index i = 0; i < walk.run; i += arithmetic.products) {
      const Index n = std::min(arithmetic.products, walk.run - i);
      for (Index p = 0; p < n; ++p) {
        const std::uint16_t bits = column[(start + i + p) * kPanelColumns];
        w[static_cast<std::size_t>(p)] = operand == Operand::fp16 ? from_fp16(bits) : from_bf16(bits);
      }
      c = fused_dot_add(arithmetic, operand, c, a + start + i, w.data(), n);
    }
  }
  return c;
}

}  // namespace

void reference_chain(const DotArithmetic& arithmetic, Dtype weights, const Chain& t) {
  const Operand operand = operand_of(weights);
  for (Index row = 0; row < t.rows; ++row) {
    for (Index column = 0; column < t.columns; ++column) {
      const std::uint16_t* w = t.panels + column / kPanelColumns * t.panel_stride + column % kPanelColumns;
      float& c = t.c[row * t.c_stride + column];
      c = chain_of_one(arithmetic, operand, t.walk, t.a + row * t.a_stride, w, t.accumulate ? c : 0.0F);
    }
  }
}

}  // namespace assay
