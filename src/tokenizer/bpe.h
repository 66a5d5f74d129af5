// Byte-pair encoding by rank.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace assay {

using MergePair = std::uint64_t;  // left id << 32 | right id

constexpr MergePair merge_pair(std::int32_t left, std::int32_t right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
         static_cast<std::uint32_t>(right);
}

struct Merge {
  std::int32_t rank;  // lower merges first
  std::int32_t id;    // of the joined token
};

struct MergePairHash {
  std::size_t operator()(MergePair pair) const {
    pair = (pair ^ pair >> 32) * 0x9E3779B97F4A7C15;  // 2^64 / golden ratio: spreads the low bits upwards
    return static_cast<std::size_t>(pair ^ pair >> 29);
  }
};

using Merges = std::unordered_map<MergePair, Merge, MergePairHash>;

// Const methods are thread-safe.
class Bpe {
 public:
  // `byte_ids`: the token of each byte.
  Bpe(const std::array<std::int32_t, 256>& byte_ids, Merges merges)
      : byte_ids_(byte_ids), merges_(std::move(merges)) {}

  // Appends the ids of a piece: from its bytes' tokens, always the merge of lowest rank, the leftmost of
  // equals. A piece of n bytes costs n log n.
  void encode(std::string_view piece, std::vector<std::int32_t>& ids) const;

 private:
  std::optional<Merge> merge_of(std::int32_t left, std::int32_t right) const;

  std::array<std::int32_t, 256> byte_ids_;
  Merges merges_;
};

}  // namespace assay
