#include "engine/vllm/generated_logprobs.h"

namespace assay {
namespace {

namespace ondemand = simdjson::ondemand;

constexpr const char* kTokens = "choices[0].logprobs.tokens";
constexpr const char* kLogprobs = "choices[0].logprobs.token_logprobs";
constexpr const char* kTop = "choices[0].logprobs.top_logprobs";
constexpr const char* kSpelling = "tokens as token_id:N (return_tokens_as_token_ids)";

Result<void> read_token(ondemand::value value, Index at, std::vector<TokenId>& into) {
  ondemand::raw_json_string text;
  if (auto error = value.get_raw_json_string().get(text)) return reply_error({kTokens, at}, kSpelling, error);
  const auto id = token_id_of(text, kTokenPrefix);
  if (!id) return reply_error({kTokens, at}, kSpelling, "a text");
  into.push_back(*id);
  return {};
}

Result<void> read_logprob(ondemand::value value, Index at, std::vector<float>& into) {
  double logprob = 0;
  if (auto error = value.get_double().get(logprob)) return reply_error({kLogprobs, at}, "a number", error);
  into.push_back(narrowed(logprob));
  return {};
}

Result<void> read_top(ondemand::value value, Index at, std::vector<TokenScore>& into) {
  const ReplyPlace place{kTop, at};
  ondemand::object object;
  if (auto error = value.get_object().get(object)) return reply_error(place, "an object", error);
  return for_each_field(object, place,
                        [&](ondemand::raw_json_string key, ondemand::value field) -> Result<void> {
                          const auto id = token_id_of(key, kTokenPrefix);
                          if (!id) return reply_error(place, kSpelling, "a text");
                          double logprob = 0;
                          if (auto error = field.get_double().get(logprob))
                            return reply_error(place, "a number", error);
                          into.push_back({.id = *id, .logprob = narrowed(logprob)});
                          return {};
                        });
}

}  // namespace

Result<GeneratedLists> read_generated_lists(ondemand::value value) {
  const ReplyPlace place{"choices[0].logprobs"};
  ondemand::object object;
  if (auto error = value.get_object().get(object)) return reply_error(place, "an object", error);
  GeneratedLists lists;
  const auto read = for_each_field(
      object, place, [&](ondemand::raw_json_string key, ondemand::value field) -> Result<void> {
        if (key == "tokens") {
          return for_each_element(field, {kTokens}, [&](Index at, ondemand::value one) {
            return read_token(one, at, lists.tokens);
          });
        }
        if (key == "token_logprobs") {
          return for_each_element(field, {kLogprobs}, [&](Index at, ondemand::value one) {
            return read_logprob(one, at, lists.logprobs);
          });
        }
        if (!(key == "top_logprobs")) return {};
        return for_each_element(field, {kTop}, [&](Index at, ondemand::value one) {
          return read_top(one, at, lists.top.emplace_back());
        });
      });
  if (!read) return read.error();
  return lists;
}

Result<std::vector<PositionScores>> settle_generated(GeneratedLists lists,
                                                     std::span<const TokenId> generated_ids, Index first,
                                                     const ListRules& rules) {
  if (auto same = check_echo(lists.tokens, generated_ids, kTokens); !same) return same.error();
  const std::size_t count = generated_ids.size();
  for (const auto& [list, size] : {std::pair{kLogprobs, lists.logprobs.size()}, {kTop, lists.top.size()}}) {
    if (size != count) return reply_error({list}, fmt::format("{} elements", count), std::to_string(size));
  }
  std::vector<PositionScores> positions;
  for (std::size_t i = 0; i < count; ++i) {
    const ReplyPlace place{kTop, static_cast<Index>(i)};
    const TokenId own = generated_ids[i];
    if (auto settled = settle_list(lists.top[i], own, rules, place); !settled) return settled.error();
    const TokenScore* score = find_score(lists.top[i], own);
    if (score == nullptr) {
      return reply_error(place, fmt::format("a log-probability of the generated token {}", own),
                         "no probability (-9999)");
    }
    if (score->logprob != lists.logprobs[i]) {
      return reply_error({kLogprobs, static_cast<Index>(i)},
                         fmt::format("{}, as in top_logprobs", score->logprob),
                         fmt::format("{}", lists.logprobs[i]));
    }
    positions.push_back({first + static_cast<Index>(i), std::move(lists.top[i])});
  }
  return positions;
}

}  // namespace assay
