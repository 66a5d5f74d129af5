// Attention under any family's arithmetic on the CUDA cores. A block has 64 rows of one head and goes through the keys in
// tiles of 64; a thread (x, y) of 16 x 16 has the rows y + 16 i and, of the scores, the keys x + 16 j: those of softmax
// lane x, in order. The operands of both products lie in shared memory as bits and exponents, contiguous in k.
#include <algorithm>

#include "kernels/attention.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/dot_step.cuh"
#include "number/transcendental.h"

namespace assay {
namespace {

constexpr int kRows = 64;
constexpr int kKeys = 64;
static_assert(kKeys == kAttentionTile);
constexpr int kThreads = 256;
constexpr int kPadding = 8;  // 16 bytes, so that 8 vectors read at one k lie in different banks

// Vectors of kK operands in shared memory.
template <int kVectors, int kK>
struct Operands {
  static constexpr int kStride = kK + kPadding;
  std::uint16_t bits[kVectors * kStride];
  std::int16_t exponents[kVectors * kStride];

  template <class Activation>
  __device__ void put(int vector, int k, std::uint16_t value) {
    bits[vector * kStride + k] = value;
    exponents[vector * kStride + k] = dot_exponent<Activation>(value);
  }
};

template <int kD>
struct SharedTiles {
  Operands<kRows, kD> q;
  Operands<kRows, kKeys> p;
  union {
    Operands<kKeys, kD> keys;
    Operands<kD, kKeys> values;  // transposed: k is the key
  };
};

// kCount 16-bit numbers, 8- or 16-byte aligned, as words.
template <int kCount>
__device__ void load_words(const void* from, std::uint32_t (&words)[kCount / 2]) {
  if constexpr (kCount == 4) {
    const auto pair = *static_cast<const uint2*>(from);
    words[0] = pair.x, words[1] = pair.y;
  } else {
#pragma unroll
    for (int i = 0; i < kCount / 8; ++i) {
      const auto four = static_cast<const uint4*>(from)[i];
      words[4 * i] = four.x, words[4 * i + 1] = four.y, words[4 * i + 2] = four.z, words[4 * i + 3] = four.w;
    }
  }
}

// kN operands of a vector, in registers.
template <class Activation, int kN, bool kHasExponents>
struct Chunk {
  float values[kN];
  std::uint32_t exponents[kN / 2];

  template <class Tile>
  __device__ void load(const Tile& tile, int vector, int k) {
    std::uint32_t words[kN / 2];
    load_words<kN>(tile.bits + vector * Tile::kStride + k, words);
#pragma unroll
    for (int i = 0; i < kN / 2; ++i) {
      const float2 pair = Activation::decode_pair(words[i]);
      values[2 * i] = pair.x;
      values[2 * i + 1] = pair.y;
    }
    if constexpr (kHasExponents) load_words<kN>(tile.exponents + vector * Tile::kStride + k, exponents);
  }
};

// The ways to add. `n` of the chunk's products count; the operands of the others are zeros, or a zero and anything.
template <class Number>
struct FmaOrder {
  using Sum = Number;
  static constexpr int kN = 8;
  static constexpr bool kHasExponents = false;

  template <class Activation, class C>
  static __device__ Sum add(Sum sum, const C& a, const C& b, const std::uint16_t*, const std::uint16_t*,
                            int n) {
#pragma unroll
    for (int k = 0; k < kN; ++k) {
      const Sum next = fma(static_cast<Sum>(a.values[k]), static_cast<Sum>(b.values[k]), sum);
      sum = k < n ? next : sum;
    }
    return sum;
  }
};

template <class Step>
struct StepOrder {
  using Sum = float;
  static constexpr int kN = Step::kN;
  static constexpr bool kHasExponents = true;

  template <class Activation, class C>
  static __device__ Sum add(Sum sum, const C& a, const C& b, const std::uint16_t* a_bits,
                            const std::uint16_t* b_bits, int n) {
    std::uint32_t largest = kNoExponents;
#pragma unroll
    for (int i = 0; i < kN / 2; ++i) largest = larger_exponents(a.exponents[i], b.exponents[i], largest);
    Step step(sum, largest_exponent(largest));
#pragma unroll
    for (int k = 0; k < kN; ++k) step.add(k, a.values[k], b.values[k]);
    if (step.ok()) return step.result();
    return dot_step_exact<Activation>(Step::kF, sum, a_bits, 1, b_bits, 1, n);
  }
};

// c[i][j] continues with vectors row + 16 i of `a` and column + 16 j of `b` over k < count, for i only k < counts[i].
template <class Activation, class Order, class A, class B>
__device__ __forceinline__ void multiply(const A& a, int row, const B& b, int column, int count,
                                         const int (&counts)[4], float (&c)[4][4]) {
  constexpr int kN = Order::kN;
  using Operand = Chunk<Activation, kN, Order::kHasExponents>;
  typename Order::Sum sums[4][4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) sums[i][j] = c[i][j];
  }
  for (int k = 0; k < count; k += kN) {
    Operand x[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) x[i].load(a, row + 16 * i, k);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      Operand y;
      y.load(b, column + 16 * j, k);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        sums[i][j] = Order::template add<Activation>(
            sums[i][j], x[i], y, a.bits + (row + 16 * i) * A::kStride + k,
            b.bits + (column + 16 * j) * B::kStride + k, max(0, min(kN, counts[i] - k)));
      }
    }
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) c[i][j] = static_cast<float>(sums[i][j]);
  }
}

struct PlainCall {
  const std::uint16_t* q;
  const std::uint16_t* keys;  // of the layer
  const std::uint16_t* values;
  std::uint16_t* out;
  std::int64_t q_stride;
  std::int64_t capacity;
  int rows, heads, kv_heads, d, first_position;
  float scale;
};

// A thread's rows of the online softmax.
struct SoftmaxRows {
  float max[4];
  float lanes[4];  // of lane x
};

// `vectors` of D elements, `stride` apart, as the first of kVectors; the others and what is beyond D are zeros.
template <class Activation, bool kTransposed, int kVectors, int kD, class Tile>
__device__ void stage(Tile& tile, const std::uint16_t* from, std::int64_t stride, int vectors, int d) {
  for (int i = static_cast<int>(threadIdx.x); i < kVectors * (kD / 8); i += kThreads) {
    // Neighbours read along a row; to transpose, they write along one.
    const int vector = kTransposed ? i % kVectors : i / (kD / 8);
    const int first = 8 * (kTransposed ? i / kVectors : i % (kD / 8));
    uint4 loaded = make_uint4(0, 0, 0, 0);
    if (vector < vectors && first < d)
      loaded = *reinterpret_cast<const uint4*>(from + vector * stride + first);
    const std::uint32_t words[4] = {loaded.x, loaded.y, loaded.z, loaded.w};
#pragma unroll
    for (int e = 0; e < 8; ++e) {
      const auto value = static_cast<std::uint16_t>(words[e / 2] >> (16 * (e % 2)));
      if constexpr (kTransposed) {
        tile.template put<Activation>(first + e, vector, value);
      } else {
        tile.template put<Activation>(vector, first + e, value);
      }
    }
  }
}

// Ops::softmax_tile on a thread's scores; a row that sees nothing of the tile is left as it is. Gives a of each row.
template <class Activation, class P>
__device__ void softmax_tile(float (&scores)[4][4], float scale, const int (&visible)[4], int x, int y,
                             SoftmaxRows& state, P& p, float (&rescale)[4]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    float largest = state.max[i];
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      scores[i][j] *= scale;
      if (x + 16 * j < visible[i] && scores[i][j] > largest) largest = scores[i][j];
    }
#pragma unroll
    for (int width = 8; width > 0; width /= 2) {
      const float other = __shfl_xor_sync(~0U, largest, width);
      largest = other > largest ? other : largest;
    }
    rescale[i] = visible[i] > 0 ? portable_exp(state.max[i] - largest) : 1.0F;
    state.max[i] = largest;
    state.lanes[i] *= rescale[i];
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      std::uint16_t bits = 0;
      if (x + 16 * j < visible[i]) {
        const float weight = portable_exp(scores[i][j] - largest);
        state.lanes[i] += weight;
        bits = Activation::encode(weight);
      }
      p.template put<Activation>(y + 16 * i, x + 16 * j, bits);
    }
  }
}

template <class Activation, class Order, int kD>
__global__ __launch_bounds__(kThreads) void attention_plain_kernel(const PlainCall call) {
  extern __shared__ __align__(16) unsigned char memory[];
  auto& tiles = *reinterpret_cast<SharedTiles<kD>*>(memory);
  const int x = static_cast<int>(threadIdx.x) % 16;
  const int y = static_cast<int>(threadIdx.x) / 16;
  const int head = static_cast<int>(blockIdx.x);
  const int first_row = static_cast<int>(gridDim.y - 1 - blockIdx.y) * kRows;  // the longest rows first
  const int rows = min(kRows, call.rows - first_row);
  const std::int64_t kv = std::int64_t{head} * call.kv_heads / call.heads * call.capacity * call.d;
  const int keys = call.first_position + first_row + rows;  // seen by the last row

  stage<Activation, false, kRows, kD>(tiles.q, call.q + first_row * call.q_stride + head * call.d,
                                      call.q_stride, rows, call.d);
  SoftmaxRows state;
#pragma unroll
  for (int i = 0; i < 4; ++i) state.max[i] = -INFINITY, state.lanes[i] = 0.0F;
  float out[kD / 64][4][4] = {};
  const int all[4] = {kD, kD, kD, kD};
  for (int start = 0; start < keys; start += kKeys) {
    const int there = min(kKeys, keys - start);
    int visible[4];
#pragma unroll
    for (int i = 0; i < 4; ++i)
      visible[i] = max(0, min(there, call.first_position + first_row + y + 16 * i + 1 - start));
    __syncthreads();  // the tile before has been used
    stage<Activation, false, kKeys, kD>(tiles.keys, call.keys + kv + std::int64_t{start} * call.d, call.d,
                                        there, call.d);
    __syncthreads();
    float scores[4][4] = {};
    multiply<Activation, Order>(tiles.q, y, tiles.keys, x, call.d, all, scores);
    float rescale[4];
    softmax_tile<Activation>(scores, call.scale, visible, x, y, state, tiles.p, rescale);
    __syncthreads();  // the keys have been used
    stage<Activation, true, kKeys, kD>(tiles.values, call.values + kv + std::int64_t{start} * call.d, call.d,
                                       there, call.d);
    __syncthreads();
#pragma unroll
    for (int part = 0; part < kD / 64; ++part) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) out[part][i][j] *= rescale[i];
      }
      multiply<Activation, Order>(tiles.p, y, tiles.values, x + 64 * part, there, visible, out[part]);
    }
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    float sum = state.lanes[i];
#pragma unroll
    for (int width = 8; width > 0; width /= 2) sum += __shfl_xor_sync(~0U, sum, width);
    const int row = y + 16 * i;
    if (row >= rows) continue;
    std::uint16_t* to = call.out + (std::int64_t{first_row + row} * call.heads + head) * call.d;
#pragma unroll
    for (int part = 0; part < kD / 64; ++part) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const int column = x + 16 * j + 64 * part;
        if (column < call.d) to[column] = Activation::encode(out[part][i][j] / sum);
      }
    }
  }
}

template <class Activation, class Order, int kD>
void launch(const PlainCall& call, cudaStream_t stream) {
  const auto kernel = attention_plain_kernel<Activation, Order, kD>;
  constexpr int kBytes = sizeof(SharedTiles<kD>);
  check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes),
             "cudaFuncSetAttribute");
  const dim3 grid(static_cast<unsigned>(call.heads), static_cast<unsigned>((call.rows + kRows - 1) / kRows));
  kernel<<<grid, kThreads, kBytes, stream>>>(call);
  check_launch("attention_plain", stream);
}

template <class Body>
void with_order(Family family, Dtype dtype, const Body& body) {
  if (family == Family::ieee) return body(std::type_identity<FmaOrder<float>>{});
  if (family == Family::exact) return body(std::type_identity<FmaOrder<double>>{});
  const auto arithmetic = dot_arithmetic(family, operand_of(dtype));
  require(arithmetic.has_value(), "a family that has steps of this type");
  with_dot_step(*arithmetic,
                [&](auto step) { body(std::type_identity<StepOrder<typename decltype(step)::type>>{}); });
}

}  // namespace

void attention_plain(const AttentionCall& call, Family family, Index first_position, cudaStream_t stream) {
  const Index d = call.kv.head_dim;
  require(d % 16 == 0 && d <= 128, "a head of at most 128, a multiple of 16");
  require(first_position + call.rows <= call.kv.capacity, "the cache holds the keys");
  const PlainCall plain = {call.q,
                           call.kv.keys,
                           call.kv.values,
                           call.out,
                           call.q_stride,
                           call.kv.capacity,
                           static_cast<int>(call.rows),
                           static_cast<int>(call.heads),
                           static_cast<int>(call.kv.kv_heads),
                           static_cast<int>(d),
                           static_cast<int>(first_position),
                           1.0F / std::sqrt(static_cast<float>(d))};
  with_order(family, call.dtype, [&](auto type) {
    using Order = typename decltype(type)::type;
    with_activation(call.dtype, [&](auto activation) {
      using Activation = decltype(activation);
      return d <= 64 ? launch<Activation, Order, 64>(plain, stream)
                     : launch<Activation, Order, 128>(plain, stream);
    });
  });
}

}  // namespace assay
