#include "tokenizer/bpe.h"

#include <algorithm>
#include <queue>

namespace assay {
namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

// A token of the piece so far: a node of a list in an array that has one place for each byte. A merge joins
// the right neighbour into the left node; a joined node has id -1 and is out of the list.
struct Node {
  std::int32_t id;
  std::size_t previous;
  std::size_t next;
};

// A merge that was possible when it was queued; it still is if the nodes hold the same ids.
struct Candidate {
  Merge merge;
  std::size_t left;
  std::int32_t left_id;
  std::int32_t right_id;

  bool operator>(const Candidate& other) const {
    return merge.rank != other.merge.rank ? merge.rank > other.merge.rank : left > other.left;
  }
};

}  // namespace

std::optional<Merge> Bpe::merge_of(std::int32_t left, std::int32_t right) const {
  const auto found = merges_.find(merge_pair(left, right));
  return found == merges_.end() ? std::nullopt : std::optional(found->second);
}

void Bpe::encode(std::string_view piece, std::vector<std::int32_t>& ids) const {
  std::vector<Node> nodes(piece.size());
  for (std::size_t i = 0; i < piece.size(); ++i) {
    nodes[i] = {byte_ids_[static_cast<unsigned char>(piece[i])], i == 0 ? kNone : i - 1,
                i + 1 == piece.size() ? kNone : i + 1};
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto consider = [&](std::size_t left) {
    if (left == kNone || nodes[left].next == kNone) return;
    const std::int32_t left_id = nodes[left].id;
    const std::int32_t right_id = nodes[nodes[left].next].id;
    if (const auto merge = merge_of(left_id, right_id)) queue.push({*merge, left, left_id, right_id});
  };
  for (std::size_t i = 0; i < piece.size(); ++i) consider(i);

  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Node& left = nodes[best.left];
    if (left.id != best.left_id || left.next == kNone || nodes[left.next].id != best.right_id) continue;
    Node& right = nodes[left.next];
    left.id = best.merge.id;
    left.next = right.next;
    right.id = -1;
    if (left.next != kNone) nodes[left.next].previous = best.left;
    consider(left.previous);
    consider(best.left);
  }
  for (const Node& node : nodes) {
    if (node.id >= 0) ids.push_back(node.id);
  }
}

}  // namespace assay
