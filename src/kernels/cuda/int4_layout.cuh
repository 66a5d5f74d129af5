// The layout of Int4Matrix, and its weights as a lane of mma.sync m16n8k16 wants them.
//
// nibbles [N / 32][K / 32][32 lanes] uint4: a unit of 32 outputs and 32 k is 512 bytes. Word 2 b + t of lane 4 g + q has
// the k's 16 b + 4 q + (0, 1, 2, 3) of two outputs of the strip: nibbles 0, 4, 1, 5 of output 16 t + g, nibbles 2, 6,
// 3, 7 of output 16 t + 8 + g. So a step's k's are permuted, the activations' alike: slots 2 q, 2 q + 1, 2 q + 8,
// 2 q + 9 of the mma are k's 4 q to 4 q + 3.
//
// groups [N / 32][K / group_size][8 g][4] words: outputs g, 8 + g, 16 + g, 24 + g of the strip; low half: the scale;
// high half: the zero point plus kOffset, a number of the activation type.
#pragma once

#include "kernels/cuda/number.cuh"

namespace assay {

inline constexpr int kStripOutputs = 32;
inline constexpr int kUnitInputs = 32;
inline constexpr int kUnitWords = kStripOutputs * kUnitInputs / 8;

// (word & mask) | offset, in one instruction.
__device__ __forceinline__ std::uint32_t masked_or(std::uint32_t word, std::uint32_t mask,
                                                   std::uint32_t offset) {
  std::uint32_t result;
  asm("lop3.b32 %0, %1, %2, %3, 0xea;" : "=r"(result) : "r"(word), "r"(mask), "r"(offset));
  return result;
}

__device__ __forceinline__ __half2 half_pair(std::uint32_t bits) {
  return *reinterpret_cast<const __half2*>(&bits);
}
__device__ __forceinline__ std::uint32_t bits_of(__half2 pair) {
  return *reinterpret_cast<const std::uint32_t*>(&pair);
}
__device__ __forceinline__ __nv_bfloat162 bfloat_pair(std::uint32_t bits) {
  return *reinterpret_cast<const __nv_bfloat162*>(&bits);
}
__device__ __forceinline__ std::uint32_t bits_of(__nv_bfloat162 pair) {
  return *reinterpret_cast<const std::uint32_t*>(&pair);
}

// RN((q - z) s) of one output and group, two at a time. even: nibbles 0 and 4 of a word; odd: nibbles 1 and 5.
// A nibble in the low bits of the number kOffset is kOffset + q; all steps but the product are exact.
template <class Activation>
struct Int4Scale;

template <>
struct Int4Scale<Fp16Activation> {
  static constexpr std::uint32_t kOffset = 0x6400;  // 1024

  Int4Scale() = default;
  __device__ __forceinline__ Int4Scale(std::uint32_t scale_pair, std::uint32_t zero_pair)
      : scale(scale_pair), zero(zero_pair) {}
  __device__ __forceinline__ explicit Int4Scale(std::uint32_t group)
      : scale(bits_of(__low2half2(half_pair(group)))), zero(bits_of(__high2half2(half_pair(group)))) {}
  __device__ __forceinline__ std::uint32_t even(std::uint32_t word) const {
    const __half2 q = half_pair(masked_or(word, 0x000f000fU, 0x64006400U));
    return bits_of(__hmul2(__hsub2(q, half_pair(zero)), half_pair(scale)));
  }
  // 1024 + 16 q, a sixteenth of it: 64 + q. 960 - (1024 + z) = -(64 + z).
  __device__ __forceinline__ std::uint32_t odd(std::uint32_t word) const {
    const __half2 q = half_pair(masked_or(word, 0x00f000f0U, 0x64006400U));
    return bits_of(
        __hmul2(__hfma2(q, half_pair(0x2c002c00U), __hsub2(half_pair(0x63806380U), half_pair(zero))),
                half_pair(scale)));
  }

  std::uint32_t scale, zero;  // pairs of s, 1024 + z
};

template <>
struct Int4Scale<Bf16Activation> {
  static constexpr std::uint32_t kOffset = 0x4300;  // 128

  Int4Scale() = default;
  __device__ __forceinline__ Int4Scale(std::uint32_t scale_pair, std::uint32_t zero_pair)
      : scale(scale_pair), zero(zero_pair) {}
  __device__ __forceinline__ explicit Int4Scale(std::uint32_t group)
      : scale(bits_of(__low2bfloat162(bfloat_pair(group)))),
        zero(bits_of(__high2bfloat162(bfloat_pair(group)))) {}
  __device__ __forceinline__ std::uint32_t even(std::uint32_t word) const {
    const __nv_bfloat162 q = bfloat_pair(masked_or(word, 0x000f000fU, 0x43004300U));
    return bits_of(__hmul2(__hsub2(q, bfloat_pair(zero)), bfloat_pair(scale)));
  }
  __device__ __forceinline__ std::uint32_t odd(std::uint32_t word) const { return even(word >> 4); }

  std::uint32_t scale, zero;  // pairs of s, 128 + z
};

}  // namespace assay
