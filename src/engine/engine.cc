#include "engine/engine.h"

#include <algorithm>
#include <optional>

namespace assay {
namespace {

bool same_prompt(const ScoreRequest& a, const ScoreRequest& b) {
  return a.prompt_length == b.prompt_length &&
         std::equal(a.tokens.begin(), a.tokens.begin() + a.prompt_length, b.tokens.begin());
}

}  // namespace

Result<std::vector<Scores>> Engine::score_together(std::span<const ScoreRequest> requests) {
  std::vector<Scores> all;
  for (const ScoreRequest& request : requests) {
    auto scores = score(request);
    if (!scores) return scores.error();
    all.push_back(*std::move(scores));
  }
  return all;
}

Result<bool> Engine::score_all(const ScoreJobs& jobs, Replay replay) {
  const Index most = most_together(replay);
  std::optional<ScoreRequest> next;  // made already, of another prompt than those before it
  for (Index done = 0; done < jobs.count;) {
    if (jobs.stopped()) return false;
    std::vector<ScoreRequest> some;
    some.push_back(next ? *std::exchange(next, std::nullopt) : jobs.request(done));
    for (Index at = done + 1; at < jobs.count && at - done < most; ++at) {
      ScoreRequest request = jobs.request(at);
      if (!same_prompt(some.front(), request)) {
        next = std::move(request);
        break;
      }
      some.push_back(std::move(request));
    }
    auto scores = score_together(some);
    if (!scores) return scores.error();
    for (Scores& one : *scores) {
      if (auto taken = jobs.take(done++, std::move(one)); !taken) return taken.error();
    }
  }
  return true;
}

Result<bool> Engine::generate_all(const GenerateJobs& jobs) {
  for (Index job = 0; job < jobs.count; ++job) {
    if (jobs.stopped()) return false;
    const GenerateRequest request = jobs.request(job);
    if (request.afresh) forget();
    auto generation = generate(request);
    if (!generation) return generation.error();
    if (auto taken = jobs.take(job, *std::move(generation)); !taken) return taken.error();
  }
  return true;
}

}  // namespace assay
