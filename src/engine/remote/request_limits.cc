#include "engine/remote/request_limits.h"

#include <fmt/format.h>

#include <limits>

#include "engine/remote/score_parts.h"

namespace assay {
namespace {

constexpr double kMostServerTemperature = 2;  // vLLM's and SGLang's

Result<void> check_ids(std::span<const TokenId> ids, const char* key, const RequestLimits& limits) {
  for (const TokenId id : ids) {
    if (id >= 0 && id < limits.vocabulary) continue;
    return Error{limits.setup, key, fmt::format("ids below {}", limits.vocabulary), std::to_string(id)};
  }
  return {};
}

Result<void> check_length(Index length, const char* what, const RequestLimits& limits) {
  if (length <= limits.context) return {};
  return Error{limits.setup, "tokens", fmt::format("at most the context of {}", limits.context),
               fmt::format("{} {}", length, what)};
}

Result<void> check_top_k(Index top_k, const RequestLimits& limits) {
  const Index most = limits.capabilities.most_top_k == 0
                         ? limits.vocabulary
                         : std::min(limits.capabilities.most_top_k, limits.vocabulary);
  if (top_k >= 0 && top_k <= most) return {};
  return Error{limits.setup, "top_k", fmt::format("0 to {}, the server's limit", most),
               std::to_string(top_k)};
}

Result<void> check_can(bool can, const char* key, const char* what, const RequestLimits& limits) {
  if (can) return {};
  return Error{limits.setup, key, fmt::format("a {} server that {}", limits.engine, what),
               limits.missing.empty() ? "one that does not" : limits.missing};
}

Result<void> check_positions(const ScoreRequest& request, const RequestLimits& limits) {
  const auto length = std::ssize(request.tokens);
  if (request.prompt_length < 1 || request.prompt_length > length) {
    return Error{limits.setup, "prompt_length", fmt::format("1 to {}", length),
                 std::to_string(request.prompt_length)};
  }
  Index previous = 0;
  for (const AskedPosition& asked : request.asked) {
    if (asked.position <= previous || asked.position >= length) {
      return Error{limits.setup, "position", fmt::format("ascending, 1 to {}", length - 1),
                   std::to_string(asked.position)};
    }
    previous = asked.position;
    if (auto checked = check_ids(asked.ids, "ids", limits); !checked) return checked;
    if (auto checked = check_top_k(asked.top_k, limits); !checked) return checked;
  }
  return {};
}

Result<void> check_sampling(const Sampling& sampling, const RequestLimits& limits) {
  if (sampling.sampler == Sampler::inverse_cdf) {
    return Error{limits.setup, "sampler", fmt::format("greedy or {}'s own, exponential_race", limits.engine),
                 word(sampling.sampler)};
  }
  const bool greedy = sampling.sampler == Sampler::greedy;
  const double t = sampling.temperature;
  if (greedy ? t != 0 : !(t >= kLeastTemperature && t <= kMostServerTemperature)) {
    return Error{limits.setup, "temperature",
                 greedy ? "0 (greedy)" : fmt::format("{} to {}", kLeastTemperature, kMostServerTemperature),
                 fmt::format("{}", t)};
  }
  if (sampling.seed <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return {};
  return Error{limits.setup, "seed", "a seed below 2^63", std::to_string(sampling.seed)};
}

}  // namespace

Result<void> check_request(const ScoreRequest& request, const RequestLimits& limits) {
  if (request.tokens.empty()) return Error{limits.setup, "tokens", "at least one token", "none"};
  if (auto checked = check_ids(request.tokens, "tokens", limits); !checked) return checked;
  if (auto checked = check_positions(request, limits); !checked) return checked;
  const Capabilities& can = limits.capabilities;
  for (const ScorePart part : parts_of(request)) {
    const bool forced = part == ScorePart::forced;
    const auto checked =
        forced ? check_can(can.forced_decode, "replay", "forces decoding (decode replay)", limits)
               : check_can(can.prompt_logprobs, "replay",
                           "gives log-probabilities of a prompt (prefill replay)", limits);
    if (!checked) return checked;
    const Index length = part == ScorePart::prompt ? request.prompt_length : std::ssize(request.tokens);
    if (auto fits = check_length(forced ? length : length + 1,
                                 forced ? "tokens" : "tokens and one to generate", limits);
        !fits) {
      return fits;
    }
  }
  return {};
}

Result<void> check_request(const GenerateRequest& request, const RequestLimits& limits) {
  if (request.prompt.empty()) return Error{limits.setup, "tokens", "at least one token", "none"};
  if (auto checked = check_ids(request.prompt, "tokens", limits); !checked) return checked;
  if (auto can =
          check_can(limits.capabilities.generates, "generate", "generates with log-probabilities", limits);
      !can) {
    return can;
  }
  if (request.max_new_tokens < 1) {
    return Error{limits.setup, "max_new_tokens", "at least 1", std::to_string(request.max_new_tokens)};
  }
  if (auto fits = check_length(std::ssize(request.prompt) + request.max_new_tokens, "tokens", limits); !fits)
    return fits;
  if (auto checked = check_top_k(request.top_k, limits); !checked) return checked;
  return check_sampling(request.sampling, limits);
}

}  // namespace assay
