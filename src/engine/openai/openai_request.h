// What is asked of an OpenAI-style /v1/completions.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/openai/token_texts.h"
#include "engine/remote/dialect.h"

namespace assay {

inline constexpr const char* kCompletionsPath = "/v1/completions";

// How a server wants to be asked; kept in the identity of its Probe, as "prompt", "fields" and "ids".
struct OpenaiWays {
  bool prompt_as_ids = false;  // "ids"; else "text"
  bool extended = false;     // "extended": fields of vLLM and its kin as well; else "openai": OpenAI's alone
  bool returns_ids = false;  // "ids"; else "retokenized": ids from texts
};

Environment words_of(const OpenaiWays& ways);
OpenaiWays ways_of(const Probe& probe);

struct OpenaiAsked {
  const std::vector<TokenId>* prompt = nullptr;
  Index max_tokens = 1;
  Index top_k = 0;
  bool echo = false;  // log-probabilities of the prompt too
  bool ignore_eos = false;
};

// The request must outlive what is returned.
OpenaiAsked openai_asked(const ScoreRequest& request, const Capabilities& capabilities);
OpenaiAsked openai_asked(const GenerateRequest& request, const Capabilities& capabilities);

HttpRequest openai_request(const std::string& model, const OpenaiAsked& asked, const OpenaiWays& ways,
                           const Sampling& sampling, const Tokenizer& tokenizer);

}  // namespace assay
