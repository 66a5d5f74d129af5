#include "engine/vllm/score_fields.h"

#include <limits>

namespace assay {

simdjson::error_code read_rank(simdjson::ondemand::value value, std::int32_t& rank) {
  bool null = false;
  if (auto error = value.is_null().get(null)) return error;
  std::int64_t number = 0;
  if (!null) {
    if (auto error = value.get_int64().get(number)) return error;
  }
  if (number < 0 || number > std::numeric_limits<std::int32_t>::max()) return simdjson::NUMBER_OUT_OF_RANGE;
  rank = static_cast<std::int32_t>(number);
  return simdjson::SUCCESS;
}

Result<void> ScoreFields::take(simdjson::ondemand::raw_json_string key, simdjson::ondemand::value value,
                               const ReplyPlace& place) {
  if (key == "token_id") {
    std::int64_t id = 0;
    if (auto error = value.get_int64().get(id)) return reply_error(place, "a token id", error);
    if (id < 0 || id > std::numeric_limits<TokenId>::max())
      return reply_error(place, "a token id", std::to_string(id));
    id_ = static_cast<TokenId>(id);
  } else if (key == "token") {
    simdjson::ondemand::raw_json_string text;
    if (auto error = value.get_raw_json_string().get(text)) return reply_error(place, "a token", error);
    id_ = token_id_of(text, kTokenPrefix);
    if (!id_) return reply_error(place, "a token as token_id:N", "a text");
  } else if (key == "logprob") {
    double logprob = 0;
    if (auto error = value.get_double().get(logprob)) return reply_error(place, "a log-probability", error);
    logprob_ = narrowed(logprob);
  } else if (key == "rank") {
    if (auto error = read_rank(value, rank_)) return reply_error(place, "a rank or null", error);
  }
  return {};
}

Result<TokenScore> ScoreFields::score(const ReplyPlace& place) const {
  if (!id_) return reply_error(place, "a token id", "none");
  if (!logprob_) return reply_error(place, "a log-probability", "none");
  return TokenScore{.id = *id_, .logprob = *logprob_, .rank = rank_};
}

}  // namespace assay
