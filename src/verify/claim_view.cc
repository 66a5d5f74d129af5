#include "verify/claim_view.h"

#include <algorithm>

#include "verify/environment.h"

namespace assay {

const Reexecution* ClaimView::run_by(const std::string& verifier, Index reference) const {
  const auto& runs = verification.reexecutions;
  const auto found = std::find_if(runs.begin(), runs.end(), [&](const Reexecution& run) {
    return run.claimed == claimed && run.verifier == verifier && run.reference == reference;
  });
  return found == runs.end() ? nullptr : &*found;
}

bool ClaimView::same_program_as(const Setup& verifier) const {
  const Environment none{};
  const Environment& ran = words == nullptr ? none : words->ran;
  const auto same = [&](const char* key) { return lookup(ran, key) == lookup(verifier.ran, key); };
  return same_program(verification) && !lookup(verification.environment, "assay_version").empty() &&
         same("engine") && same("server_version");
}

ClaimView view_of(const Verification& verification, const std::string& claimed) {
  ClaimView view{.verification = verification, .claimed = claimed, .words = nullptr, .prompts = {}};
  for (const Setup& setup : verification.claimed_setups) {
    if (setup.name == claimed) view.words = &setup;
  }
  for (const Generation& claim : verification.claims) {
    if (claim.setup == claimed) view.prompts.push_back(&claim);
  }
  std::sort(view.prompts.begin(), view.prompts.end(),
            [](const Generation* a, const Generation* b) { return a->reference < b->reference; });
  return view;
}

std::vector<Index> promised_positions(const Generation& prompt, const GenerationSettings& settings) {
  const auto length = static_cast<Index>(prompt.prompt_ids.size());
  const Index end = length + static_cast<Index>(prompt.generated_ids.size());
  const Index last = settings.last_positions == 0 ? end : settings.last_positions;
  std::vector<Index> positions;
  for (Index at = std::max(Index{1}, length - last); at < length; ++at) positions.push_back(at);
  for (Index at = std::max(length, end - last); at < end; ++at) positions.push_back(at);
  return positions;
}

bool bits_are_promised(const Verification& verification, const Setup& verifier) {
  if (lookup(verifier.ran, "determinism") == "not_deterministic") return false;
  return verification.replay == "decode" || lookup(verifier.ran, "rows_change_bits") != "yes";
}

}  // namespace assay
