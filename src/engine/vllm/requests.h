// The requests that vLLM is sent. In those of /v1/completions is every sampling field that a server would else take
// from the model's generation_config.json; /inference/v1/generate takes nothing from there.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "engine/engine.h"
#include "engine/vllm/id_rows.h"
#include "http/client.h"

namespace assay {

inline constexpr const char* kCompletionsPath = "/v1/completions";
inline constexpr const char* kTokensPath = "/inference/v1/generate";

struct Addressed {
  const std::string& model;  // as the server calls it
  const std::string& id;     // stands in the reply again
  const std::string& salt;   // random: no request finds what another left in the prefix cache
};

struct CompletionText {
  std::span<const TokenId> prompt;
  Index max_tokens = 1;
  Sampling sampling = {};  // not inverse_cdf; a seed below 2^63
  bool ignore_eos = false;
  std::optional<Index> prompt_logprobs = {};  // k; none: not asked for
  std::optional<Index> logprobs = {};         // of generated tokens
};

HttpRequest completion_request(const Addressed& to, const CompletionText& text);

// `trace` is forced through behind the prompt, with the top k at each of its tokens.
HttpRequest trace_request(const Addressed& to, std::span<const TokenId> prompt,
                          std::span<const TokenId> trace, Index top_k);

// The top k of the prompt, and the scores of the ids in `rows`, which are not empty.
HttpRequest ids_request(const Addressed& to, std::span<const TokenId> prompt, Index top_k,
                        const IdRows& rows);

}  // namespace assay
