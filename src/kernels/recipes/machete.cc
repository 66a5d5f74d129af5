#include "kernels/recipes/machete.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/error.h"
#include "kernels/recipes/schedule_builder.h"

namespace assay {
namespace {

constexpr Index kTileK = 64;
constexpr Index kLeastPiece = 8;  // k-tiles (CUTLASS min_iters_per_sk_unit_)
constexpr Index kMostGroups = 8;  // CUTLASS max_sk_groups_
constexpr Index kGpc = 18;        // SMs of a graphics processing cluster of GH100

std::optional<Error> refusal(const LinearProblem& problem, const DeviceSpec& device) {
  const auto refuse = [](std::string expected, std::string found) {
    return Error{"", "kernel machete", std::move(expected), std::move(found)};
  };
  if (device.compute_capability != 90) {
    return refuse("a device of compute capability 9.0", std::string(device.name));
  }
  if (problem.dtype != Dtype::fp16 && problem.dtype != Dtype::bf16) {
    return refuse("dtype float16 or bfloat16", std::string(name_of(problem.dtype)));
  }
  if (problem.zero_points) return refuse("weights without zero points", "zero points");
  if (problem.inputs <= 0 || problem.inputs % kTileK != 0) {
    return refuse("inputs (K) a multiple of 64", std::to_string(problem.inputs));
  }
  if (problem.outputs <= 0 || problem.outputs % 128 != 0) {
    return refuse("outputs (N) a multiple of 128", std::to_string(problem.outputs));
  }
  const Index group = problem.group_size;
  if (group != problem.inputs && group != 64 && group != 128) {
    return refuse("group size 64, 128 or the whole column", std::to_string(group));
  }
  if (problem.inputs % group != 0) {
    return refuse(fmt::format("inputs (K) a multiple of the group size {}", group),
                  std::to_string(problem.inputs));
  }
  return std::nullopt;
}

// Blocks of a wave, in whole clusters (get_max_cta_occupancy).
Index wave_of(Index sms, Index cluster) {
  if (cluster == 1) return sms;
  const Index gpcs = sms < kGpc ? 1 : sms / kGpc;
  const Index residual = sms < kGpc ? 0 : sms % kGpc;
  const Index blocks = gpcs * (kGpc - kGpc % cluster) + residual - residual % cluster;
  return std::min(sms, blocks) / cluster * cluster;
}

// The output tiles in the order in which the scheduler counts them.
struct Raster {
  MacheteTile tile;
  Index clusters = 0;   // along outputs
  Index row_tiles = 0;  // along rows

  bool along_rows() const { return row_tiles <= clusters * tile.cluster; }
  Index tiles() const { return clusters * tile.cluster * row_tiles; }
  Region region(Index cluster_tile, const LinearProblem& problem) const {
    const Index fast = along_rows() ? row_tiles : clusters;
    const Index row = (along_rows() ? cluster_tile % fast : cluster_tile / fast) * tile.rows;
    const Index width = tile.cluster * tile.outputs;
    const Index column = (along_rows() ? cluster_tile / fast : cluster_tile % fast) * width;
    return {.row = row,
            .rows = std::min(tile.rows, problem.rows - row),
            .column = column,
            .columns = std::min(width, problem.outputs - column),
            .order = 0};
  }
};

// Stream-K's shares, counted in clusters: `units` of blocks take `tiles` of output tiles.
struct StreamK {
  Index tiles = 0;
  Index units = 0;
  Index depth = 0;  // k-tiles of an output tile
  Index cluster = 0;
};

// The number of groups (calculate_groups): the largest that divides units and tiles, else the largest that
// divides units; a unit's share must not fall below the least piece.
Index groups_of(const StreamK& plan, Index most) {
  const auto too_small = [&](Index groups) {
    return plan.tiles / groups * plan.cluster * plan.depth / (plan.units * plan.cluster / groups) <
           kLeastPiece;
  };
  Index fallback = 1;
  for (Index groups = std::min(most, kMostGroups); groups > 1; --groups) {
    if (plan.units % groups != 0 || too_small(groups)) continue;
    if (plan.tiles % groups == 0) return groups;
    if (fallback == 1) fallback = groups;
  }
  return fallback;
}

// Moves a boundary (in k-tiles of a group) to the edge of its output tile where the piece would be too short.
Index snap(Index boundary, Index depth) {
  const Index inside = boundary % depth;
  if (inside < kLeastPiece) return boundary - inside;
  if (inside > depth - kLeastPiece) return boundary + depth - inside;
  return boundary;
}

// For each cluster of tiles, the lengths of its pieces in k-tiles, ascending k.
std::vector<std::vector<Index>> stream_k_pieces(const StreamK& plan, Index groups) {
  std::vector<std::vector<Index>> pieces(static_cast<std::size_t>(plan.tiles));
  const Index units = plan.units / groups;
  for (Index group = 0; group < groups; ++group) {
    const Index tiles = plan.tiles / groups + (group < plan.tiles % groups ? 1 : 0);
    const Index share = tiles * plan.depth / units;
    const Index longer = tiles * plan.depth - share * units;
    for (Index unit = 0; unit < units; ++unit) {
      const Index start = share * unit + std::min(unit, longer);
      const Index end = snap(start + share + (unit < longer ? 1 : 0), plan.depth);
      for (Index k = snap(start, plan.depth); k < end;) {
        const Index tile = k / plan.depth;
        const Index stop = std::min(end, (tile + 1) * plan.depth);
        pieces[static_cast<std::size_t>(tile * groups + group)].push_back(stop - k);
        k = stop;
      }
    }
  }
  return pieces;
}

std::vector<Index> even_pieces(Index depth, Index count) {
  std::vector<Index> pieces(static_cast<std::size_t>(count), depth / count);
  for (Index i = 0; i < depth % count; ++i) ++pieces[static_cast<std::size_t>(i)];
  return pieces;
}

// The pieces of each cluster of tiles; those beyond the end are not cut.
std::vector<std::vector<Index>> pieces_of(const Raster& raster, Index depth, Index sms) {
  const Index cluster = raster.tile.cluster;
  const Index tiles = raster.tiles();
  const Index wave = wave_of(sms, cluster);
  const Index full_waves = tiles / wave;
  const Index tail = tiles % wave;
  if (tail == 0 || depth <= kLeastPiece || 2 * tail >= wave) return {};
  const Index shared = (tiles - std::max<Index>(full_waves - 1, 0) * wave) / cluster * cluster;
  const Index units = std::min(wave, depth * shared / kLeastPiece / cluster * cluster);
  if (shared == 0 || units == 0) return {};
  if (shared < units && units % shared == 0) {
    return std::vector<std::vector<Index>>(static_cast<std::size_t>(tiles / cluster),
                                           even_pieces(depth, units / shared));
  }
  const StreamK plan = {
      .tiles = shared / cluster, .units = units / cluster, .depth = depth, .cluster = cluster};
  return stream_k_pieces(plan, groups_of(plan, raster.along_rows() ? raster.row_tiles : raster.clusters));
}

}  // namespace

MacheteTile machete_tile(Index rows, Index outputs, Index inputs) {
  const Index m = rows;
  const Index n = outputs;
  const Index k = inputs;
  if (m > 256) return k <= 16384 && n <= 4096 ? MacheteTile{128, 128, 2} : MacheteTile{128, 256, 2};
  if (m > 128) {
    if (k <= 4096 && n <= 4096) return {128, 64, 2};
    return k <= 8192 && n <= 8192 ? MacheteTile{128, 128, 2} : MacheteTile{128, 256, 2};
  }
  if (m > 64) {
    if (k <= 4069 && n <= 4069) return {128, 32, 2};
    if (k <= 4069 && n <= 8192) return {128, 64, 2};
    return k >= 8192 && n >= 12288 ? MacheteTile{256, 128, 2} : MacheteTile{128, 128, 2};
  }
  if (m > 32) {
    if (k <= 6144 && n <= 6144) return {128, 16, 1};
    return k >= 16384 && n >= 12288 ? MacheteTile{256, 64, 2} : MacheteTile{128, 64, 2};
  }
  if (m > 16) return k <= 12288 && n <= 8192 ? MacheteTile{128, 32, 2} : MacheteTile{256, 32, 2};
  return n >= 26624 ? MacheteTile{256, 16, 1} : MacheteTile{128, 16, 1};
}

Result<Schedule> machete_schedule(const LinearProblem& problem, const DeviceSpec& device) {
  if (auto refused = refusal(problem, device)) return *refused;
  const MacheteTile tile = machete_tile(problem.rows, problem.outputs, problem.inputs);
  const Raster raster = {.tile = tile,
                         .clusters = ceil_div(problem.outputs, tile.outputs * tile.cluster),
                         .row_tiles = ceil_div(problem.rows, tile.rows)};
  const Index depth = problem.inputs / kTileK;
  const auto pieces = pieces_of(raster, depth, device.sm_count);
  ScheduleBuilder builder;
  for (Index i = 0; i < raster.tiles() / tile.cluster; ++i) {
    const auto at = static_cast<std::size_t>(i);
    std::vector<Index> lengths = at < pieces.size() ? pieces[at] : std::vector<Index>{depth};
    for (Index& length : lengths) length *= kTileK;
    Region region = raster.region(i, problem);
    region.order = builder.order(ascending_sum(lengths));
    builder.add(region);
  }
  return builder.take();
}

}  // namespace assay
