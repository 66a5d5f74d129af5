// The analysis of a verification: matrices, signal, noise and the verdict. Starts from comparisons, so the
// seed's files, which have no log-probabilities, are analysed by the same code.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "record/record.h"
#include "verify/environment.h"
#include "verify/intervals.h"
#include "verify/reproduction.h"
#include "verify/sanity.h"
#include "verify/snr.h"
#include "verify/verdict.h"

namespace assay {

struct PairSnr {
  std::string first;
  std::string second;
  double signal = 0;       // mean of the two directions
  double noise_floor = 0;  // mean of the two diagonal cells
  double snr = 0;
  Detectability detectability = Detectability::not_reliably;
};

struct PhaseAnalysis {
  Matrix matrix;  // mean over references
  std::vector<Matrix> per_reference_matrices;
  double baseline_mean = 0;           // mean of the diagonal cells of `matrix`
  double signal_all_mean = 0;         // mean of the other cells
  double signal_meaningful_mean = 0;  // of those whose setups the record can tell apart; 0 if there are none
  double snr_all = 0;
  double snr_meaningful = 0;
  std::vector<SetupPair> excluded_pairs;  // equivalent in the record
  Index n_all_cells = 0;
  Index n_excluded_cells = 0;
  Index n_meaningful_pairs = 0;       // cells, as in the seed's files
  std::vector<PairSnr> pairwise_snr;  // by setup order; pairs with all four cells
  Matrix bit_equal_share;             // of compared positions, over all references; empty where not recorded
};

struct VerificationAnalysis {
  Verification run;                    // without re-executions and claims: metadata and comparisons
  std::vector<std::string> claimed;    // rows
  std::vector<std::string> verifiers;  // columns, as verifier_name says
  std::vector<Index> references;
  EnvironmentValidation environment;
  // Under several devices these two hold matrices only: signal and noise are each device's own.
  PhaseAnalysis prefill;
  PhaseAnalysis decode;
  // Of a verification under several devices: each device's has them.
  PhaseIntervals prefill_intervals;
  PhaseIntervals decode_intervals;
  Reproduction reproduction;
  double alpha = 1e-3;  // of the verdict
  double delta = 1;
  std::vector<ClaimEvidence> evidence;  // by claim
  Verdict verdict;
  // Several devices: the analysis of each one's setups alone, which have their plain names there, where a claimed
  // setup is among them; no verdicts.
  std::vector<VerificationAnalysis> devices;
  const std::string& device() const { return run.setups.front().device; }  // of an element of `devices`
};

// Error (file names the verification): a missing comparison, no setup that is both claim and verifier (there
// is no baseline then), a calibration that check_calibration refuses.
Result<VerificationAnalysis> analyze_verification(const Verification& verification, const std::string& file,
                                                  const DecisionOptions& options = {});

// The tables of one phase alone; rows, columns and depth as given. Needs equal names at least once.
PhaseAnalysis analyze_phase(const std::vector<std::string>& claimed,
                            const std::vector<std::string>& verifiers,
                            std::vector<Matrix> per_reference_matrices,
                            const std::vector<SetupPair>& equivalent);

}  // namespace assay
