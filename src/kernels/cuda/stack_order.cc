#include "kernels/cuda/stack_order.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.h"

namespace assay {
namespace {

// An order's sum as a tree, evaluated as Sethi and Ullman do: of two operands the one that needs more accumulators
// first.
class SumTree {
 public:
  explicit SumTree(const SumOrder& order) : order_(order) {
    std::vector<Index> node_of;  // of each accumulator; -1 once it has been added
    for (std::size_t i = 0; i < order.walks.size(); ++i) {
      node_of.push_back(std::ssize(nodes_));
      nodes_.push_back({.walk = std::ssize(nodes_)});
    }
    for (const Add& add : order.adds) {
      Index& into = node_of.at(static_cast<std::size_t>(add.into));
      const Index from = std::exchange(node_of.at(static_cast<std::size_t>(add.from)), -1);
      require(into >= 0 && from >= 0, "accumulators are added once");
      const bool swapped = at(from).alive > at(into).alive;
      const Index first = swapped ? from : into;
      const Index second = swapped ? into : from;
      nodes_.push_back(
          {.first = first, .second = second, .alive = std::max(at(first).alive, at(second).alive + 1)});
      into = std::ssize(nodes_) - 1;
    }
    require(std::count(node_of.begin(), node_of.end(), -1) + 1 == std::ssize(node_of) && node_of[0] >= 0,
            "all accumulators are added into the first");
    root_ = node_of[0];
  }

  Index alive() const { return at(root_).alive; }

  SumOrder in_stack_order() const {
    SumOrder result{
        .walks = {}, .adds = {}, .rounds_walks = order_.rounds_walks, .accumulator = order_.accumulator};
    evaluate(root_, result);
    return result;
  }

 private:
  struct Node {
    Index walk = -1;  // of a leaf
    Index first = -1, second = -1;
    Index alive = 1;  // accumulators needed, the result's among them
  };
  const Node& at(Index node) const { return nodes_[static_cast<std::size_t>(node)]; }

  // The accumulator with the result.
  Index evaluate(Index index, SumOrder& result) const {
    const Node& node = at(index);
    if (node.walk >= 0) {
      result.walks.push_back(order_.walks[static_cast<std::size_t>(node.walk)]);
      return std::ssize(result.walks) - 1;
    }
    const Index into = evaluate(node.first, result);
    result.adds.push_back({.into = into, .from = evaluate(node.second, result)});
    return into;
  }

  const SumOrder& order_;
  std::vector<Node> nodes_;
  Index root_ = -1;
};

}  // namespace

StackSchedule in_stack_order(const Schedule& schedule) {
  StackSchedule result{.schedule = {.orders = {}, .regions = schedule.regions}};
  for (const SumOrder& order : schedule.orders) {
    const SumTree tree(order);
    result.schedule.orders.push_back(tree.in_stack_order());
    result.depth = std::max(result.depth, tree.alive() - 1);
  }
  return result;
}

}  // namespace assay
