// wgmma.mma_async, 64 x 8 outputs and rows of 32 bytes: one warp group (128 threads) a tile.
//
// Shared memory holds core matrices of 8 rows x 16 bytes, 128 bytes each, without swizzle:
//   row group q (8 rows of A, the 8 columns of B), k half j:  word offset q * 64 + j * 32
// so a descriptor's leading offset (next k half) is 128 bytes and its stride offset (next row group) 256.
// Warp w of the group owns rows 16 w .. 16 w + 15; within it fragments are mma.sync's (mma_kernels.cu).
#include "mma_kernels.h"

namespace assay_probe {
namespace {

constexpr int kRowWords = 8;  // 32 bytes: 16 halves or 32 bytes of FP8

__device__ inline std::uint64_t descriptor(const void* shared) {
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
  return static_cast<std::uint64_t>((address & 0x3ffffU) >> 4) |
         (static_cast<std::uint64_t>(128 >> 4) << 16) | (static_cast<std::uint64_t>(256 >> 4) << 32);
}

struct Operands {
  std::uint32_t a[4];
  std::uint64_t a_shared;
  std::uint64_t b_shared;
};

// Asynchronous forms; each struct is one instruction. p = true: D = A B + D.
struct RsF16 {
  static constexpr bool kHalf = false;
  static __device__ inline void run(float (&d)[4], const Operands& o) {
    asm volatile(
        "{ .reg .pred p; setp.ne.b32 p, 1, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%0,%1,%2,%3}, {%4,%5,%6,%7}, %8, p, 1, 1, 0; }"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(o.a[0]), "r"(o.a[1]), "r"(o.a[2]), "r"(o.a[3]), "l"(o.b_shared));
  }
};

struct RsBf16 {
  static constexpr bool kHalf = false;
  static __device__ inline void run(float (&d)[4], const Operands& o) {
    asm volatile(
        "{ .reg .pred p; setp.ne.b32 p, 1, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%0,%1,%2,%3}, {%4,%5,%6,%7}, %8, p, 1, 1, 0; }"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(o.a[0]), "r"(o.a[1]), "r"(o.a[2]), "r"(o.a[3]), "l"(o.b_shared));
  }
};

struct RsHalfF16 {
  static constexpr bool kHalf = true;
  static __device__ inline void run(std::uint32_t (&d)[2], const Operands& o) {
    asm volatile(
        "{ .reg .pred p; setp.ne.b32 p, 1, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n8k16.f16.f16.f16 {%0,%1}, {%2,%3,%4,%5}, %6, p, 1, 1, 0; }"
        : "+r"(d[0]), "+r"(d[1])
        : "r"(o.a[0]), "r"(o.a[1]), "r"(o.a[2]), "r"(o.a[3]), "l"(o.b_shared));
  }
};

struct RsE4m3 {
  static constexpr bool kHalf = false;
  static __device__ inline void run(float (&d)[4], const Operands& o) {
    asm volatile(
        "{ .reg .pred p; setp.ne.b32 p, 1, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n8k32.f32.e4m3.e4m3 {%0,%1,%2,%3}, {%4,%5,%6,%7}, %8, p, 1, 1; }"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(o.a[0]), "r"(o.a[1]), "r"(o.a[2]), "r"(o.a[3]), "l"(o.b_shared));
  }
};

struct RsE5m2 {
  static constexpr bool kHalf = false;
  static __device__ inline void run(float (&d)[4], const Operands& o) {
    asm volatile(
        "{ .reg .pred p; setp.ne.b32 p, 1, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n8k32.f32.e5m2.e5m2 {%0,%1,%2,%3}, {%4,%5,%6,%7}, %8, p, 1, 1; }"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(o.a[0]), "r"(o.a[1]), "r"(o.a[2]), "r"(o.a[3]), "l"(o.b_shared));
  }
};

struct SsF16 {
  static constexpr bool kHalf = false;
  static __device__ inline void run(float (&d)[4], const Operands& o) {
    asm volatile(
        "{ .reg .pred p; setp.ne.b32 p, 1, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%0,%1,%2,%3}, %4, %5, p, 1, 1, 0, 0; }"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "l"(o.a_shared), "l"(o.b_shared));
  }
};

struct SsBf16 {
  static constexpr bool kHalf = false;
  static __device__ inline void run(float (&d)[4], const Operands& o) {
    asm volatile(
        "{ .reg .pred p; setp.ne.b32 p, 1, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%0,%1,%2,%3}, %4, %5, p, 1, 1, 0, 0; }"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "l"(o.a_shared), "l"(o.b_shared));
  }
};

struct SsE4m3 {
  static constexpr bool kHalf = false;
  static __device__ inline void run(float (&d)[4], const Operands& o) {
    asm volatile(
        "{ .reg .pred p; setp.ne.b32 p, 1, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n8k32.f32.e4m3.e4m3 {%0,%1,%2,%3}, %4, %5, p, 1, 1; }"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "l"(o.a_shared), "l"(o.b_shared));
  }
};

// The two orderings around an asynchronous instruction: registers written before, results complete after.
__device__ inline void before_wgmma() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ inline void after_wgmma() {
  asm volatile("wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;" ::: "memory");
}

// Words of rows of 32 bytes into core matrices.
__device__ inline void store_cores(std::uint32_t* shared, const std::uint32_t* rows, int words) {
  for (int i = static_cast<int>(threadIdx.x); i < words; i += 128) {
    const int row = i / kRowWords;
    const int word = i % kRowWords;
    shared[row / 8 * 64 + word / 4 * 32 + row % 8 * 4 + word % 4] = rows[i];
  }
}

template <class Wgmma>
__global__ void __launch_bounds__(128)
    wgmma_tiles(const std::uint32_t* a, const std::uint32_t* b, const std::uint32_t* c, std::uint32_t* d,
                std::int64_t tiles) {
  __shared__ alignas(128) std::uint32_t a_shared[64 * kRowWords];
  __shared__ alignas(128) std::uint32_t b_shared[8 * kRowWords];
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int g = static_cast<int>(threadIdx.x) % 32 / 4;
  const int t = static_cast<int>(threadIdx.x) % 4;
  for (std::int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    const std::uint32_t* a_tile = a + tile * 64 * kRowWords;
    store_cores(a_shared, a_tile, 64 * kRowWords);
    store_cores(b_shared, b + tile * 8 * kRowWords, 8 * kRowWords);
    asm volatile("fence.proxy.async.shared::cta;" ::
                     : "memory");  // the tensor cores read through another path
    __syncthreads();

    const int row = warp * 16 + g;
    const Operands operands = {{a_tile[row * kRowWords + t], a_tile[(row + 8) * kRowWords + t],
                                a_tile[row * kRowWords + 4 + t], a_tile[(row + 8) * kRowWords + 4 + t]},
                               descriptor(a_shared),
                               descriptor(b_shared)};
    const std::int64_t upper = tile * 512 + row * 8 + 2 * t;
    const std::int64_t lower = upper + 64;
    if constexpr (Wgmma::kHalf) {
      std::uint32_t sum[2] = {(c[upper] & 0xffffU) | c[upper + 1] << 16,
                              (c[lower] & 0xffffU) | c[lower + 1] << 16};
      before_wgmma();
      Wgmma::run(sum, operands);
      after_wgmma();
      d[upper] = sum[0] & 0xffffU;
      d[upper + 1] = sum[0] >> 16;
      d[lower] = sum[1] & 0xffffU;
      d[lower + 1] = sum[1] >> 16;
    } else {
      float sum[4] = {__uint_as_float(c[upper]), __uint_as_float(c[upper + 1]), __uint_as_float(c[lower]),
                      __uint_as_float(c[lower + 1])};
      before_wgmma();
      Wgmma::run(sum, operands);
      after_wgmma();
      d[upper] = __float_as_uint(sum[0]);
      d[upper + 1] = __float_as_uint(sum[1]);
      d[lower] = __float_as_uint(sum[2]);
      d[lower + 1] = __float_as_uint(sum[3]);
    }
    __syncthreads();  // shared memory is free for the next tile
  }
}

template <class Wgmma>
cudaError_t launch(const DeviceTiles& tiles) {
  wgmma_tiles<Wgmma><<<132 * 8, 128>>>(static_cast<const std::uint32_t*>(tiles.a),
                                       static_cast<const std::uint32_t*>(tiles.b), tiles.c, tiles.d,
                                       tiles.tiles);
  return cudaGetLastError();
}

}  // namespace

cudaError_t run_wgmma(Instruction instruction, const DeviceTiles& tiles) {
  switch (instruction) {
    case Instruction::wgmma_rs_f32_f16:
      return launch<RsF16>(tiles);
    case Instruction::wgmma_rs_f32_bf16:
      return launch<RsBf16>(tiles);
    case Instruction::wgmma_rs_f16_f16:
      return launch<RsHalfF16>(tiles);
    case Instruction::wgmma_rs_f32_e4m3:
      return launch<RsE4m3>(tiles);
    case Instruction::wgmma_rs_f32_e5m2:
      return launch<RsE5m2>(tiles);
    case Instruction::wgmma_ss_f32_f16:
      return launch<SsF16>(tiles);
    case Instruction::wgmma_ss_f32_bf16:
      return launch<SsBf16>(tiles);
    case Instruction::wgmma_ss_f32_e4m3:
      return launch<SsE4m3>(tiles);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace assay_probe
