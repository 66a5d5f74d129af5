// kernels/compute.h's matmul on device memory: by a schedule, each part of a product by the fastest kernel that takes it.
// Where the GPU's own tensor cores have the arithmetic that is asked for: few_rows.h, library_chain.h, chain_pair.h, and
// chain_sum.h, which takes everything. Else emulated_product.h.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <tuple>

#include "emulator/device.h"
#include "kernels/cuda/chain_pair.h"
#include "kernels/cuda/chain_sum.h"
#include "kernels/cuda/emulated_product.h"
#include "kernels/cuda/few_rows.h"
#include "kernels/cuda/library_chain.h"

namespace assay {

// W [K, N] in device memory, one of the two.
struct DeviceWeight {
  const std::uint16_t* dense = nullptr;  // [N, K] row-major
  Int4View int4;                         // where dense is null
};

// Which rows a call computes of which pass.
struct ProductRows {
  Index pass_rows = 0;
  RowRange rows;            // of the pass
  bool are_passes = false;  // each row is a pass of its own; rows.count of them, and pass_rows is 1
};

class DeviceMatmul {
 public:
  // Products under `family`'s arithmetic with operands of `dtype`. Everything is ordered on `stream`.
  DeviceMatmul(Family family, Dtype dtype, cudaStream_t stream);

  // How often plans were dropped and their memory with them, which a captured graph of launches may refer to.
  int times_cleared() const { return times_cleared_; }

  // Largest N K that run() dequantizes; before the first four-bit product.
  void reserve_dequantized(Index elements);

  // Whether products run on the tensor cores of this GPU.
  bool on_tensor_cores() const { return on_tensor_cores_; }

  // out [rows.count, N] = RN(X W); x and out point to the first row. `schedule` makes the schedule of a pass; it is called
  // once for each `shape` (a name of the product: equal shapes have equal N, K and schedules), when its plan is made.
  // With a plan made, run() launches only.
  void run(int shape, const ProductRows& rows, const std::function<Schedule(Index pass_rows)>& schedule,
           const std::uint16_t* x, const DeviceWeight& w, Index outputs, Index inputs, std::uint16_t* out);

 private:
  struct Plan {
    std::optional<EmulatedProductPlan> emulated;
    std::optional<FewRowsPlan> few_rows;
    bool by_library = false;
    std::optional<ChainPairPlan> pair;
    std::optional<ChainSumPlan> sum;
  };
  using Key = std::tuple<int, Index, Index, Index, bool>;

  Plan make_plan(const Schedule& cut, const ProductOperands& operands, const DeviceWeight& w);
  void launch(Plan& plan, const ProductOperands& operands, const DeviceWeight& w);

  Family family_;
  Dtype dtype_;
  cudaStream_t stream_;
  bool on_tensor_cores_;  // this GPU's have the arithmetic
  bool is_hopper_;
  LibraryChain library_;
  DeviceBuffer<std::uint16_t> dequantized_;
  std::map<Key, Plan> plans_;
  int times_cleared_ = 0;
};

}  // namespace assay
