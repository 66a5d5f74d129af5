#include "report/json.h"

#include "record/infinite_json.h"
#include "record/seed_json.h"
#include "report/json_evidence.h"
#include "report/reproduction_text.h"

namespace assay {
namespace {

Json matrix_json(const Matrix& matrix) {
  Json rows = Json::array();
  for (const auto& row : matrix) {
    Json cells = Json::array();
    for (const double cell : row) cells.push_back(distance_to_json(cell));
    rows.push_back(std::move(cells));
  }
  return rows;
}

Json matrices_json(const std::vector<Matrix>& matrices) {
  Json json = Json::array();
  for (const Matrix& matrix : matrices) json.push_back(matrix_json(matrix));
  return json;
}

Json pairs_json(const std::vector<SetupPair>& pairs) {
  Json json = Json::array();
  for (const auto& [first, second] : pairs) json.push_back(Json::array({first, second}));
  return json;
}

// The seed's keys.
Json phase_json(const PhaseAnalysis& phase) {
  Json pairwise = Json::object();
  for (const PairSnr& pair : phase.pairwise_snr) {
    pairwise[pair.first + "_vs_" + pair.second] = {{"signal", distance_to_json(pair.signal)},
                                                   {"noise_floor", distance_to_json(pair.noise_floor)},
                                                   {"snr", distance_to_json(pair.snr)}};
  }
  return {{"matrix", matrix_json(phase.matrix)},
          {"per_reference_matrices", matrices_json(phase.per_reference_matrices)},
          {"baseline_mean", distance_to_json(phase.baseline_mean)},
          {"signal_all_mean", distance_to_json(phase.signal_all_mean)},
          {"signal_meaningful_mean", distance_to_json(phase.signal_meaningful_mean)},
          {"snr_all", distance_to_json(phase.snr_all)},
          {"snr_meaningful", distance_to_json(phase.snr_meaningful)},
          {"excluded_pairs", pairs_json(phase.excluded_pairs)},
          {"n_excluded_cells", phase.n_excluded_cells},
          {"n_meaningful_pairs", phase.n_meaningful_pairs},
          {"pairwise_snr", std::move(pairwise)}};
}

// And ours beside them.
Json full_phase_json(const PhaseAnalysis& phase) {
  Json json = phase_json(phase);
  for (const PairSnr& pair : phase.pairwise_snr) {
    json["pairwise_snr"][pair.first + "_vs_" + pair.second]["label"] = label(pair.detectability);
  }
  if (!phase.bit_equal_share.empty()) json["bit_equal_share"] = matrix_json(phase.bit_equal_share);
  return json;
}

Json sanity_json(const SanityCheck& check) {
  return {{"matrix", matrix_json(check.matrix)},
          {"per_reference_matrices", matrices_json(check.per_reference_matrices)},
          {"off_diagonal_mean", distance_to_json(check.off_diagonal_mean)},
          {"equivalent_pairs", pairs_json(check.equivalent_pairs)},
          {"kernel_classes", check.kernel_classes}};
}

Json environment_validation_json(const EnvironmentValidation& validation) {
  Json mismatches = Json::array();
  for (const EnvironmentDifference& entry : validation.mismatches) {
    mismatches.push_back(Json::array({entry.key, entry.reference, entry.verifier}));
  }
  return {{"valid", validation.valid()}, {"mismatches", std::move(mismatches)}};
}

Json agreements_json(const std::vector<TokenAgreement>& agreements) {
  Json json = Json::array();
  for (const TokenAgreement& agreement : agreements) {
    Json entry = {{"first", agreement.first},
                  {"second", agreement.second},
                  {"ref_idx", agreement.reference},
                  {"length", agreement.length}};
    entry["first_difference"] =
        agreement.first_difference ? Json(*agreement.first_difference) : Json(nullptr);
    json.push_back(std::move(entry));
  }
  return json;
}

Json count_json(const BitCount& count) {
  return {{"positions", count.positions}, {"bit_equal", count.equal}};
}

Json pair_json(const PairReproduction& pair) {
  Json json = {{"verify_config", pair.verifier},
               {"prefill", count_json(pair.prefill)},
               {"decode", count_json(pair.decode)},
               {"reproduces", pair.whole}};
  const FirstDifference& first = pair.first_difference;
  if (first.position > 0) {
    json["first_difference"] = {{"ref_idx", first.reference},
                                {"phase", first.decode ? "decode" : "prefill"},
                                {"position", first.position}};
  }
  return json;
}

Json reproduction_json(const VerificationAnalysis& analysis) {
  const Reproduction& reproduction = analysis.reproduction;
  Json claims = Json::array();
  for (const ClaimReproduction& claim : reproduction.claims) {
    Json pairs = Json::array();
    for (const PairReproduction& pair : claim.pairs) pairs.push_back(pair_json(pair));
    claims.push_back({{"claimed", claim.claimed},
                      {"positions", claim.positions},
                      {"reproduced_by", claim.reproduced_by},
                      {"in_words", reproduction_sentence(analysis, claim)},
                      {"pairs", std::move(pairs)}});
  }
  return {{"claims", std::move(claims)},
          {"coincidence_of_differing",
           {{"prefill", count_json(reproduction.differing_prefill)},
            {"decode", count_json(reproduction.differing_decode)}}}};
}

// Matrices alone, where signal and noise are each device's own.
Json matrices_only_json(const PhaseAnalysis& phase) {
  Json json = {{"matrix", matrix_json(phase.matrix)},
               {"per_reference_matrices", matrices_json(phase.per_reference_matrices)}};
  if (!phase.bit_equal_share.empty()) json["bit_equal_share"] = matrix_json(phase.bit_equal_share);
  return json;
}

Json devices_json(const std::vector<VerificationAnalysis>& devices) {
  Json json = Json::object();
  for (const VerificationAnalysis& device : devices) {
    json[device.device()] = {
        {"verifiers", device.verifiers},
        {"prefill_analysis", full_phase_json(device.prefill)},
        {"decode_analysis", full_phase_json(device.decode)},
        {"prefill_intervals", phase_intervals_json(device.prefill_intervals, device.prefill)},
        {"decode_intervals", phase_intervals_json(device.decode_intervals, device.decode)}};
  }
  return json;
}

Json verification_metadata(const VerificationAnalysis& analysis) {
  Json json = to_seed_json(analysis.run);
  json["metadata"]["environment_validation"] = environment_validation_json(analysis.environment);
  return json;
}

}  // namespace

Json json_report(const VerificationAnalysis& analysis) {
  Json json = verification_metadata(analysis);
  json["claimed"] = analysis.claimed;
  json["verifiers"] = analysis.verifiers;
  json["references"] = analysis.references;
  const auto phase = analysis.devices.empty() ? full_phase_json : matrices_only_json;
  json["prefill_analysis"] = phase(analysis.prefill);
  json["decode_analysis"] = phase(analysis.decode);
  if (analysis.devices.empty()) {
    json["prefill_intervals"] = phase_intervals_json(analysis.prefill_intervals, analysis.prefill);
    json["decode_intervals"] = phase_intervals_json(analysis.decode_intervals, analysis.decode);
  } else {
    json["devices"] = devices_json(analysis.devices);
  }
  if (!analysis.reproduction.claims.empty()) json["exact_reproduction"] = reproduction_json(analysis);
  json["verdict"] = verdict_json(analysis);
  return json;
}

Json json_report(const RecordAnalysis& analysis) {
  Json setups = Json::array();
  for (const Setup& setup : analysis.setups) setups.push_back(setup.name);
  Json floors = Json::object();
  for (const NoiseFloor& floor : analysis.noise_floors) {
    floors[floor.setup] = {{"prefill", distance_to_json(floor.prefill)},
                           {"decode", distance_to_json(floor.decode)}};
    if (floor.runs > 0) floors[floor.setup]["runs"] = floor.runs;
  }
  return {{"setups", std::move(setups)},
          {"references", analysis.references},
          {"distance", word(analysis.rule)},
          {"fingerprint", analysis.fingerprint},
          {"noise_floors", std::move(floors)},
          {"token_consistency", agreements_json(analysis.agreements)},
          {"prefill_sanity_check", sanity_json(analysis.prefill)},
          {"decode_sanity_check", sanity_json(analysis.decode)},
          {"prefill_intervals", interval_matrix_json(analysis.prefill.intervals)},
          {"decode_intervals", interval_matrix_json(analysis.decode.intervals)}};
}

Json verdict_json(const VerificationAnalysis& analysis) {
  Json json = evidence_json(analysis);
  json["environment_validation"] = environment_validation_json(analysis.environment);
  return json;
}

Json seed_export(const Record& record, const RecordAnalysis& analysis) {
  Json json = to_seed_json(record);
  json["prefill_sanity_check"] = sanity_json(analysis.prefill);
  json["decode_sanity_check"] = sanity_json(analysis.decode);
  return json;
}

Json seed_export(const VerificationAnalysis& analysis) {
  Json json = verification_metadata(analysis);
  json["prefill_analysis"] = phase_json(analysis.prefill);
  json["decode_analysis"] = phase_json(analysis.decode);
  return json;
}

}  // namespace assay
