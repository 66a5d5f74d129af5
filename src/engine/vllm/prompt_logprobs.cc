#include "engine/vllm/prompt_logprobs.h"

#include "engine/vllm/score_fields.h"

namespace assay {
namespace {

namespace ondemand = simdjson::ondemand;

simdjson::error_code read_score(ondemand::value value, TokenScore& score) {
  ondemand::object object;
  if (auto error = value.get_object().get(object)) return error;
  bool has_logprob = false;
  for (auto field : object) {
    ondemand::raw_json_string key;
    if (auto error = field.key().get(key)) return error;
    if (key == "logprob") {
      double logprob = 0;
      if (auto error = field.value().get_double().get(logprob)) return error;
      score.logprob = narrowed(logprob);
      has_logprob = true;
    } else if (key == "rank") {
      ondemand::value rank;
      if (auto error = field.value().get(rank)) return error;
      if (auto error = read_rank(rank, score.rank)) return error;
    }
  }
  return has_logprob ? simdjson::SUCCESS : simdjson::NO_SUCH_FIELD;
}

// Into `list`, whose storage is used again.
Result<void> read_list(ondemand::value value, std::vector<TokenScore>& list, const ReplyPlace& place) {
  ondemand::object object;
  if (auto error = value.get_object().get(object)) return reply_error(place, "an object", error);
  list.clear();
  for (auto field : object) {
    ondemand::raw_json_string key;
    if (auto error = field.key().get(key)) return reply_error(place, "an object", error);
    const auto id = token_id_of(key, "");
    if (!id) return reply_error(place, "token ids as keys", "another key");
    list.push_back({.id = *id});
    ondemand::value entry;
    if (auto error = field.value().get(entry)) return reply_error(place, "an object", error);
    if (auto error = read_score(entry, list.back())) {
      return reply_error(place, fmt::format("logprob and rank of id {}", *id), error);
    }
  }
  return {};
}

Result<void> expect_null(ondemand::value value, const ReplyPlace& place) {
  bool null = false;
  if (auto error = value.is_null().get(null)) return reply_error(place, "null", error);
  if (null) return {};
  return reply_error(place, "null: nothing predicts the first token", "a value");
}

}  // namespace

Result<std::vector<PositionScores>> read_prompt_logprobs(ondemand::value value, const PromptLists& lists) {
  const auto length = static_cast<Index>(lists.tokens.size());
  std::vector<PositionScores> wanted;
  std::vector<TokenScore> list;
  Index count = 0;
  const auto read =
      for_each_element(value, {lists.place}, [&](Index at, ondemand::value entry) -> Result<void> {
        ++count;
        const ReplyPlace place{lists.place, at};
        if (at == 0) return expect_null(entry, place);
        if (at >= length) return reply_error({lists.place}, fmt::format("{} entries", length), "more");
        if (auto done = read_list(entry, list, place); !done) return done;
        const auto position = static_cast<std::size_t>(at);
        const TokenId own = lists.tokens[position];
        if (auto settled = settle_list(list, own, lists.rules, place); !settled) return settled;
        if (position >= lists.wanted.size() || !lists.wanted[position]) return {};
        if (find_score(list, own) == nullptr) {
          return reply_error(place, fmt::format("a log-probability of the position's own token {}", own),
                             "no probability (-9999)");
        }
        wanted.push_back({at, list});
        return {};
      });
  if (!read) return read.error();
  if (count != length)
    return reply_error({lists.place}, fmt::format("{} entries", length), std::to_string(count));
  return wanted;
}

}  // namespace assay
