#include "gemm_recipes.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

namespace assay_probe {
namespace {

enum class Cut : std::uint8_t { ceil, long_first, long_last };

constexpr std::array<std::pair<Cut, std::string_view>, 3> kCuts = {
    {{Cut::ceil, "ceil"}, {Cut::long_first, "long-first"}, {Cut::long_last, "long-last"}}};

// Ends of `parts` contiguous pieces of K, whole tiles each; empty where a piece would be.
std::vector<Index> ends_of(Index k, Index parts, Index tile, Cut cut) {
  const Index tiles = assay::ceil_div(k, tile);
  std::vector<Index> ends;
  for (Index part = 1; part <= parts; ++part) {
    Index end = 0;
    switch (cut) {
      case Cut::ceil:
        end = part * assay::ceil_div(tiles, parts);
        break;
      case Cut::long_first:
        end = part * (tiles / parts) + std::min(part, tiles % parts);
        break;
      case Cut::long_last:
        end = part * (tiles / parts) + std::max<Index>(0, part - (parts - tiles % parts));
        break;
    }
    end = std::min(end * tile, k);
    if (end <= (ends.empty() ? 0 : ends.back())) return {};
    ends.push_back(end);
  }
  return ends;
}

// The walks of one contiguous piece dealt to `warps` accumulators in blocks; nothing where they do not divide
// it.
bool deal(Index begin, Index end, Index warps, Index block, std::vector<assay::Walk>& walks) {
  if (warps == 1) {
    walks.push_back({begin, end - begin, 0, 1});
    return true;
  }
  if ((end - begin) % block != 0 || (end - begin) / block < warps) return false;
  for (Index warp = 0; warp < warps; ++warp) {
    const Index first = begin + warp * block;
    walks.push_back({first, block, warps * block, assay::ceil_div(end - first, warps * block)});
  }
  return true;
}

// Collects partitions, leaving out those whose walks were seen.
class PartitionList {
 public:
  void add(Partition partition) {
    std::vector<Index> key = {static_cast<Index>(partition.step), partition.parts, partition.warps};
    for (const assay::Walk& walk : partition.walks) {
      key.insert(key.end(), {walk.first, walk.run, walk.stride, walk.count});
    }
    if (seen_.insert(std::move(key)).second) partitions_.push_back(std::move(partition));
  }
  void add_split(Step step, Index k, Index parts, Index tile, const std::pair<Cut, std::string_view>& cut,
                 Index warps, Index block) {
    const std::vector<Index> ends = ends_of(k, parts, tile, cut.first);
    std::vector<assay::Walk> walks;
    Index begin = 0;
    for (Index end : ends) {
      if (!deal(begin, end, warps, block, walks)) return;
      begin = end;
    }
    if (begin != k) return;
    add({fmt::format("step={} parts={} tile={} cut={} warps={} block={}",
                     step == Step::tensor ? "tensor" : "tensor-half", parts, tile, cut.second, warps, block),
         step, static_cast<int>(parts), static_cast<int>(warps), std::move(walks)});
  }
  std::vector<Partition> take() { return std::exchange(partitions_, {}); }

 private:
  std::set<std::vector<Index>> seen_;
  std::vector<Partition> partitions_;
};

void add_fma(PartitionList& list, Index k) {
  for (Index lanes : {1, 4, 8, 16, 32, 64, 96, 128, 192, 256, 512}) {
    for (Index vector : {1, 2, 4, 8, 16}) {
      for (Index accumulators : {Index{1}, vector}) {
        if (lanes * vector > k || (lanes == 1 && vector > 1 && accumulators == 1)) continue;
        const Index run = vector / accumulators;
        std::vector<assay::Walk> walks;
        for (Index lane = 0; lane < lanes; ++lane) {
          for (Index i = 0; i < accumulators; ++i) {
            const Index first = lane * vector + i;
            walks.push_back({first, run, lanes * vector, assay::ceil_div(k - first, lanes * vector)});
          }
        }
        list.add({fmt::format("step=fma lanes={} vector={} accumulators={}", lanes, vector, accumulators),
                  Step::fma, static_cast<int>(lanes), static_cast<int>(accumulators), std::move(walks)});
      }
    }
  }
  // Warps or blocks with contiguous pieces of K, lanes within.
  for (Index parts : {2, 4, 8, 16, 32, 64, 128, 256}) {
    for (Index lanes : {1, 8, 16, 32}) {
      for (Index vector : {1, 2, 4, 8}) {
        if (k % (parts * lanes * vector) != 0 || (lanes == 1 && vector > 1)) continue;
        std::vector<assay::Walk> walks;
        for (Index part = 0; part < parts; ++part) {
          for (Index lane = 0; lane < lanes; ++lane) {
            walks.push_back(
                {part * (k / parts) + lane * vector, vector, lanes * vector, k / parts / (lanes * vector)});
          }
        }
        list.add({fmt::format("step=fma pieces={} lanes={} vector={}", parts, lanes, vector), Step::fma,
                  static_cast<int>(parts), static_cast<int>(lanes), std::move(walks)});
      }
    }
  }
}

}  // namespace

std::string text_of(const Combination& combination) {
  constexpr std::array<std::string_view, 8> kOrders = {"ascending",      "descending",         "adjacent",
                                                       "halves",         "four-lanes",         "warps-halves",
                                                       "warps-adjacent", "warps-halves-halves"};
  constexpr std::array<std::string_view, 3> kPartials = {"fp32", "rounded", "running"};
  return fmt::format("inner={} outer={} partials={}", kOrders[static_cast<std::size_t>(combination.inner)],
                     kOrders[static_cast<std::size_t>(combination.outer)],
                     kPartials[static_cast<std::size_t>(combination.partials)]);
}

std::vector<std::vector<Partition>> partition_stages(Index k, bool half_compute) {
  std::vector<Step> steps = {Step::tensor};
  if (half_compute) steps = {Step::tensor_half, Step::tensor};
  std::vector<std::vector<Partition>> stages;
  PartitionList list;
  for (Step step : steps) {
    for (Index parts :
         {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 22, 24, 28, 32, 48, 64}) {
      for (Index tile : {64, 128, 32, 16, 256}) {
        for (const auto& cut : kCuts) list.add_split(step, k, parts, tile, cut, 1, 0);
      }
    }
  }
  stages.push_back(list.take());
  for (Step step : steps) {
    for (Index warps : {2, 4, 8, 3, 5, 6, 7, 16, 32}) {
      for (Index block : {16, 32, 64, 128, 256}) list.add_split(step, k, 1, 16, kCuts[0], warps, block);
    }
    for (Index tile : {32, 64, 128, 256}) list.add_split(step, k, k / tile, tile, kCuts[0], 1, 0);
  }
  stages.push_back(list.take());
  add_fma(list, k);
  stages.push_back(list.take());
  for (Step step : steps) {
    for (Index parts : {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}) {
      for (Index tile : {64, 128, 32, 256}) {
        for (const auto& cut : kCuts) {
          for (Index warps : {2, 4}) {
            for (Index block : {16, 32, 64}) list.add_split(step, k, parts, tile, cut, warps, block);
          }
        }
      }
    }
  }
  stages.push_back(list.take());
  return stages;
}

std::vector<Combination> combinations_of(const Partition& partition) {
  using enum Order;
  std::vector<Order> inner = {ascending};
  if (partition.warps > 2) inner = {ascending, descending, adjacent, halves};
  std::vector<Order> outer = {ascending};
  if (partition.parts > 2) outer = {ascending, descending, adjacent, halves, four_lanes};
  if (partition.parts > 32) outer.insert(outer.end(), {warps_halves, warps_adjacent, warps_halves_halves});
  std::vector<Partials> partials = {Partials::fp32};
  if (partition.parts > 1 && partition.step != Step::fma) {
    partials = {Partials::fp32, Partials::rounded, Partials::running};
  }
  std::vector<Combination> combinations;
  for (Partials kept : partials) {
    for (Order o : outer) {
      for (Order i : inner) combinations.push_back({i, o, kept});
    }
  }
  return combinations;
}

}  // namespace assay_probe
