#include "record/sequence_index.h"

#include <fmt/format.h>

#include "base/json.h"
#include "record/json_codec.h"
#include "record/sequence_head.h"

namespace assay {
namespace {

// Hands out the flat scores in order.
class Cursor {
 public:
  explicit Cursor(const FlatScores& scores) : scores_(scores) {}

  std::size_t left() const { return scores_.size() - next_; }
  std::vector<TokenScore> take(std::size_t count) {
    const auto begin = scores_.begin() + static_cast<std::ptrdiff_t>(next_);
    next_ += count;
    return {begin, begin + static_cast<std::ptrdiff_t>(count)};
  }

 private:
  const FlatScores& scores_;
  std::size_t next_ = 0;
};

// {"positions": [8064, 8065], "counts": [5, 6]}: where the scores are, and how many at each.
Json phase_to_json(const std::vector<PositionScores>& phase, FlatScores& scores) {
  Json positions = Json::array();
  Json counts = Json::array();
  for (const PositionScores& position : phase) {
    positions.push_back(position.position);
    counts.push_back(position.scores.size());
    scores.insert(scores.end(), position.scores.begin(), position.scores.end());
  }
  return {{"positions", std::move(positions)}, {"counts", std::move(counts)}};
}

Result<std::vector<PositionScores>> phase_from_json(const Json& line, Cursor& cursor, const std::string& file,
                                                    const std::string& key) {
  static constexpr std::string_view kKnown[] = {"positions", "counts"};
  const auto json = json_get_object(line, file, key);
  if (!json) return json.error();
  if (const auto known = refuse_unknown_keys(**json, file, kKnown); !known) return known.error();
  const auto positions = json_get_array<Index>(**json, file, "positions");
  const auto counts = json_get_array<Index>(**json, file, "counts");
  if (!positions) return positions.error();
  if (!counts) return counts.error();
  if (positions->size() != counts->size()) {
    return Error{file, key + ".counts", fmt::format("{} counts", positions->size()),
                 std::to_string(counts->size())};
  }
  std::vector<PositionScores> phase;
  for (std::size_t i = 0; i < positions->size(); ++i) {
    const Index count = (*counts)[i];
    if (count < 0 || static_cast<std::size_t>(count) > cursor.left()) {
      return Error{file, key + ".counts", fmt::format("at most the {} scores that are left", cursor.left()),
                   std::to_string(count)};
    }
    phase.push_back({(*positions)[i], cursor.take(static_cast<std::size_t>(count))});
  }
  return phase;
}

Result<Generation> generation_from_json(const Json& json, Cursor& cursor, const std::string& file) {
  return read_generation_head(json, file, [&](const Json& line, const std::string& key) {
    return phase_from_json(line, cursor, file, key);
  });
}

Result<Reexecution> reexecution_from_json(const Json& json, Cursor& cursor, const std::string& file) {
  return read_reexecution_head(json, file, [&](const Json& line, const std::string& key) {
    return phase_from_json(line, cursor, file, key);
  });
}

// Reads every line with `read` and checks that no score is left over.
template <class T>
Result<std::vector<T>> join(std::string_view lines, const FlatScores& scores, const std::string& file,
                            Result<T> (*read)(const Json&, Cursor&, const std::string&)) {
  Cursor cursor(scores);
  std::vector<T> sequences;
  for (std::size_t number = 1; !lines.empty(); ++number) {
    const std::string where = fmt::format("{}:{}", file, number);
    const std::size_t end = lines.find('\n');
    if (end == std::string_view::npos) return Error{where, "", "a line that ends", "the end of the file"};
    const auto json = parse_json(lines.substr(0, end), where);
    if (!json) return json.error();
    auto sequence = read(*json, cursor, where);
    if (!sequence) return sequence.error();
    sequences.push_back(*std::move(sequence));
    lines.remove_prefix(end + 1);
  }
  if (cursor.left() > 0) {
    return Error{file, "counts", fmt::format("{} scores in all", scores.size()),
                 std::to_string(scores.size() - cursor.left())};
  }
  return sequences;
}

}  // namespace

IndexedSequences index_sequences(const std::vector<Generation>& generations) {
  IndexedSequences result;
  for (const Generation& generation : generations) {
    Json line = {{"setup", generation.setup},
                 {"reference", generation.reference},
                 {"prompt_ids", generation.prompt_ids},
                 {"generated_ids", generation.generated_ids}};
    line["prefill"] = phase_to_json(generation.prefill, result.scores);
    line["decode"] = phase_to_json(generation.decode, result.scores);
    result.lines += line.dump() + "\n";
  }
  return result;
}

IndexedSequences index_sequences(const std::vector<Reexecution>& runs) {
  IndexedSequences result;
  for (const Reexecution& run : runs) {
    Json line = {{"claimed", run.claimed}, {"verifier", run.verifier}, {"reference", run.reference}};
    line["prefill"] = phase_to_json(run.prefill, result.scores);
    line["decode"] = phase_to_json(run.decode, result.scores);
    result.lines += line.dump() + "\n";
  }
  return result;
}

Result<std::vector<Generation>> join_generations(std::string_view lines, const FlatScores& scores,
                                                 const std::string& file) {
  return join<Generation>(lines, scores, file, generation_from_json);
}

Result<std::vector<Reexecution>> join_reexecutions(std::string_view lines, const FlatScores& scores,
                                                   const std::string& file) {
  return join<Reexecution>(lines, scores, file, reexecution_from_json);
}

}  // namespace assay
