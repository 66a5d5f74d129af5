#include "kernels/cuda/chain_pair.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "kernels/cuda/gpu_test.h"
#include "kernels/recipes/marlin.h"
#include "kernels/recipes/schedule_check.h"

namespace assay {
namespace {

Schedule marlin(MarlinGeneration generation, Index rows, Index outputs, Index inputs) {
  return *marlin_schedule(
      {.rows = rows, .outputs = outputs, .inputs = inputs, .group_size = 128, .zero_points = true},
      spec_of(Device::h100), generation);
}

// Slices [0, ends[0]), [ends[0], ends[1]), ...: w0 + w1 each, s0 + (s1 + (s2 + ...)).
SumOrder pair_sum(Index run, const std::vector<Index>& ends) {
  SumOrder order;
  for (std::size_t i = 0; i < ends.size(); ++i) {
    const Index begin = i == 0 ? 0 : ends[i - 1];
    const Index count = (ends[i] - begin) / (2 * run);
    order.walks.push_back({begin, run, 2 * run, count});
    order.walks.push_back({begin + run, run, 2 * run, count});
    order.adds.push_back({static_cast<Index>(2 * i), static_cast<Index>(2 * i + 1)});
  }
  for (std::size_t i = ends.size() - 1; i > 0; --i)
    order.adds.push_back({static_cast<Index>(2 * i - 2), static_cast<Index>(2 * i)});
  return order;
}

std::vector<Region> sorted(std::vector<Region> regions) {
  const auto key = [](const Region& r) { return std::tuple(r.row, r.column, r.rows, r.columns, r.order); };
  std::sort(regions.begin(), regions.end(),
            [&](const Region& a, const Region& b) { return key(a) < key(b); });
  return regions;
}

// All but (here and there) the last launch of fewer than 64 rows, which may have four warp rows.
TEST(ChainPair, TakesMarlinsLaunchesOfManyRows) {
  for (const MarlinGeneration generation : {MarlinGeneration::a, MarlinGeneration::b}) {
    for (const Layer& layer : kQwen3Layers) {
      const Schedule pass = marlin(generation, 8167, layer.outputs, layer.inputs);
      for (const RowRange rows : {RowRange{0, 8167}, RowRange{8067, 100}}) {
        const Schedule cut = rows_of(pass, rows);
        const ChainPairSplit split = split_for_chain_pair(cut, layer.outputs, layer.inputs);
        std::vector<Region> all = split.taken.regions;
        all.insert(all.end(), split.left.regions.begin(), split.left.regions.end());
        EXPECT_EQ(sorted(all), sorted(cut.regions));
        for (const Region& left : split.left.regions) EXPECT_GE(left.row + rows.first, 8128) << layer.name;
      }
    }
  }
}

TEST(ChainPair, TakesNoOtherOrder) {
  const SumOrder good = pair_sum(16, {320, 512, 1024});
  ASSERT_TRUE(pair_order_of(good, 1024));
  EXPECT_EQ(pair_order_of(good, 1024)->ends, (std::vector<Index>{320, 512, 1024}));
  EXPECT_EQ(pair_order_of(pair_sum(32, {1024}), 1024)->run, 32);
  std::vector<SumOrder> others(7, good);
  std::swap(others[0].walks[2], others[0].walks[3]);
  std::swap(others[1].adds[3], others[1].adds[4]);
  others[2].rounds_walks = true;
  others[3].accumulator = Accumulator::fp16;
  others[4].walks[1].stride = 16;
  others[5].adds.back() = {2, 0};
  others[6].walks.pop_back();
  others.push_back(pair_sum(16, {32, 1024}));
  others.push_back(pair_sum(64, {1024}));
  others.push_back(pair_sum(16, {512}));
  others.push_back({.walks = {{0, 1024, 1024, 1}}, .adds = {}});
  others.push_back({});
  for (std::size_t i = 0; i < others.size(); ++i) EXPECT_FALSE(pair_order_of(others[i], 1024)) << i;
}

TEST(ChainPair, WorkHasEachOutputOnceAndPlacesOfItsOwn) {
  constexpr int kClusters = 66;
  const Schedule cut = rows_of(marlin(MarlinGeneration::b, 8167, 6144, 4096), {2000, 6167});
  const ChainPairSplit split = split_for_chain_pair(cut, 6144, 4096);
  const PairWork work = pair_work(split.taken, kClusters);
  std::vector<int> seen(6167 * (6144 / 256), 0);
  std::vector<int> owner(static_cast<std::size_t>(work.parked), -1);
  for (std::size_t i = 0; i < work.items.size(); ++i) {
    const int cluster = static_cast<int>(i) % kClusters;
    for (const PairUnit& unit : work.items[i].units) {
      for (int row = unit.row; row < unit.row + unit.rows; ++row)
        ++seen.at(static_cast<std::size_t>(row * (6144 / 256) + work.items[i].column / 256));
      for (int slice = 0; slice + 1 < unit.slices; ++slice) {
        int& is = owner.at(static_cast<std::size_t>(work.items[i].parked + slice));
        EXPECT_TRUE(is == -1 || is == cluster);
        is = cluster;
      }
    }
  }
  std::vector<int> expected(seen.size(), 0);
  for (const Region& region : split.taken.regions) {
    for (Index row = region.row; row < region.row + region.rows; ++row)
      for (Index column = region.column; column < region.column + region.columns; column += 256)
        ++expected[static_cast<std::size_t>(row * (6144 / 256) + column / 256)];
  }
  EXPECT_EQ(seen, expected);
}

// X or W of K columns. In odd rows the second half of a sum takes back the first, so that what is left is what the order
// has rounded away.
std::vector<std::uint16_t> operand(Dtype dtype, Index rows, Index inputs, float deviation, unsigned seed,
                                   bool negates) {
  auto bits = random16(dtype, rows * inputs, deviation, seed);
  for (Index row = 0; row < rows; ++row) {
    if (!negates && row % 2 == 0) continue;
    for (Index k = 0; k < inputs / 2; ++k) {
      const auto at = static_cast<std::size_t>(row * inputs + k);
      bits[at + static_cast<std::size_t>(inputs / 2)] = bits[at] ^ (negates ? 0x8000 : 0);
    }
  }
  return bits;
}

struct Problem {
  Dtype dtype;
  Index rows, outputs, inputs;
  std::vector<std::uint16_t> x = operand(dtype, rows, inputs, 1.0F, 1, false);
  std::vector<std::uint16_t> w = operand(dtype, outputs, inputs, 0.05F, 2, true);

  std::vector<std::uint16_t> on_cpu(const Schedule& schedule) const {
    return cpu_product(Device::h100, dtype, schedule, {0, rows}, x, w, outputs, inputs);
  }
  // The regions taken; a row more than there are.
  std::vector<std::uint16_t> on_gpu(const Schedule& cut) const {
    const auto x_buffer = uploaded(x);
    const auto w_buffer = uploaded(w);
    auto out = poisoned<std::uint16_t>((rows + 1) * outputs);
    ChainPairPlan plan(split_for_chain_pair(cut, outputs, inputs).taken, nullptr);
    plan.run({x_buffer.data(), w_buffer.data(), out.data(), rows, outputs, inputs, dtype}, nullptr);
    return downloaded(out);
  }
};

Index differences(const std::vector<std::uint16_t>& a, const std::vector<std::uint16_t>& b) {
  Index count = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) count += a[i] == b[i] ? 0 : 1;
  return count;
}

// Two blocks of columns with different orders side by side and one below another, and one of another form.
Schedule mixed(Index run) {
  return {.orders = {pair_sum(run, {1024}),
                     pair_sum(run, {320, 1024}),
                     pair_sum(run, {960, 1024}),
                     pair_sum(run, {64, 576, 1024}),
                     pair_sum(run, {64, 128, 512, 1024}),
                     {.walks = {{0, 1024, 1024, 1}}, .adds = {}}},
          .regions = {{0, 128, 0, 256, 0},
                      {128, 171, 0, 256, 1},
                      {0, 61, 256, 256, 3},
                      {61, 131, 256, 256, 2},
                      {192, 107, 256, 256, 4},
                      {0, 299, 512, 128, 5}}};
}

TEST(ChainPair, EqualsTheCpuAndWritesNothingElse) {
  ASSAY_NEEDS_GPU(90);
  for (const Dtype dtype : {Dtype::fp16, Dtype::bf16}) {
    const Problem problem{dtype, 299, 640, 1024};
    for (const Index run : {16, 32}) {
      const auto expected = problem.on_cpu(mixed(run));
      const auto found = problem.on_gpu(mixed(run));
      Index wrong = 0;
      for (Index i = 0; i < 300 * 640; ++i) {
        const bool taken = i % 640 < 512 && i / 640 < 299;
        const auto at = static_cast<std::size_t>(i);
        if (found[at] == (taken ? expected[at] : 0xffff)) continue;
        if (++wrong <= 8) {
          ADD_FAILURE() << name_of(dtype) << " run " << run << " row " << i / 640 << " column " << i % 640
                        << std::hex << ": found " << found[at] << ", expected "
                        << (taken ? expected[at] : 0xffff);
        }
      }
      EXPECT_EQ(wrong, 0);
    }
  }
}

// The data of the test above tells these orders apart.
TEST(ChainPair, OtherOrdersGiveOtherBits) {
  const Problem problem{Dtype::fp16, 64, 256, 1024};
  const auto bits = [&](const SumOrder& order) { return problem.on_cpu({{order}, {{0, 64, 0, 256, 0}}}); };
  const auto pair = bits(pair_sum(16, {320, 1024}));
  constexpr Index kMany = 64 * 256 / 3;
  EXPECT_GT(differences(pair, bits({.walks = {{0, 1024, 1024, 1}}, .adds = {}})), kMany);
  EXPECT_GT(differences(pair, bits(pair_sum(32, {320, 1024}))), kMany);
  EXPECT_GT(differences(pair, bits(pair_sum(16, {384, 1024}))), kMany);
  EXPECT_GT(differences(pair, bits(pair_sum(16, {1024}))), kMany);
}

// More items than clusters, so that each computes several; and the last rows alone, in other units.
TEST(ChainPair, RowsOfALongPassEqualTheCpuAndThemselves) {
  ASSAY_NEEDS_GPU(90);
  const Problem pass{Dtype::bf16, 8167, 1024, 1024};
  const Schedule schedule = marlin(MarlinGeneration::a, 8167, 4096, 1024);
  Schedule left_columns = {schedule.orders, {}};
  for (Region region : schedule.regions) {
    region.columns = std::min(region.column + region.columns, Index{1024}) - region.column;
    if (region.columns > 0) left_columns.regions.push_back(region);
  }
  const auto found = pass.on_gpu(left_columns);
  EXPECT_EQ(differences(found, pass.on_gpu(left_columns)), 0);
  for (const RowRange rows : {RowRange{0, 70}, RowRange{4000, 10}, RowRange{8067, 100}}) {
    const auto x = pass.x.begin() + rows.first * pass.inputs;
    Problem part{pass.dtype, rows.count, pass.outputs, pass.inputs, {x, x + rows.count * pass.inputs},
                 pass.w};
    const auto expected =
        cpu_product(Device::h100, pass.dtype, left_columns, rows, part.x, pass.w, pass.outputs, pass.inputs);
    const auto out = found.begin() + rows.first * pass.outputs;
    EXPECT_EQ(differences({out, out + rows.count * pass.outputs}, expected), 0) << rows.first;
    EXPECT_EQ(differences(part.on_gpu(rows_of(left_columns, rows)), expected), 0) << rows.first;
  }
}

}  // namespace
}  // namespace assay
