// What few_rows.cu streams through shared memory: units of 32 k, of weights and of activations, and the fragments of
// mma.sync m16n8k16 that they are read as. Lane 4 g + q has the k's 4 q to 4 q + 3 of each 16 (int4_layout.cuh).
#pragma once

#include "kernels/cuda/few_rows_program.h"
#include "kernels/cuda/int4_layout.cuh"
#include "kernels/cuda/number.cuh"

namespace assay {

inline constexpr int kRowBytes = 2 * kUnitInputs;  // of a row of a unit

struct FewRowsArguments {
  const std::byte* weights;  // of the file's order (dense) or Int4Matrix's
  const std::uint32_t* groups;
  const std::uint16_t* x;
  std::uint16_t* out;
  const FewRowsPiece* pieces;
  const FewRowsSum* sums;
  const FewRowsAdd* adds;
  int rows;
  int outputs;
  int inputs;
  int pieces_per_warp;
  int most_adds;
  int most_walks;
  int clears;
  int group_count;
  std::uint32_t group_divisor;  // 2^31 / (units of a group), rounded up
};

// Addresses in shared memory are 32-bit numbers.
__device__ __forceinline__ unsigned shared_address(const void* p) {
  return static_cast<unsigned>(__cvta_generic_to_shared(p));
}
// Keeps an address in a register: the compiler would compute it anew in the inner loop.
__device__ __forceinline__ void keep(const std::byte*& address) { asm volatile("" : "+l"(address)); }
__device__ __forceinline__ void keep(unsigned& address) { asm volatile("" : "+r"(address)); }

// 16 bytes of weights, which nothing else reads.
__device__ __forceinline__ void copy_weights(unsigned to, const std::byte* from) {
  asm volatile("cp.async.cg.shared.global.L2::256B [%0], [%1], 16;" ::"r"(to), "l"(from));
}
// 16 bytes of activations, or zeros if bytes is 0.
__device__ __forceinline__ void copy_inputs(unsigned to, const std::byte* from, int bytes) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes));
}
__device__ __forceinline__ void end_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int kPending>
__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}
__device__ __forceinline__ uint2 load_shared_8(unsigned from) {
  uint2 v;
  asm volatile("ld.shared.v2.u32 {%0,%1}, [%2];" : "=r"(v.x), "=r"(v.y) : "r"(from));
  return v;
}
__device__ __forceinline__ uint4 load_shared_16(unsigned from) {
  uint4 v;
  asm volatile("ld.shared.v4.u32 {%0,%1,%2,%3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "r"(from));
  return v;
}

// Rows of 32 k as four chunks of 16 bytes, placed so that eight rows' fragments lie in different banks.
__device__ __forceinline__ unsigned chunk_offset(unsigned row, unsigned chunk) {
  return row * kRowBytes + ((chunk ^ (row & 2)) << 4);
}
// Of the k's 4 q to 4 q + 3 of a half of a row.
__device__ __forceinline__ unsigned inputs_offset(unsigned row, unsigned half, unsigned q) {
  return chunk_offset(row, 2 * half + q / 2) + q % 2 * 8;
}

// Copies a unit's weights, and makes the instruction's fragments of its halves: a[tile of 16 outputs].
class DenseWeights {
 public:
  static constexpr int kTiles = 2;
  static constexpr int kUnitBytes = kStripOutputs * kRowBytes;
  static constexpr int kGroupBytes = 0;
  struct Unit {
    uint2 inputs[2][4];  // of each half, of outputs g, 8 + g, 16 + g, 24 + g
  };

  __device__ DenseWeights(const FewRowsArguments& a, unsigned, unsigned, unsigned lane)
      : source_(a.weights +
                ((static_cast<Index>(blockIdx.x) * kStripOutputs + lane / 4) * a.inputs + lane % 4 * 8) * 2),
        eight_rows_(Index{a.inputs} * 16),
        place_(chunk_offset(lane / 4, lane % 4)),
        fragment_{inputs_offset(lane / 4, 0, lane % 4), inputs_offset(lane / 4, 1, lane % 4)} {
    keep(source_);
  }
  __device__ __forceinline__ void copy(unsigned to, int unit) const {
    const std::byte* from = source_ + static_cast<std::ptrdiff_t>(unit) * kRowBytes;
#pragma unroll
    for (int i = 0; i < 4; ++i) copy_weights(to + place_ + 8 * i * kRowBytes, from + i * eight_rows_);
  }
  __device__ __forceinline__ Unit load(unsigned from, int) const {
    Unit unit;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
#pragma unroll
      for (int i = 0; i < 4; ++i)
        unit.inputs[half][i] = load_shared_8(from + fragment_[half] + 8 * i * kRowBytes);
    }
    return unit;
  }
  static __device__ __forceinline__ void unpack(const Unit& unit, int half, std::uint32_t (&a)[2][4]) {
#pragma unroll
    for (int tile = 0; tile < 2; ++tile) {
      a[tile][0] = unit.inputs[half][2 * tile].x;
      a[tile][1] = unit.inputs[half][2 * tile + 1].x;
      a[tile][2] = unit.inputs[half][2 * tile].y;
      a[tile][3] = unit.inputs[half][2 * tile + 1].y;
    }
  }

 private:
  const std::byte* source_;
  Index eight_rows_;
  unsigned place_;
  unsigned fragment_[2];
};

//
// kTileCount: the tiles that a warp has, both or one of them.
template <class Activation, int kTileCount>
class Int4Weights {
 public:
  static constexpr int kTiles = kTileCount;
  static constexpr int kUnitBytes = 4 * kUnitWords;
  static constexpr int kScaleBytes = 4 * kStripOutputs;
  static constexpr int kGroupBytes = 2 * kScaleBytes;  // scales, zero points
  struct Unit {
    std::uint32_t words[2][kTiles];            // of each half
    Int4Scale<Activation> scales[2 * kTiles];  // of outputs g, 8 + g (of the tile), 16 + g, 24 + g
  };

  // `tile`: the first that the warp has.
  __device__ Int4Weights(const FewRowsArguments& a, unsigned scales, unsigned tile, unsigned lane)
      : source_(a.weights + static_cast<Index>(blockIdx.x) * (a.inputs / kUnitInputs) * kUnitBytes +
                lane * 16),
        place_(lane * 16),
        scales_(scales + lane / 4 * 16 + tile * 8),
        is_second_(tile != 0),
        divisor_(a.group_divisor) {
    keep(source_);
    keep(place_);
    keep(scales_);
  }
  __device__ __forceinline__ void copy(unsigned to, int unit) const {
    copy_weights(to + place_, source_ + static_cast<std::ptrdiff_t>(unit) * kUnitBytes);
  }
  __device__ __forceinline__ Unit load(unsigned from, int unit) const {
    Unit loaded;
    const uint4 words = load_shared_16(from + place_);
    const unsigned scales = scales_ + __umulhi(2U * static_cast<std::uint32_t>(unit), divisor_) * kGroupBytes;
    if constexpr (kTiles == 2) {
      loaded.words[0][0] = words.x;
      loaded.words[0][1] = words.y;
      loaded.words[1][0] = words.z;
      loaded.words[1][1] = words.w;
      const uint4 scale = load_shared_16(scales);
      const uint4 zero = load_shared_16(scales + kScaleBytes);
      loaded.scales[0] = {scale.x, zero.x};
      loaded.scales[1] = {scale.y, zero.y};
      loaded.scales[2] = {scale.z, zero.z};
      loaded.scales[3] = {scale.w, zero.w};
    } else {
      loaded.words[0][0] = is_second_ ? words.y : words.x;
      loaded.words[1][0] = is_second_ ? words.w : words.z;
      const uint2 scale = load_shared_8(scales);
      const uint2 zero = load_shared_8(scales + kScaleBytes);
      loaded.scales[0] = {scale.x, zero.x};
      loaded.scales[1] = {scale.y, zero.y};
    }
    return loaded;
  }
  static __device__ __forceinline__ void unpack(const Unit& unit, int half, std::uint32_t (&a)[kTiles][4]) {
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile)
      unpack_word(unit.words[half][tile], unit.scales[2 * tile], unit.scales[2 * tile + 1], a[tile]);
  }

 private:
  static __device__ __forceinline__ void unpack_word(std::uint32_t word, const Int4Scale<Activation>& upper,
                                                     const Int4Scale<Activation>& lower,
                                                     std::uint32_t (&a)[4]) {
    a[0] = upper.even(word);
    a[2] = upper.odd(word);
    a[1] = lower.even(word >> 8);
    a[3] = lower.odd(word >> 8);
  }

  const std::byte* source_;
  unsigned place_;
  unsigned scales_;
  bool is_second_;
  std::uint32_t divisor_;
};

// Activations: rows g and, in a second tile, 8 + g. Rows beyond the last repeat it; their sums are unused.
template <int kRowTiles>
struct InputsUnit {
  uint2 inputs[2][kRowTiles];  // of each half
};
template <int kRowTiles>
__device__ __forceinline__ InputsUnit<kRowTiles> load_inputs(unsigned from,
                                                             const unsigned (&fragment)[2][kRowTiles]) {
  InputsUnit<kRowTiles> unit;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
#pragma unroll
    for (int r = 0; r < kRowTiles; ++r) unit.inputs[half][r] = load_shared_8(from + fragment[half][r]);
  }
  return unit;
}
template <int kRowTiles>
__device__ __forceinline__ void find_fragments(int rows, unsigned lane, unsigned (&fragment)[2][kRowTiles]) {
  for (unsigned r = 0; r < kRowTiles; ++r) {
    const unsigned row = min(8 * r + lane / 4, static_cast<unsigned>(rows - 1));
    for (unsigned half = 0; half < 2; ++half) fragment[half][r] = inputs_offset(row, half, lane % 4);
  }
}

// All of x in shared memory, [K / 32][rows][32].
template <int kRowTiles>
class WholeInputs {
 public:
  static constexpr bool kWhole = true;

  __device__ WholeInputs(const FewRowsArguments& a, unsigned whole, unsigned lane)
      : whole_(whole), unit_bytes_(static_cast<unsigned>(a.rows * kRowBytes)) {
    find_fragments<kRowTiles>(a.rows, lane, fragment_);
  }
  // By all threads of the block.
  __device__ void begin(const FewRowsArguments& a) const {
    const int chunks = a.inputs / 8;
    for (int row = 0; row < a.rows; ++row) {
      const auto* from = reinterpret_cast<const std::byte*>(a.x + static_cast<Index>(row) * a.inputs);
      for (int i = static_cast<int>(threadIdx.x); i < chunks; i += static_cast<int>(blockDim.x)) {
        copy_inputs(whole_ + static_cast<unsigned>(i / 4) * unit_bytes_ +
                        chunk_offset(static_cast<unsigned>(row), static_cast<unsigned>(i % 4)),
                    from + 16 * i, 16);
      }
    }
  }
  __device__ __forceinline__ void copy(unsigned, int, bool) const {}
  __device__ __forceinline__ InputsUnit<kRowTiles> load(unsigned, int unit, bool present) const {
    InputsUnit<kRowTiles> loaded =
        load_inputs<kRowTiles>(whole_ + static_cast<unsigned>(unit) * unit_bytes_, fragment_);
    if (!present) loaded = {};
    return loaded;
  }

 private:
  unsigned whole_, unit_bytes_;
  unsigned fragment_[2][kRowTiles];
};

// Each warp copies the units that it needs into its ring.
template <int kRowTiles>
class StreamedInputs {
 public:
  static constexpr bool kWhole = false;

  __device__ StreamedInputs(const FewRowsArguments& a, unsigned, unsigned lane)
      : source_(reinterpret_cast<const std::byte*>(a.x) +
                (static_cast<Index>(lane / 4) * a.inputs + lane % 4 * 8) * 2),
        eight_rows_(Index{a.inputs} * 16),
        place_(chunk_offset(lane / 4, lane % 4)),
        copied_rows_(a.rows - static_cast<int>(lane / 4)) {
    keep(source_);
    find_fragments<kRowTiles>(a.rows, lane, fragment_);
  }
  __device__ void begin(const FewRowsArguments&) const {}
  // Zeros if not `present`.
  __device__ __forceinline__ void copy(unsigned to, int unit, bool present) const {
    const std::byte* from = source_ + static_cast<std::ptrdiff_t>(unit) * kRowBytes;
    if (copied_rows_ > 0) copy_inputs(to + place_, from, present ? 16 : 0);
    if (kRowTiles == 2 && copied_rows_ > 8)
      copy_inputs(to + place_ + 8 * kRowBytes, from + eight_rows_, present ? 16 : 0);
  }
  __device__ __forceinline__ InputsUnit<kRowTiles> load(unsigned from, int, bool) const {
    return load_inputs<kRowTiles>(from, fragment_);
  }

 private:
  const std::byte* source_;
  Index eight_rows_;
  unsigned place_;
  int copied_rows_;
  unsigned fragment_[2][kRowTiles];
};

}  // namespace assay
