// mma.sync: one warp a tile. Fragments as in the PTX ISA, "Matrix Fragments for mma.m16n8k16": with g = lane
// / 4 and t = lane % 4, a lane holds the words at byte 4t of A's rows g and g + 8, and of B's column g; for
// rows of 32 bytes also those at byte 16 + 4t; and the outputs (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t
// + 1).
#include "mma_kernels.h"

namespace assay_probe {
namespace {

// One tile's share of a lane. The names of the registers are those of the instruction.
struct Fragment {
  std::uint32_t a[4];
  std::uint32_t b[2];
  std::uint32_t d[4];  // C before, D after; with FP16 accumulators d[0] and d[1] hold two each
};

struct MmaK16F16 {
  static constexpr int kRowBytes = 32;
  static constexpr bool kHalf = false;
  static __device__ inline void run(Fragment& f) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+r"(f.d[0]), "+r"(f.d[1]), "+r"(f.d[2]), "+r"(f.d[3])
        : "r"(f.a[0]), "r"(f.a[1]), "r"(f.a[2]), "r"(f.a[3]), "r"(f.b[0]), "r"(f.b[1]));
  }
};

struct MmaK16Bf16 {
  static constexpr int kRowBytes = 32;
  static constexpr bool kHalf = false;
  static __device__ inline void run(Fragment& f) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+r"(f.d[0]), "+r"(f.d[1]), "+r"(f.d[2]), "+r"(f.d[3])
        : "r"(f.a[0]), "r"(f.a[1]), "r"(f.a[2]), "r"(f.a[3]), "r"(f.b[0]), "r"(f.b[1]));
  }
};

struct MmaK8F16 {
  static constexpr int kRowBytes = 16;
  static constexpr bool kHalf = false;
  static __device__ inline void run(Fragment& f) {
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
        : "+r"(f.d[0]), "+r"(f.d[1]), "+r"(f.d[2]), "+r"(f.d[3])
        : "r"(f.a[0]), "r"(f.a[1]), "r"(f.b[0]));
  }
};

struct MmaK8Bf16 {
  static constexpr int kRowBytes = 16;
  static constexpr bool kHalf = false;
  static __device__ inline void run(Fragment& f) {
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
        : "+r"(f.d[0]), "+r"(f.d[1]), "+r"(f.d[2]), "+r"(f.d[3])
        : "r"(f.a[0]), "r"(f.a[1]), "r"(f.b[0]));
  }
};

struct MmaK16HalfF16 {
  static constexpr int kRowBytes = 32;
  static constexpr bool kHalf = true;
  static __device__ inline void run(Fragment& f) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%0,%1}, {%2,%3,%4,%5}, {%6,%7}, {%0,%1};"
                 : "+r"(f.d[0]), "+r"(f.d[1])
                 : "r"(f.a[0]), "r"(f.a[1]), "r"(f.a[2]), "r"(f.a[3]), "r"(f.b[0]), "r"(f.b[1]));
  }
};

struct MmaK8HalfF16 {
  static constexpr int kRowBytes = 16;
  static constexpr bool kHalf = true;
  static __device__ inline void run(Fragment& f) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f16.f16.f16.f16 {%0,%1}, {%2,%3}, {%4}, {%0,%1};"
                 : "+r"(f.d[0]), "+r"(f.d[1])
                 : "r"(f.a[0]), "r"(f.a[1]), "r"(f.b[0]));
  }
};

struct MmaK32E4m3 {
  static constexpr int kRowBytes = 32;
  static constexpr bool kHalf = false;
  static __device__ inline void run(Fragment& f) {
    asm volatile(
        "mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+r"(f.d[0]), "+r"(f.d[1]), "+r"(f.d[2]), "+r"(f.d[3])
        : "r"(f.a[0]), "r"(f.a[1]), "r"(f.a[2]), "r"(f.a[3]), "r"(f.b[0]), "r"(f.b[1]));
  }
};

template <class Mma>
__global__ void mma_tiles(const std::uint32_t* a, const std::uint32_t* b, const std::uint32_t* c,
                          std::uint32_t* d, std::int64_t tiles) {
  constexpr int kRowWords = Mma::kRowBytes / 4;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int g = lane / 4;
  const int t = lane % 4;
  const std::int64_t warps = static_cast<std::int64_t>(gridDim.x) * blockDim.x / 32;
  std::int64_t tile = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
  for (; tile < tiles; tile += warps) {
    const std::uint32_t* a_tile = a + tile * 16 * kRowWords;
    const std::uint32_t* b_tile = b + tile * 8 * kRowWords;
    Fragment f = {};
    for (int half = 0; half < kRowWords / 4; ++half) {  // k halves of 16 bytes
      f.a[2 * half] = a_tile[g * kRowWords + 4 * half + t];
      f.a[2 * half + 1] = a_tile[(g + 8) * kRowWords + 4 * half + t];
      f.b[half] = b_tile[g * kRowWords + 4 * half + t];
    }
    const std::int64_t upper = tile * 128 + g * 8 + 2 * t;
    const std::int64_t lower = upper + 64;
    if constexpr (Mma::kHalf) {
      f.d[0] = (c[upper] & 0xffffU) | c[upper + 1] << 16;
      f.d[1] = (c[lower] & 0xffffU) | c[lower + 1] << 16;
      Mma::run(f);
      d[upper] = f.d[0] & 0xffffU;
      d[upper + 1] = f.d[0] >> 16;
      d[lower] = f.d[1] & 0xffffU;
      d[lower + 1] = f.d[1] >> 16;
    } else {
      f.d[0] = c[upper];
      f.d[1] = c[upper + 1];
      f.d[2] = c[lower];
      f.d[3] = c[lower + 1];
      Mma::run(f);
      d[upper] = f.d[0];
      d[upper + 1] = f.d[1];
      d[lower] = f.d[2];
      d[lower + 1] = f.d[3];
    }
  }
}

template <class Mma>
cudaError_t launch(const DeviceTiles& tiles) {
  mma_tiles<Mma><<<132 * 8, 256>>>(static_cast<const std::uint32_t*>(tiles.a),
                                   static_cast<const std::uint32_t*>(tiles.b), tiles.c, tiles.d, tiles.tiles);
  return cudaGetLastError();
}

}  // namespace

cudaError_t run_instruction(Instruction instruction, const DeviceTiles& tiles) {
  switch (instruction) {
    case Instruction::mma_k16_f32_f16:
      return launch<MmaK16F16>(tiles);
    case Instruction::mma_k16_f32_bf16:
      return launch<MmaK16Bf16>(tiles);
    case Instruction::mma_k8_f32_f16:
      return launch<MmaK8F16>(tiles);
    case Instruction::mma_k8_f32_bf16:
      return launch<MmaK8Bf16>(tiles);
    case Instruction::mma_k16_f16_f16:
      return launch<MmaK16HalfF16>(tiles);
    case Instruction::mma_k8_f16_f16:
      return launch<MmaK8HalfF16>(tiles);
    case Instruction::mma_k32_f32_e4m3:
      return launch<MmaK32E4m3>(tiles);
    default:
      return run_wgmma(instruction, tiles);
  }
}

}  // namespace assay_probe
