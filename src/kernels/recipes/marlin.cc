#include "kernels/recipes/marlin.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "kernels/recipes/schedule_builder.h"

namespace assay {
namespace {

constexpr Index kStages = 4;  // of the fetch pipeline
constexpr MarlinTile kNarrow = {.k = 128, .n = 64, .threads = 128};
constexpr std::array<MarlinTile, 3> kSmallTiles = {
    {{.k = 128, .n = 128, .threads = 256}, {.k = 64, .n = 128, .threads = 128}, kNarrow}};
constexpr std::array<MarlinTile, 3> kLargeTiles = {
    {{.k = 64, .n = 256, .threads = 256}, {.k = 64, .n = 128, .threads = 128}, kNarrow}};

bool one_group(const LinearProblem& problem) { return problem.group_size == problem.inputs; }

Error refusal(MarlinGeneration generation, std::string expected, std::string found) {
  return {"", generation == MarlinGeneration::a ? "kernel marlin_a" : "kernel marlin_b", std::move(expected),
          std::move(found)};
}

std::optional<Error> check(const LinearProblem& problem, const DeviceSpec& device,
                           MarlinGeneration generation) {
  const auto refuse = [&](std::string expected, std::string found) {
    return refusal(generation, std::move(expected), std::move(found));
  };
  if (device.compute_capability == 75 && generation == MarlinGeneration::b) {
    return refuse("a device of compute capability 8.0 or more: fp16 accumulators are not modelled",
                  std::string(device.name));
  }
  if (device.compute_capability < 80) {
    return refuse("a device of compute capability 8.0 or more", std::string(device.name));
  }
  if (problem.dtype != Dtype::fp16 && problem.dtype != Dtype::bf16) {
    return refuse("dtype float16 or bfloat16", std::string(name_of(problem.dtype)));
  }
  if (problem.outputs <= 0 || problem.outputs % 64 != 0) {
    return refuse("outputs (N) a multiple of 64", std::to_string(problem.outputs));
  }
  if (problem.inputs <= 0 || problem.inputs % 128 != 0) {
    return refuse("inputs (K) a multiple of 128", std::to_string(problem.inputs));
  }
  const Index group = problem.group_size;
  if (!one_group(problem) && group != 32 && group != 64 && group != 128) {
    return refuse("group size 32, 64, 128 or the whole column", std::to_string(group));
  }
  return std::nullopt;
}

// Bytes of shared memory of a block (get_kernel_cache_size): the larger of weights and reduction buffer, with
// the bias; activations; scales and zero points of each stage.
Index shared_bytes(const MarlinTile& tile, Index row_blocks, const LinearProblem& problem) {
  const Index rows = 16 * row_blocks;
  const Index activations = kStages * rows * tile.k * 2;
  const Index weights = kStages * (tile.k * tile.n / 8) * 4;
  const Index reduction = rows * (tile.n + 8) * 2;
  const Index bias = tile.n * 2;
  const Index groups = one_group(problem) ? 1 : ceil_div(tile.k, problem.group_size);
  const Index scales = kStages * groups * tile.n * 2;
  const Index zeros = problem.zero_points ? scales / 4 : 0;
  return std::max({weights, reduction, std::min(weights, reduction) + bias}) + activations + scales + zeros;
}

bool fits(const MarlinTile& tile, Index row_blocks, const LinearProblem& problem, Index limit) {
  return problem.inputs % tile.k == 0 && problem.outputs % tile.n == 0 &&
         shared_bytes(tile, row_blocks, problem) <= limit;
}

std::optional<MarlinTile> choose_tile(Index rows, Index row_blocks, const LinearProblem& problem,
                                      const DeviceSpec& device, MarlinGeneration generation) {
  const auto& tiles = row_blocks > 1 ? kLargeTiles : kSmallTiles;
  const auto* found = std::find_if(tiles.begin(), tiles.end(), [&](const MarlinTile& tile) {
    return fits(tile, row_blocks, problem, device.shared_memory - 512);
  });
  if (found == tiles.end()) return std::nullopt;
  const Index output_tiles = problem.outputs / found->n * ceil_div(rows, 16 * row_blocks);
  if (generation == MarlinGeneration::b && output_tiles * 4 <= device.sm_count &&
      fits(kNarrow, row_blocks, problem, device.shared_memory)) {
    return kNarrow;
  }
  return *found;
}

// The slices of one output tile, ascending k: [cuts[i], cuts[i + 1]) in k-tiles.
SumOrder slice_sum(const std::vector<Index>& cuts, const MarlinTile& tile, MarlinGeneration generation) {
  const Index warps = tile.warp_rows();
  const Index run = generation == MarlinGeneration::a ? 16 : 32;
  SumOrder order;
  for (std::size_t slice = 0; slice + 1 < cuts.size(); ++slice) {
    const auto base = static_cast<Index>(order.walks.size());
    for (Index warp = 0; warp < warps; ++warp) {
      order.walks.push_back({.first = cuts[slice] * tile.k + warp * run,
                             .run = run,
                             .stride = warps * run,
                             .count = (cuts[slice + 1] - cuts[slice]) * tile.k / (warps * run)});
    }
    if (warps == 4) order.adds.insert(order.adds.end(), {{base + 3, base + 2}, {base + 1, base + 3}});
    order.adds.push_back({.into = base, .from = base + 1});
  }
  for (Index slice = static_cast<Index>(cuts.size()) - 3; slice >= 0; --slice) {
    order.adds.push_back({.into = slice * warps, .from = (slice + 1) * warps});
  }
  return order;
}

// Where the stripes of a launch begin and how long they are.
struct Stripes {
  Index whole = 0;   // output tiles before the striped ones, not cut
  Index length = 0;  // k-tiles of a stripe
};

Stripes stripes_of(Index output_tiles, const LinearProblem& problem, const MarlinTile& tile, Index sms,
                   MarlinGeneration generation) {
  Index striped = output_tiles;
  if (generation == MarlinGeneration::b && output_tiles > sms) {
    striped = output_tiles % sms;
    if (striped * 3 <= sms) striped += sms;
  }
  Index length = ceil_div(problem.inputs / tile.k * striped, sms);
  if (!one_group(problem) && problem.group_size >= tile.k) {
    const Index tiles_of_group = problem.group_size / tile.k;
    length = tiles_of_group * ceil_div(length, tiles_of_group);
  }
  return {.whole = output_tiles - striped, .length = length};
}

void add_launch(ScheduleBuilder& builder, const MarlinLaunch& launch, const LinearProblem& problem,
                const DeviceSpec& device, MarlinGeneration generation) {
  const MarlinTile& tile = launch.tile;
  const Index across = problem.outputs / tile.n;
  const Index depth = problem.inputs / tile.k;
  const Index output_tiles = across * ceil_div(launch.rows, launch.tile_rows);
  const Stripes stripes = stripes_of(output_tiles, problem, tile, device.sm_count, generation);
  std::map<Index, Index> order_of;  // by the first cut, which fixes the others
  for (Index i = 0; i < output_tiles; ++i) {
    Index cut = depth;
    if (i >= stripes.whole) {
      cut = std::min(depth, stripes.length - (i - stripes.whole) * depth % stripes.length);
    }
    auto [order, is_new] = order_of.try_emplace(cut, 0);
    if (is_new) {
      std::vector<Index> cuts = {0};
      for (Index k = cut; k < depth; k += stripes.length) cuts.push_back(k);
      cuts.push_back(depth);
      order->second = builder.order(slice_sum(cuts, tile, generation));
    }
    const Index row = i / across * launch.tile_rows;
    builder.add({.row = launch.row + row,
                 .rows = std::min(launch.tile_rows, launch.rows - row),
                 .column = i % across * tile.n,
                 .columns = tile.n,
                 .order = order->second});
  }
}

}  // namespace

Result<std::vector<MarlinLaunch>> marlin_launches(const LinearProblem& problem, const DeviceSpec& device,
                                                  MarlinGeneration generation) {
  if (auto refused = check(problem, device, generation)) return *refused;
  const Index most_tiles = problem.outputs <= 4096 ? 128 : 16;
  std::vector<MarlinLaunch> launches;
  Index most_blocks = 4;
  for (Index row = 0; row < problem.rows;) {
    const Index left = problem.rows - row;
    const Index tiles = std::min(left / (16 * most_blocks), most_tiles);
    const Index rows = tiles > 0 ? tiles * 16 * most_blocks : left;
    const Index blocks = std::min(ceil_div(rows, 16), most_blocks);
    const auto tile = choose_tile(rows, blocks, problem, device, generation);
    if (!tile && most_blocks == 1) {
      return refusal(generation, "a tile that fits the device's shared memory",
                     fmt::format("{} bytes on {}", device.shared_memory, device.name));
    }
    if (!tile) {
      --most_blocks;
      continue;
    }
    launches.push_back({.row = row, .rows = rows, .tile_rows = 16 * blocks, .tile = *tile});
    row += rows;
  }
  return launches;
}

Result<Schedule> marlin_schedule(const LinearProblem& problem, const DeviceSpec& device,
                                 MarlinGeneration generation) {
  const auto launches = marlin_launches(problem, device, generation);
  if (!launches) return launches.error();
  ScheduleBuilder builder;
  for (const MarlinLaunch& launch : *launches) add_launch(builder, launch, problem, device, generation);
  return builder.take();
}

}  // namespace assay
