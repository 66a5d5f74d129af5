#include "verify/consistency.h"

#include <algorithm>

#include "verify/distance.h"

namespace assay {

Result<NoiseFloor> noise_floor(std::span<const Generation> runs, DistanceRule rule, Index top_k) {
  if (runs.size() < 2) {
    return Error{runs.empty() ? "" : runs.front().setup, "runs", "at least 2", std::to_string(runs.size())};
  }
  const Generation& first = runs.front();
  NoiseFloor floor{.setup = first.setup, .runs = static_cast<Index>(runs.size())};
  for (const Generation& a : runs) {
    if (a.setup != first.setup) return Error{first.setup, "setup", first.setup, a.setup};
    if (a.prompt_ids != first.prompt_ids) return Error{first.setup, "prompt_ids", "one prompt", "two"};
    for (const Generation& b : runs) {
      if (&a == &b) continue;
      const auto prefill = compare_phase(prefill_view(a), prefill_view(b), rule, top_k);
      const auto decode = compare_phase(decode_view(a), decode_view(b), rule, top_k);
      const bool same_text = a.generated_ids == b.generated_ids;
      floor.prefill = std::max(floor.prefill, prefill.mean);
      // Two empty texts have nothing to differ in.
      if (!same_text || !a.decode.empty()) {
        floor.decode = std::max(floor.decode, same_text ? decode.mean : kNothingShared);
      }
    }
  }
  return floor;
}

NoiseFloor worst(const NoiseFloor& a, const NoiseFloor& b) {
  return {.setup = a.setup,
          .prefill = std::max(a.prefill, b.prefill),
          .decode = std::max(a.decode, b.decode),
          .runs = std::min(a.runs, b.runs)};
}

std::vector<TokenAgreement> token_agreement(const Record& record) {
  std::vector<TokenAgreement> agreements;
  const auto compare = [&](const Generation& a, const Generation& b) {
    const std::size_t length = std::min(a.generated_ids.size(), b.generated_ids.size());
    TokenAgreement agreement{.first = a.setup,
                             .second = b.setup,
                             .reference = a.reference,
                             .length = static_cast<Index>(length),
                             .first_difference = std::nullopt};
    const auto differs =
        std::mismatch(a.generated_ids.begin(), a.generated_ids.begin() + static_cast<std::ptrdiff_t>(length),
                      b.generated_ids.begin());
    if (a.generated_ids != b.generated_ids) {
      agreement.first_difference = differs.first - a.generated_ids.begin();
    }
    agreements.push_back(std::move(agreement));
  };
  for (std::size_t i = 0; i < record.setups.size(); ++i) {
    for (std::size_t j = i + 1; j < record.setups.size(); ++j) {
      for (const Generation& a : record.generations) {
        if (a.setup != record.setups[i].name) continue;
        for (const Generation& b : record.generations) {
          if (b.setup == record.setups[j].name && b.reference == a.reference) compare(a, b);
        }
      }
    }
  }
  return agreements;
}

}  // namespace assay
