#include "kernels/cuda/stack_order.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "kernels/recipes/choose.h"
#include "kernels/recipes/schedule_builder.h"

namespace assay {
namespace {

std::string name_of(const Walk& w) { return fmt::format("{}+{}/{}x{}", w.first, w.run, w.stride, w.count); }

// The order's sum as an expression; operands of an addition in alphabetical order, since it commutes.
std::string sum_of(std::string a, std::string b) {
  if (b < a) std::swap(a, b);
  return "(" + a + " " + b + ")";
}

std::string expression(const SumOrder& order) {
  std::vector<std::string> sums;
  for (const Walk& walk : order.walks) sums.push_back(name_of(walk));
  for (const Add& add : order.adds) {
    std::string& into = sums.at(static_cast<std::size_t>(add.into));
    into = sum_of(into, sums.at(static_cast<std::size_t>(add.from)));
  }
  return sums[0];
}

struct StackRun {
  std::string expression;
  Index depth = 0;
};

// As a kernel runs it.
StackRun run_as_stack(const SumOrder& order) {
  std::vector<std::string> stack;
  StackRun run;
  std::size_t next = 0;
  for (Index i = 0; i < std::ssize(order.walks); ++i) {
    stack.push_back(name_of(order.walks[static_cast<std::size_t>(i)]));
    run.depth = std::max(run.depth, std::ssize(stack) - 1);
    for (Index newest = i; next < order.adds.size() && order.adds[next].from == newest;) {
      newest = order.adds[next++].into;
      const std::string last = stack.back();
      stack.pop_back();
      stack.back() = sum_of(stack.back(), last);
    }
  }
  EXPECT_EQ(stack.size(), 1U);
  EXPECT_EQ(next, order.adds.size());
  run.expression = stack[0];
  return run;
}

void expect_equal_sums(const Schedule& schedule, Index most_depth) {
  const StackSchedule stack = in_stack_order(schedule);
  ASSERT_EQ(stack.schedule.orders.size(), schedule.orders.size());
  EXPECT_EQ(stack.schedule.regions, schedule.regions);
  Index depth = 0;
  for (std::size_t i = 0; i < schedule.orders.size(); ++i) {
    const SumOrder& order = stack.schedule.orders[i];
    const StackRun run = run_as_stack(order);
    EXPECT_EQ(run.expression, expression(schedule.orders[i]));
    EXPECT_EQ(run.expression, expression(order));
    EXPECT_EQ(order.rounds_walks, schedule.orders[i].rounds_walks);
    depth = std::max(depth, run.depth);
  }
  EXPECT_EQ(stack.depth, depth);
  EXPECT_LE(depth, most_depth);
}

TEST(StackOrder, OneWalkNeedsNoPartialSum) {
  const Schedule chain{{ascending_sum({256})}, {{0, 4, 0, 16, 0}}};
  EXPECT_EQ(in_stack_order(chain).schedule.orders, chain.orders);
  expect_equal_sums(chain, 0);
}

TEST(StackOrder, SumsAreThoseOfTheRecipes) {
  struct Case {
    const char* quantization;
    const char* kernel;
    Index most_depth;
  };
  const DeviceSpec& device = spec_of(Device::h100);
  for (const Case& c : {Case{"none", "split_k(5)", 1}, Case{"awq", "awq", 3}, Case{"awq", "marlin_a", 2},
                        Case{"awq", "marlin_b", 2}, Case{"gptq", "machete", 1}}) {
    for (const Index rows : {1, 16, 100, 255, 700}) {
      const LinearProblem problem{
          .rows = rows, .outputs = 4096, .inputs = 4096, .group_size = 128, .zero_points = false};
      const auto choice = choose_kernel(c.quantization, "vllm-0.11", device, c.kernel);
      SCOPED_TRACE(fmt::format("{} {}", c.kernel, rows));
      expect_equal_sums(schedule_for(choice.value(), problem, device).value(), c.most_depth);
    }
  }
}

TEST(StackOrder, AnOrderThatLeavesOrReusesAnAccumulatorIsAFault) {
  SumOrder order{.walks = {{0, 16, 16, 1}, {16, 16, 16, 1}, {32, 16, 16, 1}}, .adds = {{0, 1}}};
  EXPECT_THROW(in_stack_order({{order}, {}}), Fault);
  order.adds = {{0, 1}, {2, 1}};
  EXPECT_THROW(in_stack_order({{order}, {}}), Fault);
  order.adds = {{1, 0}, {1, 2}};
  EXPECT_THROW(in_stack_order({{order}, {}}), Fault);
  order.adds = {{1, 2}, {0, 1}};
  EXPECT_NO_THROW(in_stack_order({{order}, {}}));
}

}  // namespace
}  // namespace assay
