#include <fmt/format.h>

#include <algorithm>

#include "record/json_codec.h"
#include "record/seed_json.h"

namespace assay {
namespace {

// Python wrote gpu_count as a number; all else is text.
Json environment_for_python(const Environment& environment) {
  Json json = environment_to_json(environment);
  const std::string count = lookup(environment, "gpu_count");
  const bool digits = !count.empty() && count.size() < 10 &&
                      std::all_of(count.begin(), count.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (digits) json["gpu_count"] = std::stoi(count);
  return json;
}

// The position's own token first, as vLLM lists it, then by rank.
Json scores_to_json(const PositionScores& position, TokenId own) {
  std::vector<TokenScore> scores = position.scores;
  std::stable_partition(scores.begin(), scores.end(), [own](const TokenScore& s) { return s.id == own; });
  Json ids = Json::array();
  Json logprobs = Json::array();
  for (const TokenScore& score : scores) {
    ids.push_back(score.id);
    logprobs.push_back(static_cast<double>(score.logprob));
  }
  return {{"logprobs", {{"token_ids", std::move(ids)}, {"log_probs", std::move(logprobs)}}}};
}

Json phase_to_json(const std::vector<PositionScores>& phase, const std::vector<TokenId>& tokens,
                   Index begin) {
  Json signals = Json::object();
  for (const PositionScores& position : phase) {
    const Index at = position.position - begin;
    const auto name = fmt::format("pos_{}", at - static_cast<Index>(tokens.size()));
    signals[name] = scores_to_json(position, tokens[static_cast<std::size_t>(at)]);
  }
  return signals;
}

Json generation_to_json(const Generation& generation) {
  const auto prompt = static_cast<Index>(generation.prompt_ids.size());
  return {{"ref_idx", generation.reference},
          {"prompt_ids", generation.prompt_ids},
          {"generated_ids", generation.generated_ids},
          {"prompt_length", prompt},
          {"prefill_signals", phase_to_json(generation.prefill, generation.prompt_ids, 0)},
          {"decode_signals", phase_to_json(generation.decode, generation.generated_ids, prompt)},
          {"num_generated", generation.generated_ids.size()}};
}

}  // namespace

Json to_seed_json(const Record& record) {
  Json generations = Json::object();
  for (const Setup& setup : record.setups) generations[setup.name] = Json::array();
  for (const Generation& generation : record.generations) {
    generations[generation.setup].push_back(generation_to_json(generation));
  }
  const std::string gpu = lookup(record.environment, "gpu_name");
  return {{"metadata",
           {{"environment", environment_for_python(record.environment)},
            {"model_configs", setups_to_json(record.setups, gpu)},
            {"max_new_tokens", record.settings.max_new_tokens},
            {"tokens_per_slice", record.settings.prompt_tokens},
            {"num_references", record.settings.references},
            {"top_k_logprobs", record.settings.top_k},
            {"timestamp", record.timestamp}}},
          {"generations", std::move(generations)},
          {"noise_floors", noise_floors_to_json(record.noise_floors)}};
}

Json to_seed_json(const Verification& verification) {
  const std::string reference_gpu = lookup(verification.reference_environment, "gpu_name");
  const std::string verifier_gpu = lookup(verification.environment, "gpu_name");
  Json metadata = {{"reference_gpu", reference_gpu},
                   {"verifier_gpu", verifier_gpu},
                   {"reference_file", verification.reference_file},
                   {"reference_environment", environment_for_python(verification.reference_environment)},
                   {"verifier_environment", environment_for_python(verification.environment)},
                   {"model_configs", setups_to_json(verification.setups, verifier_gpu)},
                   {"timestamp", verification.timestamp},
                   {"prefill_equivalent_pairs", pairs_to_json(verification.prefill_equivalent_pairs)},
                   {"decode_equivalent_pairs", pairs_to_json(verification.decode_equivalent_pairs)}};
  if (verification.rule != DistanceRule::seed) metadata["distance"] = word(verification.rule);
  if (!verification.replay.empty()) metadata["replay"] = verification.replay;
  if (!verification.reference_fingerprint.empty()) {
    metadata["reference_fingerprint"] = verification.reference_fingerprint;
  }
  if (!verification.claimed_setups.empty()) {
    metadata["claimed_configs"] = setups_to_json(verification.claimed_setups, reference_gpu);
  }
  return {{"metadata", std::move(metadata)},
          {"comparisons", comparisons_to_json(verification.comparisons, verification.setups)}};
}

}  // namespace assay
