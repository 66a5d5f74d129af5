#include "record/sequence_index.h"

#include <fmt/format.h>

#include "base/json.h"
#include "record/json_codec.h"
#include "record/sequence_head.h"
#include "record/token_checks_json.h"

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

// Hands each line to `read`, with its place, and checks that no score is left over.
template <class ReadLine>
Result<void> join(std::string_view lines, const FlatScores& scores, const std::string& file,
                  const ReadLine& read) {
  Cursor cursor(scores);
  for (std::size_t number = 1; !lines.empty(); ++number) {
    const std::string where = fmt::format("{}:{}", file, number);
    const std::size_t end = lines.find('\n');
    if (end == std::string_view::npos) return Error{where, "", "a line that ends", "the end of the file"};
    const auto json = parse_json(lines.substr(0, end), where);
    if (!json) return json.error();
    if (auto joined = read(*json, cursor, where); !joined) return joined;
    lines.remove_prefix(end + 1);
  }
  if (cursor.left() > 0) {
    return Error{file, "counts", fmt::format("{} scores in all", scores.size()),
                 std::to_string(scores.size() - cursor.left())};
  }
  return {};
}

template <class T>
Result<void> keep(Result<T> sequence, std::vector<T>& sequences) {
  if (!sequence) return sequence.error();
  sequences.push_back(*std::move(sequence));
  return {};
}

void add_line(const Generation& generation, IndexedSequences& result) {
  Json line = {{"setup", generation.setup},
               {"reference", generation.reference},
               {"prompt_ids", generation.prompt_ids},
               {"generated_ids", generation.generated_ids}};
  line["prefill"] = phase_to_json(generation.prefill, result.scores);
  line["decode"] = phase_to_json(generation.decode, result.scores);
  put_served(generation.served, line);
  result.lines += line.dump() + "\n";
}

void add_line(const Reexecution& run, IndexedSequences& result) {
  Json line = {{"claimed", run.claimed}, {"verifier", run.verifier}, {"reference", run.reference}};
  line["prefill"] = phase_to_json(run.prefill, result.scores);
  line["decode"] = phase_to_json(run.decode, result.scores);
  line["tokens"] = token_checks_to_json(run.tokens);
  put_served(run.served, line);
  result.lines += line.dump() + "\n";
}

}  // namespace

IndexedSequences index_sequences(const Record& record) {
  IndexedSequences result;
  for (const Generation& generation : record.generations) add_line(generation, result);
  return result;
}

IndexedSequences index_sequences(const Verification& verification) {
  IndexedSequences result;
  for (const Generation& claim : verification.claims) add_line(claim, result);
  for (const Reexecution& run : verification.reexecutions) add_line(run, result);
  return result;
}

Result<void> join_sequences(const IndexedSequences& sequences, const std::string& file, Record& record) {
  return join(sequences.lines, sequences.scores, file,
              [&](const Json& line, Cursor& cursor, const std::string& where) {
                return keep(generation_from_json(line, cursor, where), record.generations);
              });
}

Result<void> join_sequences(const IndexedSequences& sequences, const std::string& file,
                            Verification& verification) {
  return join(sequences.lines, sequences.scores, file,
              [&](const Json& line, Cursor& cursor, const std::string& where) {
                const bool is_claim =
                    verification.reexecutions.empty() && line.is_object() && line.contains("setup");
                return is_claim ? keep(generation_from_json(line, cursor, where), verification.claims)
                                : keep(reexecution_from_json(line, cursor, where), verification.reexecutions);
              });
}

}  // namespace assay
