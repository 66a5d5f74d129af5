// A block has 32 outputs. Its warps stream units of 32 k (weights in four bits where they have four, and activations)
// through rings in shared memory and run the pieces of their lists as chains of mma.sync m16n8k16, outputs as the rows
// of the instruction. A list has one warp or, where there are few lists, a team of two, each with half of the outputs.
// The sums of all walks meet in shared memory, where the order's additions are done.
#include "kernels/cuda/few_rows.h"

#include "base/error.h"
#include "kernels/cuda/early_launch.cuh"
#include "kernels/cuda/few_rows_operands.cuh"

namespace assay {
namespace {

constexpr int kMostThreads = 256;         // a warp a list; twice as many with two warps a list
constexpr int kSharedLimit = 227 * 1024;  // of a block
constexpr int kMostWholeInputs = 24 * 1024;
constexpr unsigned kFewLists = 2048;  // of all blocks, some 16 on a multiprocessor: each keeps more in flight
constexpr unsigned kVeryFewLists = 768;  // two warps share each
constexpr Index kMostSums = 512;         // walks times rows: 64 KiB of sums

// Shared memory, in this order: a ring of `depth` pairs of units for each list, scales [groups][2][8 g][4] and zero
// points of Int4Scale, x if whole, pieces, additions, sums [walks][rows][32]. A pair is two units of weights, then two
// of activations if they are streamed.
struct SharedLayout {
  int pair, scales, inputs, pieces, adds, sums, bytes;
};
template <class Weights, class Inputs>
__host__ __device__ SharedLayout shared_layout(const FewRowsArguments& a, int warps, int depth) {
  SharedLayout layout = {};
  layout.pair = 2 * (Weights::kUnitBytes + (Inputs::kWhole ? 0 : a.rows * kRowBytes));
  layout.scales = warps * depth * layout.pair;
  layout.inputs = layout.scales + a.group_count * Weights::kGroupBytes;
  layout.pieces = layout.inputs + (Inputs::kWhole ? a.rows * a.inputs * 2 : 0);
  layout.adds = layout.pieces + warps * a.pieces_per_warp * static_cast<int>(sizeof(FewRowsPiece));
  layout.sums = layout.adds + (a.most_adds + 1) / 2 * 2 * static_cast<int>(sizeof(FewRowsAdd));
  layout.bytes = layout.sums + a.most_walks * a.rows * kStripOutputs * 4;
  return layout;
}

template <class Activation>
__device__ __forceinline__ void multiply(float (&c)[4], const std::uint32_t (&a)[4], uint2 b) {
  if constexpr (Activation::kDtype == Dtype::fp16) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b.x), "r"(b.y));
  } else {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b.x), "r"(b.y));
  }
}

// A place in a warp's list, a pair of units at a time. The same in all lanes, and known to be.
struct Cursor {
  __device__ explicit Cursor(const FewRowsPiece* list) : next(list) { begin_piece(); }
  __device__ __forceinline__ void begin_piece() {
    const int4 piece = *reinterpret_cast<const int4*>(next++);
    unit = __shfl_sync(~0U, piece.x, 0);
    stride = __shfl_sync(~0U, piece.y, 0);
    left = __shfl_sync(~0U, piece.z, 0);
    walks = __shfl_sync(~0U, piece.w, 0);
  }
  __device__ __forceinline__ bool at_end() const { return left <= 0; }
  __device__ __forceinline__ bool has_second() const { return left > 1; }
  // Of the pair; the first again if there is no second.
  __device__ __forceinline__ int second() const { return has_second() ? unit + stride : unit; }
  // Whether a piece has ended.
  __device__ __forceinline__ bool advance() {
    unit += 2 * stride;
    left -= 2;
    return left <= 0;
  }

  const FewRowsPiece* next;
  int unit, stride, left;
  int walks;  // FewRowsPiece::walks, the first in the low half
};

// Sums of outputs 16 t + g and 16 t + 8 + g of rows 8 r + 2 q and 8 r + 2 q + 1; the next piece begins from +0.
template <class Activation, int kTiles, int kRowTiles>
__device__ void store_sums(float (&c)[kTiles][kRowTiles][4], float* sums, int rows, bool rounds,
                           unsigned lane) {
#pragma unroll
  for (int tile = 0; tile < kTiles; ++tile) {
#pragma unroll
    for (int r = 0; r < kRowTiles; ++r) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int row = 8 * r + static_cast<int>(lane % 4) * 2 + i % 2;
        const int output = 16 * tile + i / 2 * 8 + static_cast<int>(lane / 4);
        const float sum = rounds ? Activation::round(c[tile][r][i]) : c[tile][r][i];
        if (row < rows) sums[row * kStripOutputs + output] = sum;
        c[tile][r][i] = 0.0F;
      }
    }
  }
}

// What the block shares: the scales of its groups, its additions, zeros for walks without k's.
template <class Activation>
__device__ FewRowsSum begin_block(const FewRowsArguments& a, const SharedLayout& layout, std::byte* shared) {
  const int threads = static_cast<int>(blockDim.x);
  const int thread = static_cast<int>(threadIdx.x);
  const int4 bits = __ldg(reinterpret_cast<const int4*>(a.sums + blockIdx.x));
  const FewRowsSum sum = {bits.x, bits.y, bits.z, bits.w};
  const auto* groups =
      reinterpret_cast<const uint4*>(a.groups) + static_cast<Index>(blockIdx.x) * a.group_count * 8;
  auto* scales = reinterpret_cast<uint4*>(shared + layout.scales);
#pragma unroll 4
  for (int i = thread; i < a.group_count * 8; i += threads) {
    const uint4 columns = __ldg(groups + i);
    const Int4Scale<Activation> c0(columns.x), c1(columns.y), c2(columns.z), c3(columns.w);
    scales[i / 8 * 16 + i % 8] = make_uint4(c0.scale, c1.scale, c2.scale, c3.scale);
    scales[i / 8 * 16 + 8 + i % 8] = make_uint4(c0.zero, c1.zero, c2.zero, c3.zero);
  }
  for (int i = thread; i < sum.adds; i += threads) {
    reinterpret_cast<int2*>(shared + layout.adds)[i] =
        __ldg(reinterpret_cast<const int2*>(a.adds) + sum.first_add + i);
  }
  if (a.clears != 0) {
    for (int i = thread; i < a.most_walks * a.rows * kStripOutputs; i += threads)
      reinterpret_cast<float*>(shared + layout.sums)[i] = 0.0F;
  }
  return sum;
}

// The one or two warps of a list meet here.
template <int kWarps>
__device__ __forceinline__ void meet_team(int team) {
  if constexpr (kWarps == 1) {
    __syncwarp();
  } else {
    asm volatile("bar.sync %0, 64;" ::"r"(team + 1) : "memory");
  }
}

template <class Activation, class W, class Inputs, int kRowTiles, bool kPaired, int kDepth>
__global__ void __launch_bounds__(kMostThreads * 2 / W::kTiles, kRowTiles == 1 ? W::kTiles : 1)
    few_rows_kernel(const FewRowsArguments a) {
  constexpr int kTeam = 2 / W::kTiles;  // warps of a list: each has one tile
  extern __shared__ __align__(128) std::byte shared[];
  let_later_kernels_start();
  const int warps = static_cast<int>(blockDim.x / 32) / kTeam;  // or teams
  const int number = __shfl_sync(~0U, static_cast<int>(threadIdx.x / 32), 0);
  const int warp = number / kTeam;
  const int tile = number % kTeam;
  const unsigned lane = threadIdx.x % 32;
  const SharedLayout layout = shared_layout<W, Inputs>(a, warps, kDepth);

  auto* list = reinterpret_cast<FewRowsPiece*>(shared + layout.pieces) + warp * a.pieces_per_warp;
  const FewRowsPiece* pieces = a.pieces + (static_cast<Index>(blockIdx.x) * warps + warp) * a.pieces_per_warp;
  for (int i = static_cast<int>(lane); i < a.pieces_per_warp; i += 32)
    reinterpret_cast<int4*>(list)[i] = __ldg(reinterpret_cast<const int4*>(pieces) + i);
  meet_team<kTeam>(warp);

  const W weights(a, shared_address(shared + layout.scales), static_cast<unsigned>(tile), lane);
  const Inputs inputs(a, shared_address(shared + layout.inputs), lane);
  const auto pair_bytes = static_cast<unsigned>(layout.pair);
  unsigned ring = shared_address(shared) + static_cast<unsigned>(warp) * kDepth * pair_bytes;
  unsigned ring_last = ring + (kDepth - 1) * pair_bytes;
  keep(ring);
  keep(ring_last);
  const auto unit_rows = static_cast<unsigned>(a.rows * kRowBytes);
  Cursor use(list);
  Cursor fetch = use;
  // Each warp of two copies one unit.
  const auto copy_pair_weights = [&](unsigned pair) {
    if (tile == 0) weights.copy(pair, fetch.unit);
    if (tile == kTeam - 1) weights.copy(pair + W::kUnitBytes, fetch.second());
  };
  // In place of a unit that is not there, a step of zeros, which changes nothing.
  const auto copy_pair_inputs = [&](unsigned pair) {
    if (tile == 0) inputs.copy(pair + 2 * W::kUnitBytes, fetch.unit, true);
    if (tile == kTeam - 1)
      inputs.copy(pair + 2 * W::kUnitBytes + unit_rows, fetch.second(), fetch.has_second());
  };
  const auto advance_fetch = [&] {
    if (fetch.advance()) fetch.begin_piece();
  };

  // First what does not depend on earlier kernels.
#pragma unroll 1
  for (unsigned i = 0; i < kDepth - 1 && !fetch.at_end(); ++i) {
    copy_pair_weights(ring + i * pair_bytes);
    advance_fetch();
  }
  const FewRowsSum sum = begin_block<Activation>(a, layout, shared);
  wait_for_earlier_kernels();
  inputs.begin(a);
  fetch = use;
#pragma unroll 1
  for (unsigned i = 0; i < kDepth - 1; ++i) {
    if (!fetch.at_end()) {
      copy_pair_inputs(ring + i * pair_bytes);
      advance_fetch();
    }
    end_copies();
  }
  wait_for_copies<kDepth - 2>();
  __syncthreads();

  float c[kPaired ? 2 : 1][W::kTiles][kRowTiles][4] = {};
  auto* sums = reinterpret_cast<float*>(shared + layout.sums);
  float* first_sum = sums + tile * 16;
  const int sum_size = a.rows * kStripOutputs;
  const auto add_unit = [&](const auto& unit_weights, const auto& unit_inputs) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      std::uint32_t fragments[W::kTiles][4];
      W::unpack(unit_weights, half, fragments);
#pragma unroll
      for (int r = 0; r < kRowTiles; ++r) {
#pragma unroll
        for (int t = 0; t < W::kTiles; ++t)
          multiply<Activation>(c[kPaired ? half : 0][t][r], fragments[t], unit_inputs.inputs[half][r]);
      }
    }
  };
  unsigned pair = ring;       // in use
  unsigned free = ring_last;  // the one before it
  auto w0 = weights.load(pair, use.unit);
  auto x0 = inputs.load(pair + 2 * W::kUnitBytes, use.unit, true);
#pragma unroll 1
  while (!use.at_end()) {
    bool ends = false;
#pragma unroll 1
    while (!ends) {
      // Each unit is loaded while the one before it is multiplied; after the last of a piece, some unit, for nothing.
      const auto w1 = weights.load(pair + W::kUnitBytes, use.second());
      const auto x1 = inputs.load(pair + 2 * W::kUnitBytes + unit_rows, use.second(), use.has_second());
      if (!fetch.at_end()) {
        copy_pair_weights(free);
        copy_pair_inputs(free);
        advance_fetch();
      }
      end_copies();
      ends = use.advance();
      add_unit(w0, x0);
      free = pair;
      pair = pair == ring_last ? ring : pair + pair_bytes;
      wait_for_copies<kDepth - 2>();
      meet_team<kTeam>(warp);
      const int next = ends ? 0 : use.unit;
      w0 = weights.load(pair, next);
      x0 = inputs.load(pair + 2 * W::kUnitBytes, next, true);
      add_unit(w1, x1);
    }
    const bool rounds = sum.rounds_walks != 0;
    store_sums<Activation>(c[0], first_sum + (use.walks & 0xffff) * sum_size, a.rows, rounds, lane);
    if constexpr (kPaired)
      store_sums<Activation>(c[1], first_sum + (use.walks >> 16) * sum_size, a.rows, rounds, lane);
    use.begin_piece();
    w0 = weights.load(pair, use.unit);
    x0 = inputs.load(pair + 2 * W::kUnitBytes, use.unit, true);
  }

  __syncthreads();
  const auto* adds = reinterpret_cast<const int2*>(shared + layout.adds);
  for (int i = static_cast<int>(threadIdx.x); i < sum_size; i += static_cast<int>(blockDim.x)) {
    for (int j = 0; j < sum.adds; ++j) sums[adds[j].x * sum_size + i] += sums[adds[j].y * sum_size + i];
    a.out[static_cast<Index>(i / kStripOutputs) * a.outputs + blockIdx.x * kStripOutputs +
          i % kStripOutputs] = Activation::encode(sums[i]);
  }
}

struct Launch {
  unsigned blocks;
  int warps;
  cudaStream_t stream;
};

template <class Activation, class W, class Inputs, int kRowTiles, bool kPaired, int kDepth>
void start(const FewRowsArguments& a, const Launch& launch) {
  const auto kernel = few_rows_kernel<Activation, W, Inputs, kRowTiles, kPaired, kDepth>;
  static const cudaError_t raised =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kSharedLimit);
  check_cuda(raised, "cudaFuncSetAttribute");
  launch_early(
      kernel, "few_rows",
      {launch.blocks, static_cast<unsigned>(32 * launch.warps * 2 / W::kTiles),
       static_cast<std::size_t>(shared_layout<W, Inputs>(a, launch.warps, kDepth).bytes), launch.stream},
      a);
}

template <class Activation>
void start_dense(const FewRowsArguments& a, const Launch& launch) {
  using W = DenseWeights;
  if (a.rows <= 8) {
    start<Activation, W, StreamedInputs<1>, 1, false, 4>(a, launch);
  } else {
    start<Activation, W, StreamedInputs<2>, 2, false, 4>(a, launch);
  }
}

template <class Activation, bool kPaired, int kTiles, int kDepth>
void start_eight_rows(const FewRowsArguments& a, const Launch& launch) {
  using W = Int4Weights<Activation, kTiles>;
  if (a.rows * a.inputs * 2 <= kMostWholeInputs) {
    start<Activation, W, WholeInputs<1>, 1, kPaired, kDepth>(a, launch);
  } else {
    start<Activation, W, StreamedInputs<1>, 1, kPaired, kDepth>(a, launch);
  }
}

template <class Activation, bool kPaired>
void start_int4(const FewRowsArguments& a, const Launch& launch) {
  if (a.rows > 8)
    return start<Activation, Int4Weights<Activation, 2>, StreamedInputs<2>, 2, kPaired, 4>(a, launch);
  const unsigned lists = launch.blocks * static_cast<unsigned>(launch.warps);
  if (lists <= kVeryFewLists) {
    start_eight_rows<Activation, kPaired, 1, 8>(a, launch);
  } else if (lists <= kFewLists) {
    start_eight_rows<Activation, kPaired, 2, 8>(a, launch);
  } else {
    start_eight_rows<Activation, kPaired, 2, 4>(a, launch);
  }
}

}  // namespace

bool supports_few_rows(const Schedule& cut, Index rows, Index outputs, Index inputs) {
  if (rows < 1 || rows > kMostFewRows) return false;
  const auto program = few_rows_program(cut, outputs, inputs);
  return program && program->most_walks * rows <= kMostSums;
}

FewRowsPlan::FewRowsPlan(const Schedule& cut, Index rows, Index outputs, Index inputs, cudaStream_t stream)
    : rows_(rows), outputs_(outputs), inputs_(inputs) {
  require(supports_few_rows(cut, rows, outputs, inputs), "a product that FewRowsPlan supports");
  program_ = *few_rows_program(cut, outputs, inputs);
  pieces_ = DeviceBuffer<FewRowsPiece>(std::span<const FewRowsPiece>(program_.pieces), stream);
  sums_ = DeviceBuffer<FewRowsSum>(std::span<const FewRowsSum>(program_.sums), stream);
  adds_ = DeviceBuffer<FewRowsAdd>(std::span<const FewRowsAdd>(program_.adds), stream);
  program_.pieces = {};
  program_.sums = {};
  program_.adds = {};
}

void FewRowsPlan::run(const ProductOperands& operands, cudaStream_t stream) const {
  launch(operands, nullptr, stream);
}

void FewRowsPlan::run(const ProductOperands& operands, const Int4View& w, cudaStream_t stream) const {
  require(w.inputs == inputs_ && w.outputs == outputs_ && w.dtype == operands.dtype,
          "weights of the plan's shape");
  launch(operands, &w, stream);
}

void FewRowsPlan::launch(const ProductOperands& operands, const Int4View* w, cudaStream_t stream) const {
  require(operands.rows == rows_ && operands.outputs == outputs_ && operands.inputs == inputs_,
          "operands of the plan's shape");
  require(w != nullptr || !program_.paired, "four-bit weights for walks in runs of 16");
  FewRowsArguments a = {};
  a.weights = reinterpret_cast<const std::byte*>(operands.w);
  a.x = operands.x;
  a.out = operands.out;
  a.pieces = pieces_.data();
  a.sums = sums_.data();
  a.adds = adds_.data();
  a.rows = static_cast<int>(rows_);
  a.outputs = static_cast<int>(outputs_);
  a.inputs = static_cast<int>(inputs_);
  a.pieces_per_warp = program_.pieces_per_warp;
  a.most_adds = program_.most_adds;
  a.most_walks = program_.most_walks;
  a.clears = program_.has_empty_walks ? 1 : 0;
  if (w != nullptr) {
    a.weights = reinterpret_cast<const std::byte*>(w->nibbles);
    a.groups = w->groups;
    a.group_count = static_cast<int>(inputs_ / w->group_size);
    a.group_divisor = static_cast<std::uint32_t>(ceil_div(Index{1} << 31, w->group_size / kUnitInputs));
  }
  const Launch launch = {static_cast<unsigned>(outputs_ / kStripOutputs), program_.warps, stream};
  with_activation(operands.dtype, [&](auto activation) {
    using Activation = decltype(activation);
    if (w != nullptr) {
      program_.paired ? start_int4<Activation, true>(a, launch) : start_int4<Activation, false>(a, launch);
    } else {
      start_dense<Activation>(a, launch);
    }
  });
}

}  // namespace assay
