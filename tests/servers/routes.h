// The routes of each dialect; facts in docs/remote.md.
#pragma once

#include "servers/exchange.h"

namespace assay {

// `exchange` must outlive the server's last request.
void add_vllm_routes(Exchange& exchange);
void add_vllm_generate_route(Exchange& exchange);  // /inference/v1/generate
void add_sglang_routes(Exchange& exchange);
void add_openai_routes(Exchange& exchange);

// The score of `id`, or where a fault took it away, the best one.
const TokenScore& own_score(const PositionScores& position, TokenId id);
// `id` first, then the others in order of rank: the order of vLLM's dictionaries.
std::vector<TokenScore> own_first(const PositionScores& position, TokenId id);

// {"prompt_tokens": ...}
Json usage_of(const Answer& answer);

// vLLM's numbers: -9999.0 stands for minus infinity.
double vllm_number(float logprob);
std::string vllm_fingerprint(const ServerOptions& options);  // "" = none is sent
// Refusal: more than --max-logprobs, in vLLM's words. -1 becomes the whole vocabulary.
Index vllm_top_k(Exchange& exchange, Index asked, const char* what);
// Refusal: body["cache_salt"] is empty, above 128 characters or has one of "@/\\" and NUL in it.
void check_vllm_salt(const Json& body);

}  // namespace assay
