// What the replies of several dialects share.
#include <cmath>

#include "servers/fields.h"
#include "servers/routes.h"

namespace assay {

const TokenScore& own_score(const PositionScores& position, TokenId id) {
  const TokenScore* own = find_score(position.scores, id);
  return own != nullptr ? *own : position.scores.front();
}

std::vector<TokenScore> own_first(const PositionScores& position, TokenId id) {
  std::vector<TokenScore> scores = {own_score(position, id)};
  for (const TokenScore& score : position.scores) {
    if (score.id != scores.front().id) scores.push_back(score);
  }
  return scores;
}

Json usage_of(const Answer& answer) {
  return {{"prompt_tokens", answer.prompt.size()},
          {"completion_tokens", answer.generated.size()},
          {"total_tokens", answer.prompt.size() + answer.generated.size()}};
}

double vllm_number(float logprob) { return std::isinf(logprob) ? -9999.0 : static_cast<double>(logprob); }

std::string vllm_fingerprint(const ServerOptions& options) {
  return options.fingerprint.value_or("vllm-0.30.0-mock-tp1-" + options.setup.dtype);
}

Index vllm_top_k(Exchange& exchange, Index asked, const char* what) {
  const Index most = exchange.options().max_logprobs;
  const Index wanted = asked == -1 ? exchange.model().vocabulary_size() : asked;
  if (wanted < 0) throw Refusal{400, std::string(what) + " logprobs must be non-negative or -1"};
  if (most != -1 && wanted > most) {
    throw Refusal{400, std::string("Requested ") + what + " logprobs of " + std::to_string(wanted) +
                           ", which is greater than max allowed: " + std::to_string(most)};
  }
  return std::min(wanted, exchange.model().vocabulary_size());
}

void check_vllm_salt(const Json& body) {
  constexpr std::string_view kForbidden("@/\\\0", 4);
  constexpr std::size_t kMost = 128;
  const auto salt = find_field<std::string>(body, "cache_salt");
  if (!salt || (!salt->empty() && salt->size() <= kMost && salt->find_first_of(kForbidden) == salt->npos))
    return;
  throw Refusal{
      400,
      "Parameter 'cache_salt' must be at most 128 characters and must not contain '@', '/', '\\\\', or NUL. "
      "(parameter=cache_salt)"};
}

}  // namespace assay
