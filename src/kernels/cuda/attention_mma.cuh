// The two products of attention on Hopper's tensor cores (wgmma): a warpgroup multiplies 64 rows. Device code for
// sm_90a.
//
// Accumulators: thread t of the warpgroup, q = t mod 4, holds rows g = 16 (t / 32) + (t mod 32) / 4 and g + 8;
// d[4 j + 2 h + e] is row g + 8 h, column 8 j + 2 q + e.
//
// Tiles in shared memory are blocks of 64 columns of D: rows of 128 bytes, 128-byte swizzle, aligned to 1024 bytes.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/cuda/number.cuh"

namespace assay {

// The lower half of a tile's descriptor; `next_block` is bytes from one block of columns to the next and counts only
// for values. A tile that lies n bytes further has it greater by n / 16.
static __device__ __forceinline__ std::uint32_t tile_at(std::uint32_t address, int next_block) {
  return static_cast<std::uint32_t>(next_block / 16) << 16 | address / 16;
}
static __device__ __forceinline__ std::uint64_t descriptor(std::uint32_t tile) {
  constexpr std::uint32_t kSwizzle128 = 1U << 30;
  constexpr std::uint32_t kEightRows = 1024 / 16;
  std::uint64_t whole;
  asm("mov.b64 %0, {%1, %2};" : "=l"(whole) : "r"(tile), "n"(kSwizzle128 | kEightRows));
  return whole;
}

static __device__ __forceinline__ void mma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
static __device__ __forceinline__ void mma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
// Until at most kPending groups are in flight.
template <int kPending>
static __device__ __forceinline__ void mma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}
// Keeps the compiler from moving what is done with these registers across this point.
template <class T, int kCount>
static __device__ __forceinline__ void pin(T (&registers)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    if constexpr (std::is_same_v<T, float>) {
      asm volatile("" : "+f"(registers[i])::"memory");
    } else {
      asm volatile("" : "+r"(registers[i])::"memory");
    }
  }
}

#define ASSAY_F4(d, i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define ASSAY_F16(d, i) ASSAY_F4(d, i), ASSAY_F4(d, i + 4), ASSAY_F4(d, i + 8), ASSAY_F4(d, i + 12)
#define ASSAY_D32                                                                               \
  "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24," \
  "%25,%26,%27,%28,%29,%30,%31}"
#define ASSAY_D64                                                                                    \
  "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,"      \
  "%25,%26,%27,%28,%29,%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48," \
  "%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63}"
#define ASSAY_QK(type)                                                          \
  asm volatile(                                                                 \
      "{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\n"                              \
      "wgmma.mma_async.sync.aligned.m64n64k16.f32." type "." type " " ASSAY_D32 \
      ", %32, %33, p, 1, 1, 0, 0;\n}\n"                                         \
      : ASSAY_F16(d, 0), ASSAY_F16(d, 16)                                       \
      : "l"(a), "l"(b), "r"(static_cast<int>(accumulate)))
#define ASSAY_PV64(type)                                                        \
  asm volatile(                                                                 \
      "{\n.reg .pred p;\nsetp.ne.b32 p, 1, 0;\n"                                \
      "wgmma.mma_async.sync.aligned.m64n64k16.f32." type "." type " " ASSAY_D32 \
      ", {%32, %33, %34, %35}, %36, p, 1, 1, 1;\n}\n"                           \
      : ASSAY_F16(d, 0), ASSAY_F16(d, 16)                                       \
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b))
#define ASSAY_PV128(type)                                                        \
  asm volatile(                                                                  \
      "{\n.reg .pred p;\nsetp.ne.b32 p, 1, 0;\n"                                 \
      "wgmma.mma_async.sync.aligned.m64n128k16.f32." type "." type " " ASSAY_D64 \
      ", {%64, %65, %66, %67}, %68, p, 1, 1, 1;\n}\n"                            \
      : ASSAY_F16(d, 0), ASSAY_F16(d, 16), ASSAY_F16(d, 32), ASSAY_F16(d, 48)    \
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b))

// One step of 16 of D: 64 queries x 64 keys, both with D contiguous. Without `accumulate` d starts from +0.
template <class Activation>
static __device__ __forceinline__ void mma_scores(float (&d)[32], std::uint64_t a, std::uint64_t b,
                                                  bool accumulate) {
  if constexpr (Activation::kDtype == Dtype::bf16) {
    ASSAY_QK("bf16");
  } else {
    ASSAY_QK("f16");
  }
}

// One step of 16 keys: a, 64 rows x 16 keys in registers as the accumulators lie; b, 16 keys x 64 or 128 columns.
template <class Activation>
static __device__ __forceinline__ void mma_values(float (&d)[32], const std::uint32_t* a, std::uint64_t b) {
  if constexpr (Activation::kDtype == Dtype::bf16) {
    ASSAY_PV64("bf16");
  } else {
    ASSAY_PV64("f16");
  }
}
template <class Activation>
static __device__ __forceinline__ void mma_values(float (&d)[64], const std::uint32_t* a, std::uint64_t b) {
  if constexpr (Activation::kDtype == Dtype::bf16) {
    ASSAY_PV128("bf16");
  } else {
    ASSAY_PV128("f16");
  }
}

#undef ASSAY_F4
#undef ASSAY_F16
#undef ASSAY_D32
#undef ASSAY_D64
#undef ASSAY_QK
#undef ASSAY_PV64
#undef ASSAY_PV128

}  // namespace assay
