#include "kernels/cuda/few_rows_program.h"

#include <algorithm>

namespace assay {
namespace {

constexpr Index kStrip = 32;
constexpr Index kUnit = 32;
constexpr int kMostWarps = 8;
// With more strips than this several blocks share a multiprocessor, and smaller ones fill it better.
constexpr Index kManyStrips = 264;
constexpr int kFewWarps = 4;

using Pieces = std::vector<FewRowsPiece>;

bool is_empty(const Walk& walk) { return walk.run * walk.count == 0; }

FewRowsPiece piece(Index first, Index stride, Index units, std::size_t walk, std::size_t second) {
  return {static_cast<std::int32_t>(first / kUnit),
          static_cast<std::int32_t>(stride / kUnit),
          static_cast<std::int32_t>(units),
          {static_cast<std::int16_t>(walk), static_cast<std::int16_t>(second)}};
}

std::optional<Pieces> whole_pieces(const SumOrder& order) {
  Pieces pieces;
  for (std::size_t i = 0; i < order.walks.size(); ++i) {
    const Walk& walk = order.walks[i];
    if (is_empty(walk)) continue;
    const Index length = walk.run * walk.count;
    if (walk.first % kUnit != 0 || length % kUnit != 0) return std::nullopt;
    if (walk.count == 1 || walk.stride == walk.run) {
      pieces.push_back(piece(walk.first, kUnit, length / kUnit, i, i));
    } else if (walk.run == kUnit && walk.stride % kUnit == 0) {
      pieces.push_back(piece(walk.first, walk.stride, walk.count, i, i));
    } else {
      return std::nullopt;
    }
  }
  return pieces;
}

std::optional<Pieces> paired_pieces(const SumOrder& order) {
  Pieces pieces;
  if (order.walks.size() % 2 != 0) return std::nullopt;
  for (std::size_t i = 0; i < order.walks.size(); i += 2) {
    const Walk& walk = order.walks[i];
    Walk next = order.walks[i + 1];
    next.first -= kUnit / 2;
    if (next != walk) return std::nullopt;
    if (is_empty(walk)) continue;
    if (walk.first % kUnit != 0 || walk.run != kUnit / 2) return std::nullopt;
    if (walk.count > 1 && walk.stride % kUnit != 0) return std::nullopt;
    pieces.push_back(piece(walk.first, walk.stride, walk.count, i, i + 1));
  }
  return pieces;
}

// The longest first, each to the warp that has least.
std::vector<Pieces> dealt_out(Pieces pieces, int warps) {
  std::stable_sort(pieces.begin(), pieces.end(),
                   [](const FewRowsPiece& a, const FewRowsPiece& b) { return a.units > b.units; });
  std::vector<Pieces> lists(static_cast<std::size_t>(warps));
  std::vector<Index> units(lists.size());
  for (const FewRowsPiece& piece : pieces) {
    const auto least = std::min_element(units.begin(), units.end()) - units.begin();
    lists[static_cast<std::size_t>(least)].push_back(piece);
    units[static_cast<std::size_t>(least)] += piece.units;
  }
  return lists;
}

// The order of each strip; empty unless regions cover each strip once, all rows, with FP32 accumulators.
std::vector<std::size_t> orders_of_strips(const Schedule& cut, Index outputs) {
  std::vector<std::size_t> orders(static_cast<std::size_t>(outputs / kStrip), cut.orders.size());
  Index covered = 0;
  for (const Region& region : cut.regions) {
    const auto order = static_cast<std::size_t>(region.order);
    if (region.row != 0 || region.rows != cut.regions[0].rows || region.column % kStrip != 0 ||
        region.columns % kStrip != 0 || region.column + region.columns > outputs ||
        cut.orders[order].accumulator != Accumulator::fp32) {
      return {};
    }
    for (Index strip = region.column / kStrip; strip < (region.column + region.columns) / kStrip; ++strip) {
      auto& of_strip = orders[static_cast<std::size_t>(strip)];
      if (of_strip != cut.orders.size()) return {};
      of_strip = order;
    }
    covered += region.columns;
  }
  return covered == outputs ? orders : std::vector<std::size_t>{};
}

std::optional<std::vector<Pieces>> pieces_of_orders(const std::vector<SumOrder>& orders, bool paired) {
  std::vector<Pieces> all;
  for (const SumOrder& order : orders) {
    auto pieces = paired ? paired_pieces(order) : whole_pieces(order);
    if (!pieces) return std::nullopt;
    all.push_back(std::move(*pieces));
  }
  return all;
}

// Orders of other rows of the pass lose their walks.
std::vector<SumOrder> orders_in_use(const Schedule& cut) {
  std::vector<SumOrder> orders(cut.orders.size());
  for (const Region& region : cut.regions) {
    const auto order = static_cast<std::size_t>(region.order);
    orders[order] = cut.orders[order];
  }
  return orders;
}

}  // namespace

std::optional<FewRowsProgram> few_rows_program(const Schedule& cut, Index outputs, Index inputs) {
  if (outputs % kStrip != 0 || inputs % kUnit != 0) return std::nullopt;
  const std::vector<std::size_t> order_of = orders_of_strips(cut, outputs);
  if (order_of.empty()) return std::nullopt;
  const std::vector<SumOrder> orders = orders_in_use(cut);
  FewRowsProgram program;
  auto pieces = pieces_of_orders(orders, false);
  if (!pieces) {
    program.paired = true;
    pieces = pieces_of_orders(orders, true);
  }
  if (!pieces) return std::nullopt;

  std::size_t most_pieces = 1;
  for (const Pieces& of_order : *pieces) most_pieces = std::max(most_pieces, of_order.size());
  const bool many = outputs / kStrip > kManyStrips;
  program.warps = std::min(static_cast<int>(most_pieces), many ? kFewWarps : kMostWarps);

  std::vector<FewRowsSum> sums;
  std::vector<std::vector<Pieces>> lists;
  std::size_t longest = 0;
  for (std::size_t i = 0; i < orders.size(); ++i) {
    const SumOrder& order = orders[i];
    sums.push_back({static_cast<std::int32_t>(program.adds.size()),
                    static_cast<std::int32_t>(order.adds.size()),
                    static_cast<std::int32_t>(order.walks.size()), order.rounds_walks ? 1 : 0});
    for (const Add& add : order.adds)
      program.adds.push_back({static_cast<std::int32_t>(add.into), static_cast<std::int32_t>(add.from)});
    for (const Walk& walk : order.walks) program.has_empty_walks |= is_empty(walk);
    program.most_walks = std::max(program.most_walks, static_cast<int>(order.walks.size()));
    program.most_adds = std::max(program.most_adds, static_cast<int>(order.adds.size()));
    lists.push_back(dealt_out((*pieces)[i], program.warps));
    for (const Pieces& list : lists.back()) longest = std::max(longest, list.size());
  }
  program.pieces_per_warp = static_cast<int>(longest) + 1;
  for (const std::size_t order : order_of) {
    program.sums.push_back(sums[order]);
    for (Pieces list : lists[order]) {
      list.resize(longest + 1);
      program.pieces.insert(program.pieces.end(), list.begin(), list.end());
    }
  }
  return program;
}

}  // namespace assay
