// What is asked of SGLang's /generate.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/remote/dialect.h"

namespace assay {

inline constexpr const char* kGeneratePath = "/generate";

// The part of a request that its reply is held against.
struct SglangAsked {
  const std::vector<TokenId>* input = nullptr;
  Index start = 0;                   // logprob_start_len: the reply's prompt side begins with this token
  Index top_k = 0;                   // top_logprobs_num, > 0
  std::vector<TokenId> of_interest;  // token_ids_logprob, ascending; empty: not sent
  Index max_new_tokens = 1;
  bool ignore_eos = false;
};

// The request must outlive what is returned. Nothing generated is wanted of a score: one token is the least that
// every release allows.
SglangAsked sglang_asked(const ScoreRequest& request, const Capabilities& capabilities);
SglangAsked sglang_asked(const GenerateRequest& request, const Capabilities& capabilities);

HttpRequest sglang_request(const SglangAsked& asked, const Sampling& sampling, const std::string& id);

}  // namespace assay
