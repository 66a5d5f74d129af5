#include "report/json_evidence.h"

#include <cmath>

#include "record/infinite_json.h"
#include "report/verdict_sentence.h"

namespace assay {
namespace {

Json hypotheses_json(const std::vector<Hypothesis>& hypotheses) {
  Json json = Json::array();
  for (const Hypothesis& hypothesis : hypotheses) json.push_back(name_of(hypothesis));
  return json;
}

Json difference_json(const ExactDifference& first) {
  return {{"ref_idx", first.reference},
          {"phase", first.decode ? "decode" : "prefill"},
          {"position", first.position},
          {"token", first.id},
          {"recorded", static_cast<double>(first.record)},
          {"replayed", static_cast<double>(first.replay)},
          {"recorded_rank", first.record_rank},
          {"replayed_rank", first.replay_rank},
          {"ulps", first.ulps}};
}

Json tokens_json(const TokenEvidence& tokens) {
  return {{"tokens", tokens.tokens},
          {"chosen", tokens.chosen},
          {"ties", tokens.ties},
          {"largest_margin", tokens.largest_margin}};
}

Json candidate_json(const CandidateEvidence& candidate) {
  Json json = {{"candidate", name_of(candidate.hypothesis)},
               {"setup", candidate.hypothesis.setup},
               {"device", candidate.hypothesis.device},
               {"tier", word(candidate.tier)},
               {"verifier", candidate.verifier},
               {"reproduces", candidate.reproduces},
               {"excluded", candidate.excluded},
               {"log_e", distance_to_json(std::max(0.0, candidate.log_e))},
               {"decided_after", candidate.decided_after},
               {"reason", candidate.reason}};
  if (candidate.first_difference) json["first_difference"] = difference_json(*candidate.first_difference);
  if (candidate.tokens.tokens > 0) json["tokens"] = tokens_json(candidate.tokens);
  return json;
}

Json power_json(const std::vector<Power>& all) {
  Json json = Json::array();
  for (const Power& power : all) {
    Json entry = {{"truth", name_of(power.truth)}, {"probability", power.probability}};
    entry["more_positions"] = power.reachable ? Json(power.more_positions) : Json(nullptr);
    json.push_back(std::move(entry));
  }
  return json;
}

Json interval_json(const std::optional<Interval>& interval) {
  if (!interval) return nullptr;
  return Json::array({distance_to_json(interval->low), distance_to_json(interval->high)});
}

Json claim_json(const ClaimVerdict& verdict, const ClaimEvidence& evidence) {
  Json json = {{"claimed", verdict.claimed},
               {"device", evidence.own.device},
               {"outcome", word(verdict.outcome)},
               {"sentence", verdict_sentence(verdict, evidence)},
               {"reason", verdict.reason},
               {"possible", hypotheses_json(verdict.possible)},
               {"unexamined", hypotheses_json(verdict.unexamined)},
               {"prompts", evidence.prompts},
               {"positions", evidence.positions},
               {"log_e_false", distance_to_json(std::max(0.0, evidence.log_e_false))},
               {"mean_deviation", evidence.mean_deviation}};
  json["coincidence"] = {{"positions", evidence.coincidence.positions},
                         {"equal", evidence.coincidence.equal},
                         {"upper_bound", evidence.coincidence.upper_bound},
                         {"upper_bound_after_equal", evidence.coincidence.upper_bound_after_equal},
                         {"calibrated", evidence.coincidence_calibrated}};
  json["candidates"] = Json::array();
  for (const CandidateEvidence& candidate : evidence.candidates) {
    json["candidates"].push_back(candidate_json(candidate));
  }
  json["classes"] = Json::array();
  for (const auto& members : evidence.classes) json["classes"].push_back(hypotheses_json(members));
  json["power"] = power_json(evidence.power);
  json["weaknesses"] = evidence.weaknesses;
  return json;
}

}  // namespace

Json evidence_json(const VerificationAnalysis& analysis) {
  Json claims = Json::array();
  for (std::size_t i = 0; i < analysis.evidence.size(); ++i) {
    claims.push_back(claim_json(analysis.verdict.claims[i], analysis.evidence[i]));
  }
  return {{"outcome", word(analysis.verdict.outcome)},
          {"headline", verdict_headline(analysis)},
          {"alpha", analysis.alpha},
          {"delta", analysis.delta},
          {"claims", std::move(claims)}};
}

Json interval_matrix_json(const IntervalMatrix& cells) {
  Json rows = Json::array();
  for (const auto& row : cells) {
    Json json = Json::array();
    for (const auto& cell : row) json.push_back(interval_json(cell));
    rows.push_back(std::move(json));
  }
  return rows;
}

Json phase_intervals_json(const PhaseIntervals& intervals, const PhaseAnalysis& phase) {
  Json pairs = Json::object();
  for (std::size_t i = 0; i < intervals.pairs.size(); ++i) {
    const PairSnr& pair = phase.pairwise_snr[i];
    pairs[pair.first + "_vs_" + pair.second] = {
        {"signal", interval_json(intervals.pairs[i].signal)},
        {"noise_floor", interval_json(intervals.pairs[i].noise_floor)},
        {"snr", interval_json(intervals.pairs[i].snr)}};
  }
  return {{"matrix", interval_matrix_json(intervals.cells)},
          {"baseline_mean", interval_json(intervals.baseline_mean)},
          {"signal_all_mean", interval_json(intervals.signal_all_mean)},
          {"signal_meaningful_mean", interval_json(intervals.signal_meaningful_mean)},
          {"snr_all", interval_json(intervals.snr_all)},
          {"snr_meaningful", interval_json(intervals.snr_meaningful)},
          {"pairwise_snr", std::move(pairs)}};
}

}  // namespace assay
