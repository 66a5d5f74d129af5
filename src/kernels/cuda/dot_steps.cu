#include "kernels/cuda/dot_steps.h"

#include "kernels/cuda/dot_step.cuh"

namespace assay {
namespace {

template <class Activation, class Step>
__global__ void steps_kernel(bool fast, const float* c, const std::uint16_t* a, const std::uint16_t* b,
                             int count, float* out, unsigned* by_exact) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= count) return;
  a += i * Step::kN;
  b += i * Step::kN;
  if (fast) {
    const auto pair = [](const std::uint16_t* x) {
      const auto low = static_cast<std::uint16_t>(dot_exponent<Activation>(x[0]));
      const auto high = static_cast<std::uint16_t>(dot_exponent<Activation>(x[1]));
      return static_cast<std::uint32_t>(low) | static_cast<std::uint32_t>(high) << 16;
    };
    std::uint32_t largest = kNoExponents;
    for (int k = 0; k < Step::kN; k += 2) largest = larger_exponents(pair(a + k), pair(b + k), largest);
    Step step(c[i], largest_exponent(largest));
#pragma unroll
    for (int k = 0; k < Step::kN; ++k) step.add(k, Activation::decode(a[k]), Activation::decode(b[k]));
    if (step.ok()) {
      out[i] = step.result();
      return;
    }
    atomicAdd(by_exact, 1U);
  }
  out[i] = dot_step_exact<Activation>(Step::kF, c[i], a, 1, b, 1, Step::kN);
}

}  // namespace

void dot_steps(Family family, Dtype dtype, bool fast, const float* c, const std::uint16_t* a,
               const std::uint16_t* b, int count, float* out, unsigned* by_exact, cudaStream_t stream) {
  const auto arithmetic = dot_arithmetic(family, operand_of(dtype));
  require(arithmetic.has_value(), "a family that has steps of this type");
  with_dot_step(*arithmetic, [&](auto type) {
    using Step = typename decltype(type)::type;
    with_activation(dtype, [&](auto activation) {
      steps_kernel<decltype(activation), Step>
          <<<(count + 127) / 128, 128, 0, stream>>>(fast, c, a, b, count, out, by_exact);
      check_launch("dot_steps", stream);
    });
  });
}

}  // namespace assay
