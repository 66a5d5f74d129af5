// Steps of older tensor cores on Hopper's, whose own step has 16 products and F = 25 (emulator/dot_model.h).
//
// A step of at most 8 products with F < 25 aligns its terms with their largest exponent L and truncates them to
// 2^(L - F). Hopper's does the same if its largest exponent is E = L + 25 - F: so E is put there, by two more products
// that cancel, f s and -f s, f of exponent E less that of s. Each output has its own E, hence products of its own: the 8
// free k's of an instruction hold f of 4 outputs a row (twice, in A) and s, -s in their column of B, zeros in the others'.
// A first instruction does the even columns, its B being zero in the odd ones, and leaves those as they are; a
// second does the odd ones. Thread and register of an output's f in A are those of the output.
//
// Aligners find E. Each has
//   stage_units(rows, columns): 16-byte units of what it keeps for a stage beside the operands;
//   put_x, put_w: makes it, from one piece of a row;
//   step_piece: the steps of one piece for a warp's tile;
//   in_range, lost: whether all was within the aligner's range; else the tile is computed again by dot_step_exact.
#pragma once

#include <cstdint>

#include "kernels/cuda/dot_step.cuh"
#include "kernels/cuda/step_tile.cuh"

namespace assay {

// Two equal halves.
constexpr std::uint32_t twice(unsigned half) { return half | half << 16; }

// s and -s for column `column` in the 8 k's of f, in the thread that holds them.
__device__ __forceinline__ std::uint32_t cancelling(std::uint32_t s, int odd) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  return lane / 4 == 2 * (lane % 4) + odd ? twice(s) | 0x80000000U : 0U;
}

// B without the odd or the even columns.
__device__ __forceinline__ std::uint32_t columns_only(std::uint32_t b, int odd) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  return lane / 4 % 2 == odd ? b : 0U;
}

// The steps of one row of tiles. f[j]: the halves of f[j][0] are those of c[j][0] and c[j][1], of f[j][1] the other two's.
template <class Activation, int kJ>
__device__ __forceinline__ void aligned_step(float (&c)[kJ][4], std::uint32_t a0, std::uint32_t a1,
                                             const std::uint32_t (&even)[kJ], const std::uint32_t (&odd)[kJ],
                                             const std::uint32_t (&f)[kJ][2], std::uint32_t s_even,
                                             std::uint32_t s_odd) {
#pragma unroll
  for (int j = 0; j < kJ; ++j) {
    hopper_step<Activation>(c[j], a0, a1, __byte_perm(f[j][0], 0, 0x1010), __byte_perm(f[j][1], 0, 0x1010),
                            even[j], s_even);
  }
#pragma unroll
  for (int j = 0; j < kJ; ++j) {
    hopper_step<Activation>(c[j], a0, a1, __byte_perm(f[j][0], 0, 0x3232), __byte_perm(f[j][1], 0, 0x3232),
                            odd[j], s_odd);
  }
}

// Largest magnitudes that a thread met, two halves each.
struct LargestOperands {
  std::uint32_t x = 0;
  std::uint32_t w = 0;
};

__device__ __forceinline__ void include_magnitudes(std::uint32_t& largest, const uint4& piece) {
  largest = __vmaxu2(__vmaxu2(largest, piece.x & 0x7fff7fffU), piece.y & 0x7fff7fffU);
  largest = __vmaxu2(__vmaxu2(largest, piece.z & 0x7fff7fffU), piece.w & 0x7fff7fffU);
}

}  // namespace assay
