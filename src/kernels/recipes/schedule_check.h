// Test helpers: what is wrong with a schedule, and the layers of a Qwen3-8B. Not for the library.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kernels/recipes/recipe.h"

namespace assay {

struct Layer {
  const char* name;
  Index outputs, inputs;
};
inline constexpr std::array<Layer, 4> kQwen3Layers = {
    {{"qkv", 6144, 4096}, {"o", 4096, 4096}, {"gate_up", 24576, 4096}, {"down", 4096, 12288}}};

// Walks of a region's order, in units of `unit`, against output tiles of that many walks: "1:66 2:126".
inline std::string split_counts(const Schedule& schedule, Index unit, Index tile_rows, Index tile_columns) {
  std::map<Index, Index> counts;
  for (const Region& region : schedule.regions) {
    const auto walks =
        static_cast<Index>(schedule.orders[static_cast<std::size_t>(region.order)].walks.size());
    counts[walks / unit] += ceil_div(region.rows, tile_rows) * (region.columns / tile_columns);
  }
  std::string text;
  for (const auto& [splits, tiles] : counts) {
    text += fmt::format("{}{}:{}", text.empty() ? "" : " ", splits, tiles);
  }
  return text;
}

// "" if the walks of `order` cover [0, inputs) once and each accumulator but 0 is added into another once and
// not used afterwards.
inline std::string first_defect(const SumOrder& order, Index inputs) {
  std::vector<char> seen(static_cast<std::size_t>(inputs), 0);
  for (const Walk& walk : order.walks) {
    for (Index j = 0; j < walk.count; ++j) {
      for (Index i = 0; i < walk.run; ++i) {
        const Index k = walk.first + j * walk.stride + i;
        if (k < 0 || k >= inputs) return fmt::format("k = {} is outside", k);
        if (std::exchange(seen[static_cast<std::size_t>(k)], char{1}) != 0)
          return fmt::format("k = {} twice", k);
      }
    }
  }
  const auto missing = std::find(seen.begin(), seen.end(), 0);
  if (missing != seen.end()) return fmt::format("k = {} is missing", missing - seen.begin());
  std::vector<char> alive(order.walks.size(), 1);
  for (const Add& add : order.adds) {
    if (add.into == add.from || alive.at(static_cast<std::size_t>(add.into)) == 0 ||
        std::exchange(alive.at(static_cast<std::size_t>(add.from)), char{0}) == 0) {
      return fmt::format("add {} {} uses a spent accumulator", add.into, add.from);
    }
  }
  const auto left = std::count(alive.begin(), alive.end(), 1);
  return left == 1 && alive[0] == 1 ? "" : fmt::format("{} accumulators are left", left);
}

// "" if each output lies in one region and each order is sound, used and there once.
inline std::string first_defect(const Schedule& schedule, const LinearProblem& problem) {
  std::set<Index> edges = {0, problem.rows};
  std::set<Index> used;
  for (const Region& region : schedule.regions) {
    if (region.rows <= 0 || region.columns <= 0) return "an empty region";
    edges.insert({region.row, region.row + region.rows});
    used.insert(region.order);
  }
  if (used.size() != schedule.orders.size() || *used.begin() != 0 ||
      *used.rbegin() + 1 != static_cast<Index>(schedule.orders.size())) {
    return "orders and regions disagree";
  }
  for (auto edge = edges.begin(); std::next(edge) != edges.end(); ++edge) {
    std::vector<std::pair<Index, Index>> spans;
    for (const Region& region : schedule.regions) {
      if (region.row <= *edge && *edge < region.row + region.rows) {
        spans.emplace_back(region.column, region.column + region.columns);
      }
    }
    std::sort(spans.begin(), spans.end());
    Index column = 0;
    for (const auto& [begin, end] : spans) {
      if (begin != column) return fmt::format("row {}: a gap or overlap at column {}", *edge, begin);
      column = end;
    }
    if (column != problem.outputs) return fmt::format("row {}: columns end at {}", *edge, column);
  }
  for (std::size_t i = 0; i < schedule.orders.size(); ++i) {
    if (std::find(schedule.orders.begin(), schedule.orders.begin() + static_cast<Index>(i),
                  schedule.orders[i]) != schedule.orders.begin() + static_cast<Index>(i)) {
      return "an order twice";
    }
    if (auto defect = first_defect(schedule.orders[i], problem.inputs); !defect.empty()) return defect;
  }
  return "";
}

}  // namespace assay
