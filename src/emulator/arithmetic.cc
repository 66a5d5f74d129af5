#include "emulator/arithmetic.h"

#include "base/error.h"

namespace assay {
namespace {

std::optional<DotArithmetic> half_arithmetic(Family family) {
  switch (family) {
    case Family::volta:
      return DotArithmetic{4, 23};
    case Family::turing:
      return DotArithmetic{8, 24};
    case Family::ampere:
    case Family::ada:
      return DotArithmetic{8, 24};
    case Family::hopper:
    case Family::blackwell:
      return DotArithmetic{16, 25};
    case Family::ieee:
    case Family::exact:
      break;
  }
  return std::nullopt;
}

// mma.m16n8k32 on Ada (in two halves), wgmma on Hopper, tcgen05.mma on Blackwell.
std::optional<DotArithmetic> fp8_arithmetic(Family family) {
  switch (family) {
    case Family::ada:
      return DotArithmetic{16, 13, 13};
    case Family::hopper:
      return DotArithmetic{32, 13, 13};
    case Family::blackwell:
      return DotArithmetic{32, 25};
    default:
      return std::nullopt;
  }
}

}  // namespace

std::string_view name_of(Operand operand) {
  switch (operand) {
    case Operand::fp16:
      return "fp16";
    case Operand::bf16:
      return "bf16";
    case Operand::fp8_e4m3:
      return "fp8-e4m3";
    case Operand::fp8_e5m2:
      break;
  }
  return "fp8-e5m2";
}

std::optional<DotArithmetic> dot_arithmetic(Family family, Operand operand, Accumulator accumulator) {
  if (accumulator == Accumulator::fp16) {
    auto half = operand == Operand::fp16 ? half_arithmetic(family) : std::nullopt;
    if (half) half->accumulator = accumulator;
    return half;
  }
  switch (operand) {
    case Operand::fp16:
      return half_arithmetic(family);
    case Operand::bf16:  // from Ampere on
      return family == Family::volta || family == Family::turing ? std::nullopt : half_arithmetic(family);
    case Operand::fp8_e4m3:
    case Operand::fp8_e5m2:
      break;
  }
  return fp8_arithmetic(family);
}

Operand operand_of(Dtype dtype) {
  require(dtype == Dtype::fp16 || dtype == Dtype::bf16, "tensor cores take FP16 or BF16 here");
  return dtype == Dtype::fp16 ? Operand::fp16 : Operand::bf16;
}

}  // namespace assay
