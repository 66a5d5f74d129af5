#include "kernels/cuda/int4_matrix.h"

#include "base/error.h"
#include "kernels/cuda/int4_layout.cuh"

namespace assay {
namespace {

constexpr int kThreads = 256;

// Where the four bits of one weight lie in a file's words.
struct AwqWords {
  const std::uint32_t* words;
  Index columns;
  __device__ std::uint32_t operator()(Index k, Index column) const {
    const int nibble = static_cast<int>(column % 8 / 2 + column % 2 * 4);  // columns 0, 2, 4, 6, 1, 3, 5, 7
    return words[k * (columns / 8) + column / 8] >> (4 * nibble) & 15;
  }
};
struct GptqWords {
  const std::uint32_t* words;
  Index columns;
  __device__ std::uint32_t operator()(Index k, Index column) const {
    return words[k / 8 * columns + column] >> (4 * (k % 8)) & 15;
  }
};

// A thread for each lane of each unit of the part's strips.
template <class Words>
__global__ void fill_nibbles(Words words, const std::int32_t* row_order, Index inputs, Index lanes,
                             uint4* out) {
  const Index at = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x;
  if (at >= lanes) return;
  const Index units = inputs / kUnitInputs;
  const Index unit = at / 32 % units;
  const Index strip = at / 32 / units;
  const int g = static_cast<int>(at % 32) / 4;
  const int q = static_cast<int>(at % 4);
  std::uint32_t packed[4] = {};
  for (int b = 0; b < 2; ++b) {
    for (int i = 0; i < 4; ++i) {
      const Index row = unit * kUnitInputs + 16 * b + 4 * q + i;
      const Index k = row_order == nullptr ? row : row_order[row];
      for (int eighth = 0; eighth < 4; ++eighth) {
        const int nibble = 2 * (eighth % 2) + i / 2 + 4 * (i % 2);
        packed[2 * b + eighth / 2] |= words(k, strip * kStripOutputs + 8 * eighth + g) << (4 * nibble);
      }
    }
  }
  out[at] = make_uint4(packed[0], packed[1], packed[2], packed[3]);
}

__global__ void fill_groups(const std::uint16_t* scales, const std::uint8_t* zeros, std::uint32_t offset,
                            Index groups, Index columns, std::uint32_t* out) {
  const Index at = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x;
  if (at >= groups * columns) return;
  const Index group = at / columns;
  const Index column = at % columns;
  const Index word =
      (column / kStripOutputs * groups + group) * kStripOutputs + column % 8 * 4 + column % kStripOutputs / 8;
  out[word] = scales[at] | (offset + zeros[at]) << 16;
}

// Units that one warp writes: 256 bytes of each of its strip's rows.
constexpr int kUnitsPerWarp = 4;

// Lane 4 g + q has k's 4 q to 4 q + 3 of both halves of a unit. It gives one half to its neighbour for the
// other, so that it stores 8 consecutive k's: of the first half if q is even.
template <class Activation>
__global__ void __launch_bounds__(kThreads)
    dequantize_kernel(const uint4* nibbles, const uint4* groups, Index inputs, Index group_size, Index warps,
                      std::uint16_t* out) {
  const Index warp = static_cast<Index>(blockIdx.x) * (kThreads / 32) + threadIdx.x / 32;
  if (warp >= warps) return;
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int g = lane / 4;
  const int q = lane % 4;
  const bool odd = q % 2 == 1;
  const Index units = inputs / kUnitInputs;
  const Index per_strip = (units + kUnitsPerWarp - 1) / kUnitsPerWarp;
  const Index strip = warp / per_strip;
  const Index first = warp % per_strip * kUnitsPerWarp;
  const uint4* source = nibbles + (strip * units + first) * 32 + lane;
  const uint4* scales = groups + strip * (inputs / group_size) * 8 + g;
  std::uint16_t* row = out + (strip * kStripOutputs + g) * inputs + (odd ? 16 + 4 * (q - 1) : 4 * q);

  uint4 unit[kUnitsPerWarp];
#pragma unroll
  for (int u = 0; u < kUnitsPerWarp; ++u) {
    if (first + u < units) unit[u] = __ldcs(source + u * 32);
  }
#pragma unroll
  for (int u = 0; u < kUnitsPerWarp; ++u) {
    if (first + u >= units) return;
    const Index k = (first + u) * kUnitInputs;
    const uint4 of_group = __ldg(scales + k / group_size * 8);
    const std::uint32_t columns[4] = {of_group.x, of_group.y, of_group.z, of_group.w};
    const std::uint32_t words[4] = {unit[u].x, unit[u].y, unit[u].z, unit[u].w};
#pragma unroll
    for (int eighth = 0; eighth < 4; ++eighth) {
      const Int4Scale<Activation> scale(columns[eighth]);
      const std::uint32_t low = words[eighth / 2] >> (8 * (eighth % 2));
      const std::uint32_t high = words[2 + eighth / 2] >> (8 * (eighth % 2));
      const uint2 here = make_uint2(scale.even(low), scale.odd(low));
      const uint2 there = make_uint2(scale.even(high), scale.odd(high));
      const uint2 mine = odd ? there : here;
      const uint2 given = odd ? here : there;
      const uint2 got = make_uint2(__shfl_xor_sync(~0U, given.x, 1), __shfl_xor_sync(~0U, given.y, 1));
      const uint4 stored =
          odd ? make_uint4(got.x, got.y, mine.x, mine.y) : make_uint4(mine.x, mine.y, got.x, got.y);
      *reinterpret_cast<uint4*>(row + 8 * eighth * inputs + k) = stored;
    }
  }
}

unsigned blocks_for(Index threads) { return static_cast<unsigned>(ceil_div(threads, Index{kThreads})); }

template <class Words>
void fill(const PackedColumns& part, const Int4View& view, std::uint32_t* nibbles, std::uint32_t* group_words,
          cudaStream_t stream) {
  require(part.column % kStripOutputs == 0 && part.columns % kStripOutputs == 0 &&
              part.column + part.columns <= view.outputs,
          "whole strips of 32 columns");
  const Index groups = view.inputs / view.group_size;
  const Index lanes = part.columns / 8 * view.inputs / 4;
  auto* out = reinterpret_cast<uint4*>(nibbles + part.column * view.inputs / 8);
  fill_nibbles<<<blocks_for(lanes), kThreads, 0, stream>>>(Words{part.qweight, part.columns}, part.row_order,
                                                           view.inputs, lanes, out);
  check_launch("fill_nibbles", stream);
  with_activation(view.dtype, [&](auto activation) {
    fill_groups<<<blocks_for(groups * part.columns), kThreads, 0, stream>>>(
        part.scales, part.zeros, Int4Scale<decltype(activation)>::kOffset, groups, part.columns,
        group_words + part.column * groups);
  });
  check_launch("fill_groups", stream);
}

}  // namespace

Int4Matrix::Int4Matrix(Index inputs, Index outputs, Index group_size, Dtype dtype) {
  require(inputs % kUnitInputs == 0 && outputs % kStripOutputs == 0 && group_size % kUnitInputs == 0 &&
              inputs % group_size == 0,
          "K, N and the group size are multiples of 32");
  nibbles_ = DeviceBuffer<std::uint32_t>(static_cast<std::size_t>(inputs / 8 * outputs));
  groups_ = DeviceBuffer<std::uint32_t>(static_cast<std::size_t>(inputs / group_size * outputs));
  view_ = {nibbles_.data(), groups_.data(), inputs, outputs, group_size, dtype};
}

void Int4Matrix::fill_awq(const PackedColumns& part, cudaStream_t stream) {
  fill<AwqWords>(part, view_, nibbles_.data(), groups_.data(), stream);
}

void Int4Matrix::fill_gptq(const PackedColumns& part, cudaStream_t stream) {
  fill<GptqWords>(part, view_, nibbles_.data(), groups_.data(), stream);
}

void dequantize(const Int4View& w, std::uint16_t* out, cudaStream_t stream) {
  const Index warps = w.outputs / kStripOutputs * ceil_div(w.inputs / kUnitInputs, Index{kUnitsPerWarp});
  const unsigned blocks = blocks_for(32 * warps);
  with_activation(w.dtype, [&](auto activation) {
    dequantize_kernel<decltype(activation)><<<blocks, kThreads, 0, stream>>>(
        reinterpret_cast<const uint4*>(w.nibbles), reinterpret_cast<const uint4*>(w.groups), w.inputs,
        w.group_size, warps, out);
  });
  check_launch("dequantize", stream);
}

}  // namespace assay
