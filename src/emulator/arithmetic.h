// How a family of tensor cores adds: the facts of docs/numerics.md, section "Devices", as data.
//
// One step takes an FP32 accumulator c and n pairs of operands. Products are exact; the exponent of a product
// is the sum of its operands' (a subnormal operand has the smallest normal exponent; zeros take no part). All
// n + 1 terms are aligned with the largest exponent, each is truncated toward zero to F fraction bits below
// it, their sum is exact, and the sum is truncated toward zero to the result's fraction bits.
//
// With FP16 accumulators (mma and wgmma ...f16.f16.f16.f16) c is an FP16 number, aligned as an operand is
// (subnormals with 2^-14), and the sum is rounded to the nearest FP16, ties to even; zero is always +0.
//
// Sources: MMA-Sim (Li et al., microsoft/MMA-Sim, simulator/nv_ptx.py), Hawkeye, and this project's own probe
// on Hopper (docs/numerics.md, section "Measured").
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/index.h"
#include "emulator/device.h"
#include "number/dtype.h"

namespace assay {

enum class Operand : std::uint8_t { fp16, bf16, fp8_e4m3, fp8_e5m2 };

std::string_view name_of(Operand operand);

// Of the smallest normal number: subnormals are aligned with it.
constexpr int min_exponent(Operand operand) {
  switch (operand) {
    case Operand::bf16:
      return -126;
    case Operand::fp8_e4m3:
      return -6;
    case Operand::fp16:
    case Operand::fp8_e5m2:
      break;
  }
  return -14;
}

// Significant bits, the leading one among them.
constexpr int significand_bits(Operand operand) {
  switch (operand) {
    case Operand::fp16:
      return 11;
    case Operand::bf16:
      return 8;
    case Operand::fp8_e4m3:
      return 4;
    case Operand::fp8_e5m2:
      break;
  }
  return 3;
}

// What a chain keeps from step to step.
enum class Accumulator : std::uint8_t { fp32, fp16 };

struct DotArithmetic {
  Index products = 0;             // n
  int fraction_bits = 0;          // F
  int result_fraction_bits = 23;  // 23: FP32; 13 with FP8 operands on Ada and Hopper; of FP32 accumulators
  Accumulator accumulator = Accumulator::fp32;
  bool operator==(const DotArithmetic&) const = default;
};

// Nothing where the family has no such instruction, and for `ieee` and `exact`, which have no steps.
// FP16 accumulators go with FP16 operands only.
std::optional<DotArithmetic> dot_arithmetic(Family family, Operand operand,
                                            Accumulator accumulator = Accumulator::fp32);

// FP16 or BF16 as operands; Fault for others.
Operand operand_of(Dtype dtype);

}  // namespace assay
