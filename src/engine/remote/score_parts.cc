#include "engine/remote/score_parts.h"

#include <algorithm>

namespace assay {

std::vector<ScorePart> parts_of(const ScoreRequest& request) {
  const bool has_generated = request.prompt_length < std::ssize(request.tokens);
  const bool checks = request.check_tokens && has_generated;
  if (request.replay == Replay::prefill) {
    if (request.asked.empty() && !checks) return {};
    return {ScorePart::whole};
  }
  std::vector<ScorePart> parts;
  if (!request.asked.empty() && request.asked.front().position < request.prompt_length) {
    parts.push_back(ScorePart::prompt);
  }
  if (checks || (!request.asked.empty() && request.asked.back().position >= request.prompt_length)) {
    parts.push_back(ScorePart::forced);
  }
  return parts;
}

ScoreRequest part_of(ScoreRequest request, ScorePart part) {
  if (part == ScorePart::whole) return request;
  const bool prompt = part == ScorePart::prompt;
  std::erase_if(request.asked, [&](const AskedPosition& asked) {
    return (asked.position < request.prompt_length) != prompt;
  });
  if (!prompt) return request;
  request.tokens.resize(static_cast<std::size_t>(request.prompt_length));
  request.replay = Replay::prefill;
  request.check_tokens = false;
  return request;
}

Scores join_parts(std::vector<Scores> parts) {
  if (parts.empty()) return {};
  Scores joined = std::move(parts.back());
  if (parts.size() == 1) return joined;
  Scores& prompt = parts.front();
  prompt.positions.insert(prompt.positions.end(), joined.positions.begin(), joined.positions.end());
  joined.positions = std::move(prompt.positions);
  for (auto& [key, value] : prompt.served) joined.served.emplace_back("prompt_" + key, std::move(value));
  return joined;
}

}  // namespace assay
