// Each block takes one tile of outputs after another and its walks in turn. Operands come to shared memory in stages of
// 32 k's, copied some stages ahead; the thread that copied a piece also makes what the aligner keeps of it, one stage
// ahead. Where the aligner's range was left, which only a whole tile can tell, the tile is computed again term by term.
#include "base/error.h"
#include "emulator/arithmetic.h"
#include "kernels/cuda/bfloat_aligner.cuh"
#include "kernels/cuda/emulated_kernel.h"
#include "kernels/cuda/half_aligner.cuh"
#include "kernels/cuda/native_steps.cuh"

namespace assay {
namespace {

template <class Steps, class Shape>
struct Stage {
  static constexpr int kOperandUnits = kStagePieces * (Shape::kRows + Shape::kColumns);
  static constexpr int kKeptUnits = Steps::stage_units(Shape::kRows, Shape::kColumns);
  static constexpr int kSharedUnits = Shape::kBuffers * kOperandUnits + 2 * kKeptUnits;
};

// A tile's place in the product, and this thread's in the tile.
template <class Shape>
struct TilePlace {
  const ProductOperands& product;
  DeviceTile tile;

  // Rows beyond the tile repeat its last one.
  __device__ const std::uint16_t* x(int row) const {
    return product.x + (tile.row + min(row, tile.rows - 1)) * product.inputs;
  }
  __device__ const std::uint16_t* w(int column) const {
    return product.w + (tile.column + min(column, tile.columns - 1)) * product.inputs;
  }
  static __device__ int first_row() {
    return static_cast<int>(threadIdx.x) / 32 / Shape::kWarpsAcross * 16 * Shape::kI;
  }
  static __device__ int first_column() {
    return static_cast<int>(threadIdx.x) / 32 % Shape::kWarpsAcross * 8 * Shape::kJ;
  }
  // Of output `i` of this thread: (tile down, tile across, register).
  static __device__ int row(int i) {
    return first_row() + i / 4 / Shape::kJ * 16 + static_cast<int>(threadIdx.x) % 32 / 4 + i % 4 / 2 * 8;
  }
  static __device__ int column(int i) {
    return first_column() + i / 4 % Shape::kJ * 8 + static_cast<int>(threadIdx.x) % 4 * 2 + i % 2;
  }
};

// This thread's piece of its rows, of every stage.
template <class Steps, class Shape>
class StageWriter {
 public:
  __device__ StageWriter(const TilePlace<Shape>& place, uint4* shared)
      : shared_(shared),
        first_(static_cast<int>(threadIdx.x) / kStagePieces),
        piece_(static_cast<int>(threadIdx.x) % kStagePieces) {
#pragma unroll
    for (int i = 0; i < kRowTurns; ++i) x_[i] = place.x(first_ + i * kRowsAtOnce);
#pragma unroll
    for (int i = 0; i < kColumnTurns; ++i) w_[i] = place.w(first_ + i * kRowsAtOnce);
  }

  __device__ uint4* operands(int stage) const {
    return shared_ + stage % Shape::kBuffers * Stage<Steps, Shape>::kOperandUnits;
  }
  __device__ uint4* kept(int stage) const {
    return shared_ + Shape::kBuffers * Stage<Steps, Shape>::kOperandUnits +
           stage % 2 * Stage<Steps, Shape>::kKeptUnits;
  }

  __device__ PieceCursor cursor(const DeviceWalk& walk) const { return PieceCursor(walk, piece_); }

  // The stage of the cursor, which goes on to the next.
  __device__ void copy(PieceCursor& cursor, int stage) const {
    uint4* to = operands(stage);
    each_row([&](int i, int row) { copy_piece(to + place_of(row), x_[i], cursor.k(), cursor.count()); });
    each_column([&](int i, int row) {
      copy_piece(to + place_of(Shape::kRows + row), w_[i], cursor.k(), cursor.count());
    });
    cursor.next_stage();
  }

  __device__ void keep(Steps& steps, int stage) const {
    const uint4* from = operands(stage);
    uint4* to = kept(stage);
    each_row([&](int, int row) { steps.template put_x<Shape>(to, row, piece_, from[place_of(row)]); });
    each_column([&](int, int row) {
      steps.template put_w<Shape>(to, row, piece_, from[place_of(Shape::kRows + row)]);
    });
  }

 private:
  static constexpr int kRowsAtOnce = Shape::kThreads / kStagePieces;
  static constexpr int kRowTurns = (Shape::kRows + kRowsAtOnce - 1) / kRowsAtOnce;
  static constexpr int kColumnTurns = (Shape::kColumns + kRowsAtOnce - 1) / kRowsAtOnce;

  __device__ int place_of(int row) const { return piece_place(row, piece_); }

  template <class Body>
  __device__ void each_row(const Body& body) const {
#pragma unroll
    for (int i = 0; i < kRowTurns; ++i) {
      const int row = first_ + i * kRowsAtOnce;
      if (Shape::kRows % kRowsAtOnce == 0 || row < Shape::kRows) body(i, row);
    }
  }
  template <class Body>
  __device__ void each_column(const Body& body) const {
#pragma unroll
    for (int i = 0; i < kColumnTurns; ++i) {
      const int row = first_ + i * kRowsAtOnce;
      if (Shape::kColumns % kRowsAtOnce == 0 || row < Shape::kColumns) body(i, row);
    }
  }

  uint4* shared_;
  int first_, piece_;
  const std::uint16_t* x_[kRowTurns];
  const std::uint16_t* w_[kColumnTurns];
};

// The accumulators of one walk, from +0.
template <class Steps, class Shape>
__device__ __forceinline__ void run_walk(Steps& steps, const StageWriter<Steps, Shape>& writer,
                                         const DeviceWalk& walk, StepSums<Shape>& c) {
  constexpr int kBuffers = Shape::kBuffers;
  const int row = TilePlace<Shape>::first_row();
  const int column = TilePlace<Shape>::first_column();
  const int stages = stages_of(walk);
  PieceCursor cursor = writer.cursor(walk);
#pragma unroll
  for (int s = 0; s < kBuffers - 1; ++s) {
    if (s < stages) writer.copy(cursor, s);
    close_copy_group();
  }
  wait_copy_groups<kBuffers - 2>();
  if (stages > 0) writer.keep(steps, 0);
  __syncthreads();
#pragma unroll 1
  for (int s = 0; s < stages; ++s) {
    wait_copy_groups<kBuffers - 3>();
    if (s + 1 < stages) writer.keep(steps, s + 1);
    if (s + kBuffers - 1 < stages) writer.copy(cursor, s + kBuffers - 1);
    close_copy_group();
    const uint4* operands = writer.operands(s);
    const uint4* kept = writer.kept(s);
#pragma unroll(Shape::kI == 1 ? kStagePieces : 1)
    for (int piece = 0; piece < kStagePieces; ++piece) {
      steps.template step_piece<Shape>(
          c, operands + kStagePieces * row, operands + kStagePieces * (Shape::kRows + column),
          kept + Steps::stage_units(row, 0), kept + Steps::stage_units(Shape::kRows, column), piece);
    }
    __syncthreads();
  }
}

// Whether the steps of the tile were all within the range of `steps`. Every thread of the block asks, and gets the same
// answer.
template <class Steps>
__device__ bool all_exact(const Steps& steps, int inputs) {
  __shared__ unsigned largest_x;
  __shared__ unsigned largest_w;
  if (threadIdx.x == 0) largest_x = largest_w = 0;
  __syncthreads();
  const LargestOperands largest = steps.largest();
  atomicMax(&largest_x, max(largest.x & 0xffffU, largest.x >> 16));
  atomicMax(&largest_w, max(largest.w & 0xffffU, largest.w >> 16));
  const bool lost = __syncthreads_or(steps.lost() ? 1 : 0) != 0;
  const bool exact = !lost && Steps::in_range(largest_x, largest_w, inputs);
  __syncthreads();
  return exact;
}

template <class Steps>
__device__ __noinline__ float exact_chain(const std::uint16_t* x, const std::uint16_t* w,
                                          const DeviceWalk& walk) {
  float c = 0.0F;
  for (int j = 0; j < walk.count; ++j) {
    for (int i = 0; i < walk.run; i += Steps::kN) {
      const int k = walk.first + j * walk.stride + i;
      c = dot_step_exact<typename Steps::Activation>(Steps::kF, c, x + k, 1, w + k, 1,
                                                     min(Steps::kN, walk.run - i));
    }
  }
  return c;
}

template <class Steps, class Shape>
__global__ void __launch_bounds__(Shape::kThreads, Shape::kResident)
    emulated_steps(const __grid_constant__ ProductOperands product,
                   const __grid_constant__ DeviceScheduleView schedule, float* partials) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  using Activation = typename Steps::Activation;
  using Place = TilePlace<Shape>;
  extern __shared__ uint4 shared[];
  for (int t = static_cast<int>(blockIdx.x); t < schedule.tile_count; t += static_cast<int>(gridDim.x)) {
    const Place place{product, schedule.tiles[t]};
    const DeviceOrder order = schedule.orders[place.tile.order];
    WalkSums<Activation, Shape::kOutputs> sums(partials, schedule.most_walks, order);
    const StageWriter<Steps, Shape> writer(place, shared);
    Steps steps;
    for (int walk = 0; walk < order.walks; ++walk) {
      StepSums<Shape> c = {};
      run_walk<Steps, Shape>(steps, writer, schedule.walks[order.first_walk + walk], c);
#pragma unroll
      for (int i = 0; i < Shape::kOutputs; ++i)
        sums.put(walk, i, c[i / 4 / Shape::kJ][i / 4 % Shape::kJ][i % 4]);
    }
    const bool exact = all_exact(steps, static_cast<int>(product.inputs));
#pragma unroll 1
    for (int i = 0; i < Shape::kOutputs; ++i) {
      const int row = Place::row(i);
      const int column = Place::column(i);
      if (row >= place.tile.rows || column >= place.tile.columns) continue;
      for (int walk = 0; walk < order.walks && !exact; ++walk) {
        sums.put(walk, i,
                 exact_chain<Steps>(place.x(row), place.w(column), schedule.walks[order.first_walk + walk]));
      }
      product.out[(place.tile.row + row) * product.outputs + place.tile.column + column] =
          Activation::encode(sums.total(schedule.adds, i));
    }
  }
#else
  __trap();
#endif
}

template <class Steps, class Shape>
EmulatedKernel kernel_of() {
  return {&emulated_steps<Steps, Shape>, Shape::kThreads, 16 * Stage<Steps, Shape>::kSharedUnits,
          Shape::kRows, Shape::kColumns};
}

template <class Steps>
EmulatedKernel kernel_of(TileSize size) {
  if (size == TileSize::few_rows) return kernel_of<Steps, StepShape<1, 4, 1, 1, 5, 1>>();
  if (size == TileSize::small) return kernel_of<Steps, StepShape<2, 2, 1, 4, 3, 3>>();
  return kernel_of<Steps, StepShape<1, 4, 4, 4, 2, 3>>();
}

}  // namespace

EmulatedKernel emulated_steps_kernel(Family family, Dtype dtype, TileSize size) {
  const auto arithmetic = dot_arithmetic(family, operand_of(dtype));
  require(arithmetic.has_value(), "the family multiplies this type");
  const bool half = dtype == Dtype::fp16;
  if (*arithmetic == DotArithmetic{16, 25})
    return half ? kernel_of<NativeSteps<Fp16Activation>>(size) : kernel_of<NativeSteps<Bf16Activation>>(size);
  if (*arithmetic == DotArithmetic{8, 24})
    return half ? kernel_of<HalfAligner<8, 24>>(size) : kernel_of<BfloatAligner>(size);
  require(half && *arithmetic == DotArithmetic{4, 23}, "steps that are known here");
  return kernel_of<HalfAligner<4, 23>>(size);
}

}  // namespace assay
