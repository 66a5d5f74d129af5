#include "verify/analysis.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>

namespace assay {
namespace {

using Names = std::vector<std::string>;

bool contains(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::optional<std::size_t> place(const Names& names, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<std::size_t>(found - names.begin());
}

bool is_pair(const std::vector<SetupPair>& pairs, const std::string& a, const std::string& b) {
  return std::any_of(pairs.begin(), pairs.end(), [&](const SetupPair& pair) {
    return pair == SetupPair(a, b) || pair == SetupPair(b, a);
  });
}

// A running mean that is 0 over nothing.
class Mean {
 public:
  void add(double value) {
    sum_ += value;
    ++count_;
  }
  Index count() const { return count_; }
  double value() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

 private:
  double sum_ = 0;
  Index count_ = 0;
};

Matrix mean_of(const std::vector<Matrix>& matrices, std::size_t rows, std::size_t columns) {
  Matrix mean(rows, std::vector<double>(columns, 0));
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < columns; ++j) {
      for (const Matrix& matrix : matrices) mean[i][j] += matrix[i][j];
      mean[i][j] /= static_cast<double>(matrices.size());
    }
  }
  return mean;
}

std::vector<PairSnr> pairwise(const Names& claimed, const Names& verifiers, const Matrix& matrix) {
  std::vector<PairSnr> result;
  for (std::size_t i = 0; i < claimed.size(); ++i) {
    for (std::size_t j = i + 1; j < claimed.size(); ++j) {
      const auto column_i = place(verifiers, claimed[i]);
      const auto column_j = place(verifiers, claimed[j]);
      if (!column_i || !column_j) continue;
      PairSnr pair{.first = claimed[i], .second = claimed[j]};
      pair.signal = (matrix[i][*column_j] + matrix[j][*column_i]) / 2;
      pair.noise_floor = (matrix[i][*column_i] + matrix[j][*column_j]) / 2;
      pair.snr = signal_to_noise(pair.signal, pair.noise_floor);
      pair.detectability = detectability(pair.snr);
      result.push_back(std::move(pair));
    }
  }
  return result;
}

// Names that occur in the comparisons: first in setup order, then others as they come.
Names ordered(const std::vector<Setup>& setups, const std::vector<Comparison>& comparisons,
              std::string Comparison::*member) {
  Names present;
  for (const Comparison& comparison : comparisons) {
    if (!contains(present, comparison.*member)) present.push_back(comparison.*member);
  }
  Names names;
  for (const Setup& setup : setups) {
    const std::string name = verifier_name(setup, setups);
    if (contains(present, name)) names.push_back(name);
  }
  for (const std::string& name : present) {
    if (!contains(names, name)) names.push_back(name);
  }
  return names;
}

using Cells = std::map<std::tuple<Index, std::string, std::string>, const Comparison*>;

std::vector<Matrix> matrices(const VerificationAnalysis& analysis, const Cells& cells,
                             PhaseComparison Comparison::*phase) {
  std::vector<Matrix> result;
  for (const Index reference : analysis.references) {
    Matrix& matrix = result.emplace_back();
    for (const std::string& claimed : analysis.claimed) {
      auto& row = matrix.emplace_back();
      for (const std::string& verifier : analysis.verifiers) {
        row.push_back((cells.at({reference, claimed, verifier})->*phase).mean);
      }
    }
  }
  return result;
}

// Share of compared positions with equal bits; empty unless every comparison counted its positions.
Matrix bit_equal_share(const VerificationAnalysis& analysis, const Cells& cells,
                       PhaseComparison Comparison::*phase) {
  Matrix share;
  for (const std::string& claimed : analysis.claimed) {
    auto& row = share.emplace_back();
    for (const std::string& verifier : analysis.verifiers) {
      Index positions = 0;
      Index equal = 0;
      for (const Index reference : analysis.references) {
        const PhaseComparison& comparison = cells.at({reference, claimed, verifier})->*phase;
        positions += comparison.positions;
        equal += comparison.bit_equal;
      }
      if (positions == 0) return {};
      row.push_back(static_cast<double>(equal) / static_cast<double>(positions));
    }
  }
  return share;
}

PhaseAnalysis tabulate(std::vector<Matrix> per_reference_matrices, std::size_t rows, std::size_t columns) {
  require(!per_reference_matrices.empty(), "an analysis needs at least one reference");
  PhaseAnalysis phase;
  phase.matrix = mean_of(per_reference_matrices, rows, columns);
  phase.per_reference_matrices = std::move(per_reference_matrices);
  return phase;
}

// The devices of a verification that has setups of one name under several; else none.
Names several_devices(const std::vector<Setup>& setups) {
  Names devices;
  bool several = false;
  for (const Setup& setup : setups) {
    if (!contains(devices, setup.device)) devices.push_back(setup.device);
    several |= verifier_name(setup, setups) != setup.name;
  }
  return several ? devices : Names{};
}

// The part of a verification that ran under one device, with the setups' plain names.
Verification under_device(const Verification& whole, const std::string& device) {
  Verification part = whole;
  std::erase_if(part.setups, [&](const Setup& setup) { return setup.device != device; });
  part.comparisons.clear();
  for (Comparison comparison : whole.comparisons) {
    const Setup* setup = find_verifier(whole.setups, comparison.verifier);
    if (setup == nullptr || setup->device != device) continue;
    comparison.verifier = setup->name;
    part.comparisons.push_back(std::move(comparison));
  }
  return part;
}

Result<Cells> index_comparisons(const VerificationAnalysis& analysis, const std::string& file) {
  Cells cells;
  for (const Comparison& c : analysis.run.comparisons) cells[{c.reference, c.claimed, c.verifier}] = &c;
  for (const Index reference : analysis.references) {
    for (const std::string& claimed : analysis.claimed) {
      for (const std::string& verifier : analysis.verifiers) {
        if (cells.contains({reference, claimed, verifier})) continue;
        return Error{file, "comparisons", fmt::format("{} under {} for ref_{}", claimed, verifier, reference),
                     "no such comparison"};
      }
    }
  }
  return cells;
}

}  // namespace

PhaseAnalysis analyze_phase(const Names& claimed, const Names& verifiers,
                            std::vector<Matrix> per_reference_matrices,
                            const std::vector<SetupPair>& equivalent) {
  PhaseAnalysis phase = tabulate(std::move(per_reference_matrices), claimed.size(), verifiers.size());
  Mean baseline;
  Mean all;
  Mean meaningful;
  for (std::size_t i = 0; i < claimed.size(); ++i) {
    for (std::size_t j = 0; j < verifiers.size(); ++j) {
      const double distance = phase.matrix[i][j];
      if (claimed[i] == verifiers[j]) {
        baseline.add(distance);
        continue;
      }
      all.add(distance);
      if (!is_pair(equivalent, claimed[i], verifiers[j])) meaningful.add(distance);
    }
  }
  require(baseline.count() > 0, "an analysis needs a setup that is both claim and verifier");
  phase.baseline_mean = baseline.value();
  phase.signal_all_mean = all.value();
  phase.signal_meaningful_mean = meaningful.value();
  phase.snr_all = signal_to_noise(all.value(), baseline.value());
  phase.snr_meaningful = signal_to_noise(meaningful.value(), baseline.value());
  phase.excluded_pairs = equivalent;
  phase.n_all_cells = all.count();
  phase.n_excluded_cells = all.count() - meaningful.count();
  phase.n_meaningful_pairs = meaningful.count();
  phase.pairwise_snr = pairwise(claimed, verifiers, phase.matrix);
  return phase;
}

namespace {

// All but the verdict.
Result<VerificationAnalysis> tables_of(const Verification& verification, const std::string& file) {
  VerificationAnalysis analysis;
  analysis.run = verification;
  analysis.run.reexecutions.clear();
  analysis.run.claims.clear();
  const auto& comparisons = verification.comparisons;
  const auto& row_order =
      verification.claimed_setups.empty() ? verification.setups : verification.claimed_setups;
  analysis.claimed = ordered(row_order, comparisons, &Comparison::claimed);
  analysis.verifiers = ordered(verification.setups, comparisons, &Comparison::verifier);
  for (const Comparison& comparison : comparisons) analysis.references.push_back(comparison.reference);
  std::sort(analysis.references.begin(), analysis.references.end());
  analysis.references.erase(std::unique(analysis.references.begin(), analysis.references.end()),
                            analysis.references.end());
  const auto cells = index_comparisons(analysis, file);
  if (!cells) return cells.error();
  Names setups;
  for (const std::string& name : analysis.verifiers) setups.push_back(setup_name(verification.setups, name));
  const bool baseline = std::any_of(analysis.claimed.begin(), analysis.claimed.end(),
                                    [&](const auto& name) { return contains(setups, name); });
  if (!baseline) {
    return Error{file, "comparisons", "a setup that is both claimed and verified under", "none: no baseline"};
  }
  analysis.environment = validate_environment(verification);
  const Names devices = several_devices(verification.setups);
  const auto phase = [&](PhaseComparison Comparison::*member, const std::vector<SetupPair>& equivalent) {
    auto distances = matrices(analysis, *cells, member);
    if (!devices.empty()) return tabulate(std::move(distances), analysis.claimed.size(), setups.size());
    return analyze_phase(analysis.claimed, analysis.verifiers, std::move(distances), equivalent);
  };
  analysis.prefill = phase(&Comparison::prefill, verification.prefill_equivalent_pairs);
  analysis.decode = phase(&Comparison::decode, verification.decode_equivalent_pairs);
  if (devices.empty()) {
    analysis.prefill_intervals = phase_intervals(analysis.claimed, analysis.verifiers, analysis.prefill);
    analysis.decode_intervals = phase_intervals(analysis.claimed, analysis.verifiers, analysis.decode);
  }
  analysis.prefill.bit_equal_share = bit_equal_share(analysis, *cells, &Comparison::prefill);
  analysis.decode.bit_equal_share = bit_equal_share(analysis, *cells, &Comparison::decode);
  analysis.reproduction = count_reproduction(verification, analysis.claimed, analysis.verifiers);
  for (const std::string& device : devices) {
    const Verification under = under_device(verification, device);
    const bool has_baseline = std::any_of(under.setups.begin(), under.setups.end(), [&](const Setup& setup) {
      return contains(analysis.claimed, setup.name);
    });
    if (!has_baseline) continue;  // no claimed setup ran on it: its columns stay in the tables of all
    auto part = tables_of(under, file);
    if (!part) return part.error();
    analysis.devices.push_back(*std::move(part));
  }
  return analysis;
}

}  // namespace

Result<VerificationAnalysis> analyze_verification(const Verification& verification, const std::string& file,
                                                  const DecisionOptions& options) {
  if (options.calibration) {
    const auto checked = check_calibration(*options.calibration, verification, options.calibration_file);
    if (!checked) return checked.error();
  }
  auto analysis = tables_of(verification, file);
  if (!analysis) return analysis.error();
  analysis->alpha = options.alpha;
  analysis->delta = options.delta;
  analysis->evidence = gather_evidence(verification, analysis->claimed, options);
  analysis->verdict = judge(verification, analysis->evidence, options.alpha);
  return analysis;
}

}  // namespace assay
