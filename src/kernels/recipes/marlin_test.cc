#include "kernels/recipes/marlin.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "kernels/recipes/schedule_check.h"

namespace assay {
namespace {

using testing::HasSubstr;

constexpr MarlinGeneration kA = MarlinGeneration::a;
constexpr MarlinGeneration kB = MarlinGeneration::b;

LinearProblem problem_of(Index rows, Index outputs, Index inputs, Index group = 128) {
  return {.rows = rows, .outputs = outputs, .inputs = inputs, .group_size = group, .zero_points = true};
}

DeviceSpec hopper(int sms) {
  DeviceSpec spec = spec_of(Device::h100);
  spec.sm_count = sms;
  return spec;
}

// The lines "generation SMs layer rows tile slices:tiles ..." of a device and generation.
std::string table(MarlinGeneration generation, int sms) {
  std::string text;
  for (const Layer& layer : kQwen3Layers) {
    for (const Index rows : {1, 16, 32, 64, 128, 256, 512, 1024}) {
      const LinearProblem problem = problem_of(rows, layer.outputs, layer.inputs);
      const auto launches = *marlin_launches(problem, hopper(sms), generation);
      EXPECT_EQ(launches.size(), 1U);
      const MarlinTile& tile = launches[0].tile;
      const Schedule schedule = *marlin_schedule(problem, hopper(sms), generation);
      EXPECT_EQ(first_defect(schedule, problem), "");
      text +=
          fmt::format("{} {} {} {} {}x{} {}\n", generation == kA ? 'a' : 'b', sms, layer.name, rows, tile.k,
                      tile.n, split_counts(schedule, tile.warp_rows(), launches[0].tile_rows, tile.n));
    }
  }
  return text;
}

// By another program from the same sources (tools/marlin_machete_partition.py).
TEST(Marlin, SplitsOfQwen3LayersAreThoseOfTheTable) {
  const std::string expected =
#include "kernels/recipes/marlin_split_table.inc"
      ;
  std::string found;
  for (const MarlinGeneration generation : {kA, kB}) {
    for (const int sms : {132, 114, 108, 78}) found += table(generation, sms);
  }
  EXPECT_EQ(found, expected);
}

// The k where slices begin, of the order of each region, left to right.
std::vector<std::vector<Index>> cuts_of(const Schedule& schedule, Index warps) {
  std::vector<std::vector<Index>> cuts;
  for (const Region& region : schedule.regions) {
    auto& starts = cuts.emplace_back();
    const auto& walks = schedule.orders[static_cast<std::size_t>(region.order)].walks;
    for (std::size_t i = 0; i < walks.size(); i += static_cast<std::size_t>(warps)) {
      starts.push_back(walks[i].first / 128);
    }
  }
  return cuts;
}

TEST(Marlin, CutsCycleFromColumnToColumn) {
  const DeviceSpec& h100 = spec_of(Device::h100);
  using Cuts = std::vector<std::vector<Index>>;
  EXPECT_EQ(cuts_of(*marlin_schedule(problem_of(1, 4096, 4096), h100, kA), 4), (Cuts{{0, 8, 16, 24}}));
  EXPECT_EQ(cuts_of(*marlin_schedule(problem_of(1, 4096, 4096), h100, kB), 4), (Cuts{{0, 16}}));
  const Cuts qkv = cuts_of(*marlin_schedule(problem_of(1, 6144, 4096), h100, kA), 4);
  ASSERT_EQ(qkv.size(), 48U);
  EXPECT_EQ(qkv[0], (std::vector<Index>{0, 12, 24}));
  EXPECT_EQ(qkv[1], (std::vector<Index>{0, 4, 16, 28}));
  EXPECT_EQ(qkv[2], (std::vector<Index>{0, 8, 20}));
  EXPECT_EQ(qkv[3], qkv[0]);
}

// One k-tile of 128 in one slice: which blocks of 16 a warp row takes, and the order of the sum.
TEST(Marlin, WarpRowsShareAKTileByGeneration) {
  const LinearProblem problem = problem_of(1, 128, 128);
  const SumOrder a = marlin_schedule(problem, spec_of(Device::h100), kA)->orders.at(0);
  EXPECT_EQ(a.walks, (std::vector<Walk>{{0, 16, 64, 2}, {16, 16, 64, 2}, {32, 16, 64, 2}, {48, 16, 64, 2}}));
  const SumOrder b = marlin_schedule(problem, spec_of(Device::h100), kB)->orders.at(0);
  EXPECT_EQ(b.walks,
            (std::vector<Walk>{{0, 32, 128, 1}, {32, 32, 128, 1}, {64, 32, 128, 1}, {96, 32, 128, 1}}));
  const std::vector<Add> adds = {{3, 2}, {1, 3}, {0, 1}};
  EXPECT_EQ(a.adds, adds);
  EXPECT_EQ(b.adds, adds);
  EXPECT_FALSE(a.rounds_walks);
}

// Two warp rows and two slices: each slice's rows first, then the slice of the smallest k takes the other.
TEST(Marlin, SlicesAreAddedFromTheLargestK) {
  DeviceSpec two = hopper(2);
  const auto schedule = *marlin_schedule(problem_of(64, 256, 256), two, kA);
  ASSERT_EQ(schedule.orders.size(), 1U);
  EXPECT_EQ(schedule.orders[0].walks,
            (std::vector<Walk>{{0, 16, 32, 4}, {16, 16, 32, 4}, {128, 16, 32, 4}, {144, 16, 32, 4}}));
  EXPECT_EQ(schedule.orders[0].adds, (std::vector<Add>{{0, 1}, {2, 3}, {0, 2}}));
}

TEST(Marlin, RowsAreLaunchedInChunks) {
  const auto rows = [](Index m, Index n) {
    std::vector<Index> result;
    const auto launches = *marlin_launches(problem_of(m, n, 4096), spec_of(Device::a100), kA);
    for (const MarlinLaunch& launch : launches) {
      EXPECT_EQ(launch.row, std::accumulate(result.begin(), result.end(), Index{0}));
      result.push_back(launch.rows);
    }
    return result;
  };
  EXPECT_EQ(rows(1100, 6144), (std::vector<Index>{1024, 64, 12}));
  EXPECT_EQ(rows(1100, 4096), (std::vector<Index>{1088, 12}));
  EXPECT_EQ(rows(8067, 4096), (std::vector<Index>{8064, 3}));
  EXPECT_EQ(rows(8200, 4096), (std::vector<Index>{8192, 8}));
  EXPECT_EQ(rows(63, 4096), (std::vector<Index>{63}));
}

// No supported GPU is that small; the source's fall-back is to fewer rows a block, for all rows that are
// left.
TEST(Marlin, LittleSharedMemoryTakesSmallerBlocks) {
  DeviceSpec small = spec_of(Device::a100);
  small.shared_memory = 60000;  // 64x128 tiles of 64 rows need 17408 + 32768 + 1024 + 256, and 512 spare
  const auto tiles = [&](Index m) {
    std::vector<Index> result;
    const auto launches = *marlin_launches(problem_of(m, 4096, 4096), small, kA);
    for (const MarlinLaunch& launch : launches) {
      result.insert(result.end(), {launch.rows, launch.tile_rows, launch.tile.n});
    }
    return result;
  };
  EXPECT_EQ(tiles(128), (std::vector<Index>{128, 64, 128}));
  small.shared_memory = 48000;
  EXPECT_EQ(tiles(128), (std::vector<Index>{96, 48, 128, 32, 32, 128}));
  small.shared_memory = 20000;
  const auto refused = marlin_launches(problem_of(128, 4096, 4096), small, kA);
  EXPECT_THAT(refused.error().message(), HasSubstr("found 20000 bytes on a100"));
}

TEST(Marlin, WholeGroupsStayInAStripe) {
  // 64-deep tiles, 3 output tiles of 4 k-tiles on 4 SMs: stripes of 3, of 4 with groups of 128.
  const auto orders = [](Index group) {
    return marlin_schedule(problem_of(64, 768, 256, group), hopper(4), kA)->orders.size();
  };
  EXPECT_GT(orders(64), 1U);
  EXPECT_GT(orders(256), 1U);  // one group a column: no rounding
  EXPECT_EQ(orders(128), 1U);
}

TEST(Marlin, PlantedDifferencesShow) {
  const LinearProblem o = problem_of(64, 4096, 4096);
  const auto orders = [](const LinearProblem& p, Device device, MarlinGeneration generation) {
    return marlin_schedule(p, spec_of(device), generation)->orders;
  };
  EXPECT_NE(orders(o, Device::h100, kA), orders(o, Device::h100, kB));
  EXPECT_NE(orders(o, Device::h100, kA), orders(o, Device::a100, kA));
  EXPECT_NE(orders(o, Device::h100, kA), orders(o, Device::h100_pcie, kA));
  EXPECT_EQ(orders(o, Device::h100, kA), orders(o, Device::h200, kA));
  LinearProblem row = o;
  row.rows = 16;
  EXPECT_NE(orders(o, Device::h100, kA), orders(row, Device::h100, kA));
  LinearProblem fewer = o;
  fewer.rows = 17;
  EXPECT_EQ(orders(o, Device::h100, kA), orders(fewer, Device::h100, kA));
}

TEST(Marlin, AnyProblemIsCoveredOnAnyDevice) {
  std::mt19937 random(1);
  const auto pick = [&](Index most) {
    return static_cast<Index>(random() % static_cast<unsigned>(most)) + 1;
  };
  const Index groups[] = {32, 64, 128, 0};
  for (int round = 0; round < 40; ++round) {
    LinearProblem problem =
        problem_of(pick(round % 4 == 0 ? 3000 : 200), 64 * pick(100), 128 * pick(30), groups[random() % 4]);
    if (problem.group_size == 0) problem.group_size = problem.inputs;
    problem.dtype = random() % 2 == 0 ? Dtype::fp16 : Dtype::bf16;
    for (const DeviceSpec& spec : device_table()) {
      for (const MarlinGeneration generation : {kA, kB}) {
        const auto schedule = marlin_schedule(problem, spec, generation);
        ASSERT_EQ(schedule.ok(), spec.compute_capability >= 80) << spec.name;
        if (!schedule) continue;
        ASSERT_EQ(first_defect(*schedule, problem), "")
            << fmt::format("{} M {} N {} K {} group {}", spec.name, problem.rows, problem.outputs,
                           problem.inputs, problem.group_size);
      }
    }
  }
}

TEST(Marlin, RefusalsNameWhatTheyExpect) {
  const auto message = [](LinearProblem problem, Device device = Device::a100,
                          MarlinGeneration generation = kA) {
    return marlin_schedule(problem, spec_of(device), generation).error().message();
  };
  EXPECT_EQ(message(problem_of(1, 96, 128)),
            "kernel marlin_a: expected outputs (N) a multiple of 64, found 96");
  EXPECT_EQ(message(problem_of(1, 64, 192, 64), Device::h100, kB),
            "kernel marlin_b: expected inputs (K) a multiple of 128, found 192");
  EXPECT_EQ(message(problem_of(1, 64, 512, 256)),
            "kernel marlin_a: expected group size 32, 64, 128 or the whole column, found 256");
  EXPECT_THAT(message(problem_of(1, 64, 128, 0)), HasSubstr("found 0"));
  EXPECT_THAT(message(problem_of(1, 64, 128), Device::t4), HasSubstr("8.0 or more, found t4"));
  EXPECT_THAT(message(problem_of(1, 64, 128), Device::t4, kB),
              HasSubstr("fp16 accumulators are not modelled"));
  EXPECT_THAT(message(problem_of(1, 64, 128), Device::v100, kB), HasSubstr("8.0 or more, found v100"));
  EXPECT_THAT(message(problem_of(1, 64, 128), Device::ieee), HasSubstr("found ieee"));
  LinearProblem wide = problem_of(1, 64, 128);
  wide.dtype = Dtype::fp32;
  EXPECT_THAT(message(wide), HasSubstr("dtype float16 or bfloat16, found float32"));
}

}  // namespace
}  // namespace assay
