// mma.m16n8k16 with FP16 accumulators against the scalar model: bits of an H200 (tests/golden), of six kinds
// of inputs. The whole recording, 24,000 instructions with 3,072,000 outputs, was compared once by this code:
// all equal.
#include <gtest/gtest.h>

#include <array>
#include <charconv>
#include <fstream>
#include <string>

#include "emulator/dot_model.h"
#include "number/float16.h"
#include "probe/inputs.h"

namespace assay {
namespace {

enum Matrix : std::uint64_t { kA, kB, kC };

// The kind of a tile's inputs is tile mod 6: like activations; any finite; products near 2^-25 with a
// subnormal accumulator; near overflow; with infinities and NaN; small with small accumulators.
std::uint16_t element(std::uint64_t tile, Matrix matrix, std::uint64_t index) {
  const std::uint64_t random = assay_probe::mix(1000 + matrix, tile * 256 + index);
  const bool c = matrix == kC;
  switch (tile % 6) {
    case 0:
      return assay_probe::half_bits(random, 9, 8);
    case 1:
      return assay_probe::half_bits(random, 0, 31);
    case 2:
      return assay_probe::half_bits(random, c ? 0 : 3, c ? 1 : 3);
    case 3:
      return assay_probe::half_bits(random, c ? 28 : 18, c ? 3 : 5);
    case 4:
      if ((random >> 20) % 64 == 0) {
        return static_cast<std::uint16_t>((random & 0x8000U) | ((random >> 8) % 2 != 0 ? 0x7c00U : 0x7e00U));
      }
      return assay_probe::half_bits(random, 8, 8);
    default:
      return assay_probe::half_bits(random, 0, c ? 2 : 8);
  }
}

// d[row][column] of a tile.
std::uint16_t model(const DotArithmetic& arithmetic, std::uint64_t tile, std::uint64_t row,
                    std::uint64_t column) {
  std::array<float, 16> a;
  std::array<float, 16> b;
  for (std::uint64_t k = 0; k < 16; ++k) {
    a[k] = from_fp16(element(tile, kA, row * 16 + k));
    b[k] = from_fp16(element(tile, kB, k * 8 + column));
  }
  const float c = from_fp16(element(tile, kC, row * 8 + column));
  return to_fp16(fused_dot_add(arithmetic, Operand::fp16, c, a.data(), b.data(), 16));
}

struct Agreement {
  std::size_t equal = 0;
  std::size_t all = 0;
};

// Lines "tile <number>", then 128 outputs, row by row, four hexadecimal digits each.
Agreement agreement(const DotArithmetic& arithmetic) {
  std::ifstream file(ASSAY_SOURCE_DIR "/tests/golden/mma_fp16_accumulators.txt");
  Agreement result;
  std::string word;
  for (std::uint64_t tile = 0; file >> word;) {
    if (word == "tile") {
      file >> tile;
      continue;
    }
    for (std::size_t i = 0; i < word.size() / 4; ++i) {
      std::uint16_t bits = 0;
      std::from_chars(word.data() + 4 * i, word.data() + 4 * i + 4, bits, 16);
      result.equal += model(arithmetic, tile, i / 8, i % 8) == bits ? 1 : 0;
      ++result.all;
    }
  }
  return result;
}

TEST(HalfAccumulators, TheModelIsTheInstruction) {
  const auto hopper = dot_arithmetic(Family::hopper, Operand::fp16, Accumulator::fp16);
  const Agreement result = agreement(*hopper);
  EXPECT_EQ(result.all, 24U * 128U);
  EXPECT_EQ(result.equal, result.all);
}

TEST(HalfAccumulators, OtherFractionsAndRoundingTwiceAreNot) {
  for (const DotArithmetic& other :
       {DotArithmetic{16, 24, 23, Accumulator::fp16}, DotArithmetic{16, 26, 23, Accumulator::fp16},
        DotArithmetic{16, 25, 23, Accumulator::fp32}}) {
    const Agreement result = agreement(other);
    EXPECT_LT(result.equal, result.all);
  }
}

}  // namespace
}  // namespace assay
