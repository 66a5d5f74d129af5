#include "record/vllm_logprobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "record/json_codec.h"

namespace assay {
namespace {

std::optional<TokenId> parse_id(const std::string& text) {
  TokenId id = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return id;
}

Result<std::int32_t> rank_of(const Json& entry, const std::string& file, const std::string& key) {
  if (!entry.contains("rank") || entry.at("rank").is_null()) return 0;
  auto rank = json_get<std::int32_t>(entry, file, "rank");
  if (!rank || *rank < 1)
    return Error{file, key + ".rank", "a rank >= 1 or null", describe(entry.at("rank"))};
  return rank;
}

Result<PositionScores> position_from_vllm(const Json& entries, Index position, TokenId own,
                                          const std::string& file, const std::string& key) {
  static constexpr std::string_view kKnown[] = {"logprob", "rank", "decoded_token"};
  if (!entries.is_object()) return Error{file, key, "an object of token ids", describe(entries)};
  PositionScores scores{position, {}};
  for (const auto& [name, entry] : entries.items()) {
    const std::string place = key + "." + name;
    const auto id = parse_id(name);
    if (!id) return Error{file, place, "a token id", name};
    if (!entry.is_object()) return Error{file, place, "an object", describe(entry)};
    if (const auto known = refuse_unknown_keys(entry, place, kKnown); !known) {
      return Error{file, place + "." + known.error().key, known.error().expected, known.error().found};
    }
    const auto logprob = json_get<double>(entry, file, "logprob");
    if (!logprob) return Error{file, place + ".logprob", logprob.error().expected, logprob.error().found};
    const auto rank = rank_of(entry, file, place);
    if (!rank) return rank.error();
    if (*logprob > kNoProbability) scores.scores.push_back({*id, static_cast<float>(*logprob), *rank});
  }
  std::stable_sort(scores.scores.begin(), scores.scores.end(),
                   [](const TokenScore& a, const TokenScore& b) { return a.logprob > b.logprob; });
  if (find_score(scores.scores, own) == nullptr)
    return Error{file, key, fmt::format("the log-probability of the position's own token {}", own), "none"};
  return scores;
}

}  // namespace

Result<std::vector<PositionScores>> scores_from_vllm(const Json& list, Index first,
                                                     const std::vector<TokenId>& tokens,
                                                     const std::string& file, const std::string& key) {
  if (!list.is_array()) return Error{file, key, "an array", describe(list)};
  if (list.size() != tokens.size())
    return Error{file, key, fmt::format("{} positions", tokens.size()), std::to_string(list.size())};
  std::vector<PositionScores> all;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const Index position = first + static_cast<Index>(i);
    if (position == 0) {
      if (list[i].is_null()) continue;
      return Error{file, json_element(key, i), "null (nothing predicts the first token)", describe(list[i])};
    }
    auto scores = position_from_vllm(list[i], position, tokens[i], file, json_element(key, i));
    if (!scores) return scores.error();
    all.push_back(*std::move(scores));
  }
  return all;
}

}  // namespace assay
