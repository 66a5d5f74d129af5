// The fields that say one token's score, wherever a reply has them.
#pragma once

#include <optional>

#include "engine/vllm/reply_json.h"

namespace assay {

// A rank of null is one that the server does not know: 0.
simdjson::error_code read_rank(simdjson::ondemand::value value, std::int32_t& rank);

// Gathers "token_id" or "token" ("token_id:15"), "logprob" and "rank" of one object; other fields are left alone.
class ScoreFields {
 public:
  Result<void> take(simdjson::ondemand::raw_json_string key, simdjson::ondemand::value value,
                    const ReplyPlace& place);
  // Error: no id or no log-probability.
  Result<TokenScore> score(const ReplyPlace& place) const;

 private:
  std::optional<TokenId> id_;
  std::optional<float> logprob_;
  std::int32_t rank_ = 0;
};

}  // namespace assay
