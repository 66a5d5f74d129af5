// A warp's tile for emulated steps: its shape, its instructions, and its operands in shared memory.
//
// Shared memory of a stage: 4 pieces of 8 k's, 16 bytes, for each row of X and of W (outputs are rows too); piece p of
// row r lies at place p ^ (r / 2 % 4) of its 4, so that ldmatrix meets no bank twice.
#pragma once

#include <cstdint>

#include "kernels/cuda/emulated_tile.cuh"

namespace assay {

// kDown x kAcross warps, each kTilesDown x kTilesAcross tiles of 16 x 8 outputs.
template <int kDown, int kAcross, int kTilesDown, int kTilesAcross, int kCopiesAhead, int kBlocks>
struct StepShape {
  static constexpr int kI = kTilesDown;
  static constexpr int kJ = kTilesAcross;
  static constexpr int kRows = 16 * kDown * kI;
  static constexpr int kColumns = 8 * kAcross * kJ;
  static constexpr int kThreads = 32 * kDown * kAcross;
  static constexpr int kOutputs = 4 * kI * kJ;  // of a thread
  static constexpr int kWarpsAcross = kAcross;
  static constexpr int kBuffers = kCopiesAhead + 1;
  static constexpr int kResident = kBlocks;  // on a multiprocessor, at least
};

// Outputs of a thread of tile i, j, as mma.sync has them: row lane / 4 (c[2], c[3]: and 8), column 2 (lane % 4) (c[1],
// c[3]: and 1).
template <class Shape>
using StepSums = float[Shape::kI][Shape::kJ][4];

__device__ __forceinline__ int piece_place(int row, int piece) {
  return row * kStagePieces + (piece ^ (row >> 1 & 3));
}

// Matrices of 8 rows and one piece, one below the other. `rows` is the first row's first piece; its index a multiple of 8.
template <int kCount>
__device__ __forceinline__ void load_piece(std::uint32_t (&out)[kCount], const uint4* rows, int piece) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const auto address = [&](int row) {
    return static_cast<std::uint32_t>(__cvta_generic_to_shared(rows + piece_place(row, piece)));
  };
  if constexpr (kCount % 4 == 0) {
#pragma unroll
    for (int i = 0; i < kCount; i += 4) {
      asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                   : "=r"(out[i]), "=r"(out[i + 1]), "=r"(out[i + 2]), "=r"(out[i + 3])
                   : "r"(address(8 * i + lane))
                   : "memory");
    }
  } else if constexpr (kCount == 2) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(out[0]), "=r"(out[1])
                 : "r"(address(lane % 16))
                 : "memory");
  } else {
    static_assert(kCount == 1);
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];"
                 : "=r"(out[0])
                 : "r"(address(lane % 8))
                 : "memory");
  }
}

// c = c + A B, one step of Hopper's: A [16, 16], of which a0 and a1 have k 0 to 7, B [16, 8].
template <class Activation>
__device__ __forceinline__ void hopper_step(float (&c)[4], std::uint32_t a0, std::uint32_t a1,
                                            std::uint32_t a2, std::uint32_t a3, std::uint32_t b0,
                                            std::uint32_t b1) {
  if constexpr (Activation::kDtype == Dtype::fp16) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
  } else {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
  }
}

// c + A B of BF16 with A [16, 8], B [8, 8].
__device__ __forceinline__ void short_step(float (&c)[4], std::uint32_t a0, std::uint32_t a1,
                                           std::uint32_t b) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a0), "r"(a1), "r"(b));
}

}  // namespace assay
