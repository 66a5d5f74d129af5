// A reply of SGLang's /generate, as it stands there: nothing but its JSON is checked.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/index.h"
#include "engine/remote/told_scores.h"
#include "http/client.h"
#include "record/record.h"

namespace assay {

// A list of lists of [log-probability, id, text or null]; null and [] are empty rows.
class ToldRows {
 public:
  void add(const ToldScore& score) { scores_.push_back(score); }
  void end_row() { ends_.push_back(scores_.size()); }
  Index size() const { return static_cast<Index>(ends_.size()); }
  std::span<const ToldScore> row(Index at) const {
    const auto i = static_cast<std::size_t>(at);
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::span(scores_).subspan(begin, ends_[i] - begin);
  }

 private:
  std::vector<ToldScore> scores_;
  std::vector<std::size_t> ends_;
};

// One side of a reply: the prompt from logprob_start_len on, or what was generated.
struct SglangSide {
  std::vector<ToldScore> tokens;  // the first of the prompt's has no log-probability
  ToldRows top;                   // none: not asked for
  ToldRows of_interest;           // likewise
};

struct SglangReply {
  std::string id;      // rid
  std::string finish;  // type of finish_reason: length, stop, abort
  std::string finish_message;
  std::string weight_version;
  std::optional<std::vector<TokenId>> output_ids;
  std::optional<Index> prompt_tokens;
  std::optional<Index> completion_tokens;
  std::optional<Index> cached_tokens;
  SglangSide input;
  SglangSide output;
};

Result<SglangReply> read_sglang_reply(const HttpReply& reply);

}  // namespace assay
