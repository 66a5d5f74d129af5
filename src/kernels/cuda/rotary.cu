// Head norm, rotary embedding and the keys' and values' way into their slots.
#include "kernels/cuda/early_launch.cuh"
#include "kernels/cuda/row_ops.h"
#include "kernels/cuda/vector8.cuh"
#include "kernels/ops.h"

namespace assay {
namespace {

constexpr unsigned kWholeWarp = 0xffffffffU;

// Heads of a row in order: queries, keys, values. Each kind of head has its norm and its place.
struct RowHeads {
  __device__ __forceinline__ RowHeads(const Rotation& rotation, const KvLayer& layer, Index row)
      : queries(static_cast<int>(rotation.heads)),
        keys(static_cast<int>(layer.kv_heads)),
        angle(rotation.positions[row] * (layer.head_dim / 2)),
        slot(rotation.slots[row]),
        first((row * (queries + 2 * keys)) * layer.head_dim) {}

  __device__ __forceinline__ int count() const { return queries + 2 * keys; }
  __device__ __forceinline__ bool rotates(int head) const { return head < queries + keys; }
  __device__ __forceinline__ const std::uint16_t* norm(const Rotation& rotation, int head) const {
    return head < queries ? rotation.query_norm : rotation.key_norm;
  }
  // Null for a query.
  __device__ __forceinline__ std::uint16_t* stored(const KvLayer& layer, int head) const {
    if (head < queries) return nullptr;
    std::uint16_t* heads = rotates(head) ? layer.keys : layer.values;
    const int kv_head = head - queries - (rotates(head) ? 0 : keys);
    return heads + (kv_head * layer.capacity + slot) * layer.head_dim;
  }

  int queries;
  int keys;
  Index angle;  // of the row's first cosine
  Index slot;
  Index first;  // of the row's first head
};

// D of 64 or 128: eight threads a head, four heads a warp. Thread t holds elements 4 t to 4 t + 3 of each 32, so that
// a reduction lane and both elements of a rotated pair are in one thread.
constexpr int kHeadThreads = 8;
constexpr int kBlockThreads = 128;
constexpr int kBlockHeads = kBlockThreads / kHeadThreads;

template <class T, int kDim>
struct HeadPart {
  static constexpr int kSteps = kDim / 32;

  __device__ __forceinline__ HeadPart(const uint2* bits) {
#pragma unroll
    for (int j = 0; j < kSteps; ++j) {
      const float2 low = T::decode_pair(bits[j].x);
      const float2 high = T::decode_pair(bits[j].y);
      x[j][0] = low.x, x[j][1] = low.y, x[j][2] = high.x, x[j][3] = high.y;
    }
  }
  __device__ __forceinline__ void encode(uint2* bits) const {
#pragma unroll
    for (int j = 0; j < kSteps; ++j) {
      bits[j] = make_uint2(T::encode_pair(x[j][0], x[j][1]), T::encode_pair(x[j][2], x[j][3]));
    }
  }

  // The tree of kernels/ops.h; every thread of the head gets it. All threads of the warp take part.
  __device__ __forceinline__ float sum_of_squares() const {
    float lanes[4] = {};
#pragma unroll
    for (int e = 0; e < 4; ++e) {
#pragma unroll
      for (int j = 0; j < kSteps; ++j) lanes[e] = __fmaf_rn(x[j][e], x[j][e], lanes[e]);
#pragma unroll
      for (unsigned distance = kHeadThreads / 2; distance > 0; distance /= 2) {
        lanes[e] += __shfl_down_sync(kWholeWarp, lanes[e], distance, kHeadThreads);
      }
    }
    const float sum = (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
    return __shfl_sync(kWholeWarp, sum, 0, kHeadThreads);
  }

  __device__ __forceinline__ void normalize(float scale, const uint2* __restrict__ weight) {
#pragma unroll
    for (int j = 0; j < kSteps; ++j) {
      const uint2 w = weight[j * kHeadThreads];
      const float2 low = T::decode_pair(w.x);
      const float2 high = T::decode_pair(w.y);
      x[j][0] = T::round(T::round(x[j][0] * scale) * low.x);
      x[j][1] = T::round(T::round(x[j][1] * scale) * low.y);
      x[j][2] = T::round(T::round(x[j][2] * scale) * high.x);
      x[j][3] = T::round(T::round(x[j][3] * scale) * high.y);
    }
  }

  __device__ __forceinline__ void rotate(const float4* __restrict__ cosine, const float4* __restrict__ sine) {
#pragma unroll
    for (int j = 0; j < kSteps / 2; ++j) {
      const float4 c4 = cosine[j * kHeadThreads];
      const float4 s4 = sine[j * kHeadThreads];
      const float c[4] = {c4.x, c4.y, c4.z, c4.w};
      const float s[4] = {s4.x, s4.y, s4.z, s4.w};
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const float lo = x[j][e];
        const float hi = x[j + kSteps / 2][e];
        x[j][e] = T::round(lo * c[e]) - T::round(hi * s[e]);
        x[j + kSteps / 2][e] = T::round(hi * c[e]) + T::round(lo * s[e]);
      }
    }
  }

  float x[kSteps][4];
};

// grid.x rows, grid.y shares of a row's heads.
template <class T, int kDim>
__global__ void __launch_bounds__(kBlockThreads)
    rotate_heads(Rotation rotation, std::uint16_t* qkv, KvLayer layer) {
  constexpr int kSteps = kDim / 32;
  let_later_kernels_start();
  wait_for_earlier_kernels();
  const RowHeads heads(rotation, layer, blockIdx.x);
  const auto thread = static_cast<int>(threadIdx.x) % kHeadThreads;
  const int head = static_cast<int>(blockIdx.y) * kBlockHeads + static_cast<int>(threadIdx.x) / kHeadThreads;
  const bool has_head = head < heads.count();
  auto* place = reinterpret_cast<uint2*>(qkv + heads.first + static_cast<Index>(head) * kDim) + thread;
  uint2 bits[kSteps] = {};
  if (has_head) {
#pragma unroll
    for (int j = 0; j < kSteps; ++j) bits[j] = place[j * kHeadThreads];
  }
  HeadPart<T, kDim> part(bits);
  const float sum = part.sum_of_squares();
  if (!has_head) return;
  if (heads.rotates(head)) {
    if (const std::uint16_t* weight = heads.norm(rotation, head); weight != nullptr) {
      const float scale = 1.0F / sqrtf(sum / static_cast<float>(kDim) + rotation.eps);
      part.normalize(scale, reinterpret_cast<const uint2*>(weight) + thread);
    }
    part.rotate(reinterpret_cast<const float4*>(rotation.cosine + heads.angle) + thread,
                reinterpret_cast<const float4*>(rotation.sine + heads.angle) + thread);
    part.encode(bits);
#pragma unroll
    for (int j = 0; j < kSteps; ++j) place[j * kHeadThreads] = bits[j];
  }
  if (std::uint16_t* stored = heads.stored(layer, head); stored != nullptr) {
    auto* to = reinterpret_cast<uint2*>(stored) + thread;
#pragma unroll
    for (int j = 0; j < kSteps; ++j) to[j * kHeadThreads] = bits[j];
  }
}

// Any D, a warp a head, which lies in shared memory: element i belongs to lane i mod 32.
template <class T>
__global__ void __launch_bounds__(32) rotate_any_head(Rotation rotation, std::uint16_t* qkv, KvLayer layer) {
  extern __shared__ float x[];
  const RowHeads heads(rotation, layer, blockIdx.x);
  const auto head = static_cast<int>(blockIdx.y);
  const auto lane = static_cast<int>(threadIdx.x);
  const auto n = static_cast<int>(layer.head_dim);
  std::uint16_t* place = qkv + heads.first + static_cast<Index>(head) * n;
  float sum = 0.0F;
  for (int i = lane; i < n; i += kReductionLanes) {
    x[i] = T::decode(place[i]);
    sum = __fmaf_rn(x[i], x[i], sum);
  }
  for (unsigned width = kReductionLanes / 2; width > 0; width /= 2)
    sum += __shfl_down_sync(kWholeWarp, sum, width);
  sum = __shfl_sync(kWholeWarp, sum, 0);
  if (heads.rotates(head)) {
    if (const std::uint16_t* weight = heads.norm(rotation, head); weight != nullptr) {
      const float scale = 1.0F / sqrtf(sum / static_cast<float>(n) + rotation.eps);
      for (int i = lane; i < n; i += 32) x[i] = T::round(T::round(x[i] * scale) * T::decode(weight[i]));
    }
    __syncwarp();
    for (int i = lane; i < n / 2; i += 32) {
      const float c = rotation.cosine[heads.angle + i];
      const float s = rotation.sine[heads.angle + i];
      const float lo = x[i];
      const float hi = x[i + n / 2];
      x[i] = T::round(lo * c) - T::round(hi * s);
      x[i + n / 2] = T::round(hi * c) + T::round(lo * s);
    }
    __syncwarp();
  }
  std::uint16_t* stored = heads.stored(layer, head);
  for (int i = lane; i < n; i += 32) {
    const std::uint16_t bits = T::encode(x[i]);
    if (heads.rotates(head)) place[i] = bits;
    if (stored != nullptr) stored[i] = bits;
  }
}

}  // namespace

void rotate_and_store(Dtype dtype, const Rotation& rotation, std::uint16_t* qkv, Index rows,
                      const KvLayer& kv, cudaStream_t stream) {
  const Index heads = rotation.heads + 2 * kv.kv_heads;
  const dim3 shares(static_cast<unsigned>(rows),
                    static_cast<unsigned>((heads + kBlockHeads - 1) / kBlockHeads));
  const dim3 singles(static_cast<unsigned>(rows), static_cast<unsigned>(heads));
  const auto bytes = static_cast<std::size_t>(kv.head_dim) * sizeof(float);
  with_activation(dtype, [&](auto t) {
    using T = decltype(t);
    if (kv.head_dim == 128) {
      launch_early(rotate_heads<T, 128>, "rotate_heads", {shares, kBlockThreads, 0, stream}, rotation, qkv,
                   kv);
    } else if (kv.head_dim == 64) {
      launch_early(rotate_heads<T, 64>, "rotate_heads", {shares, kBlockThreads, 0, stream}, rotation, qkv,
                   kv);
    } else {
      rotate_any_head<T><<<singles, 32, bytes, stream>>>(rotation, qkv, kv);
      check_launch("rotate_any_head", stream);
    }
  });
}

}  // namespace assay
