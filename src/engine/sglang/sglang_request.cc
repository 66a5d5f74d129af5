#include "engine/sglang/sglang_request.h"

#include <algorithm>
#include <set>

#include "engine/remote/ask_json.h"
#include "engine/remote/wanted_scores.h"

namespace assay {
namespace {

constexpr std::size_t kMostOfInterest = 256;  // each is scored at every position of the reply

std::vector<TokenId> ids_of_interest(const ScoreRequest& request) {
  std::set<TokenId> ids;
  for (const AskedPosition& asked : request.asked) {
    ids.insert(asked.ids.begin(), asked.ids.end());
    if (ids.size() > kMostOfInterest) return {};
  }
  return {ids.begin(), ids.end()};
}

// Every field: those left out would come from the model's generation_config.json.
Json sampling_params(const SglangAsked& asked, const Sampling& sampling) {
  const bool greedy = sampling.sampler == Sampler::greedy;
  Json params = {{"max_new_tokens", asked.max_new_tokens},
                 {"min_new_tokens", 0},
                 {"temperature", greedy ? 0.0 : sampling.temperature},
                 {"top_p", 1.0},
                 {"top_k", -1},
                 {"min_p", 0.0},
                 {"frequency_penalty", 0.0},
                 {"presence_penalty", 0.0},
                 {"repetition_penalty", 1.0},
                 {"n", 1},
                 {"stop", nullptr},
                 {"stop_token_ids", nullptr},
                 {"ignore_eos", asked.ignore_eos},
                 {"skip_special_tokens", false},
                 {"spaces_between_special_tokens", false},
                 {"no_stop_trim", true}};
  if (!greedy) params["sampling_seed"] = sampling.seed;
  return params;
}

}  // namespace

SglangAsked sglang_asked(const ScoreRequest& request, const Capabilities& capabilities) {
  SglangAsked asked{.input = &request.tokens, .of_interest = {}};
  // The entry at the start has no value: its token was predicted by logits that are not computed.
  const Index last = static_cast<Index>(request.tokens.size()) - 1;
  asked.start = std::max(Index{0}, std::min(last, first_needed(request) - 1));
  asked.top_k = widened_top_k(request, capabilities.most_top_k);
  if (capabilities.ids_of_interest) asked.of_interest = ids_of_interest(request);
  return asked;
}

SglangAsked sglang_asked(const GenerateRequest& request, const Capabilities& capabilities) {
  SglangAsked asked{.input = &request.prompt, .of_interest = {}};
  const auto prompt = static_cast<Index>(request.prompt.size());
  const PositionRange recorded = recorded_range(0, prompt, request.last_positions);
  // Tokens before the start may come from the radix cache; those behind it never do.
  if (!request.afresh) asked.start = std::max(Index{0}, std::min(recorded.begin, prompt) - 1);
  asked.top_k = widened_top_k(request.top_k, capabilities.most_top_k);
  asked.max_new_tokens = request.max_new_tokens;
  asked.ignore_eos = request.ignore_eos;
  return asked;
}

HttpRequest sglang_request(const SglangAsked& asked, const Sampling& sampling, const std::string& id) {
  Json body = {{"rid", id},
               {"input_ids", *asked.input},
               {"return_logprob", true},
               {"logprob_start_len", asked.start},
               {"top_logprobs_num", asked.top_k},
               {"return_text_in_logprobs", false},
               {"stream", false},
               {"sampling_params", sampling_params(asked, sampling)}};
  if (!asked.of_interest.empty()) body["token_ids_logprob"] = asked.of_interest;
  return post_json(kGeneratePath, body);
}

}  // namespace assay
