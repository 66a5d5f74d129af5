#include "report/tables.h"

#include <fmt/format.h>

#include <functional>
#include <optional>

#include "report/reproduction_text.h"
#include "report/verdict_sentence.h"

namespace assay {
namespace {

using Names = std::vector<std::string>;

Names names_of(const std::vector<Setup>& setups) {
  Names names;
  for (const Setup& setup : setups) names.push_back(setup.name);
  return names;
}

// Text that stands in a cell: a pipe would end it.
std::string cell_text(const std::string& text) {
  std::string escaped;
  for (const char c : text) escaped += c == '|' ? std::string("\\|") : std::string(1, c);
  return escaped;
}

std::string markdown_matrix(const Names& rows, const Names& columns, const Matrix& matrix,
                            const IntervalMatrix& intervals) {
  std::string text = "| claimed \\ verified |";
  for (const std::string& name : columns) text += fmt::format(" {} |", cell_text(name));
  text += "\n| --- |";
  for (std::size_t j = 0; j < columns.size(); ++j) text += " ---: |";
  text += '\n';
  for (std::size_t i = 0; i < rows.size(); ++i) {
    text += fmt::format("| {} |", cell_text(rows[i]));
    for (std::size_t j = 0; j < columns.size(); ++j) {
      const std::string interval = intervals.empty() ? "" : " " + interval_text(intervals[i][j]);
      text += fmt::format(" {:.2e}{} |", matrix[i][j], interval);
    }
    text += '\n';
  }
  return text + '\n';
}

std::string markdown_phase(const VerificationAnalysis& analysis, const PhaseAnalysis& phase,
                           const PhaseIntervals& intervals, const std::string& name) {
  std::string text = fmt::format("## {}\n\nMean over {} references:\n\n", name, analysis.references.size());
  text += markdown_matrix(analysis.claimed, analysis.verifiers, phase.matrix, intervals.cells);
  text += fmt::format("Baseline {:.2e}; SNR (all) {:.2f}×, SNR (meaningful) {:.2f}×.\n\n",
                      phase.baseline_mean, phase.snr_all, phase.snr_meaningful);
  text += "| pair | signal | noise | SNR | |\n| --- | ---: | ---: | ---: | --- |\n";
  for (std::size_t i = 0; i < phase.pairwise_snr.size(); ++i) {
    const PairSnr& pair = phase.pairwise_snr[i];
    const bool known = i < intervals.pairs.size();
    text +=
        fmt::format("| {} vs {} | {:.2e} | {:.2e} | {:.1f}× {} | {} |\n", cell_text(pair.first),
                    cell_text(pair.second), pair.signal, pair.noise_floor, pair.snr,
                    known ? interval_text(intervals.pairs[i].snr, "{:.1f}") : "", label(pair.detectability));
  }
  return text + '\n';
}

// RFC 4180: quoted where it must be.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

constexpr const char* kCsvHeader = "phase,reference,claimed,verifier,distance,positions,bit_equal\n";

// Compared positions of a cell; without a reference, of all. A record alone has none.
using CountOf =
    std::function<BitCount(const std::string& claimed, const std::string& verifier, std::optional<Index>)>;

std::string csv_matrix(const char* phase, std::optional<Index> reference, const Names& rows,
                       const Names& columns, const Matrix& matrix, const CountOf& count_of) {
  const std::string name = reference ? fmt::format("ref_{}", *reference) : "all";
  std::string text;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < columns.size(); ++j) {
      const BitCount count = count_of(rows[i], columns[j], reference);
      text += fmt::format("{},{},{},{},{},{}\n", phase, name, csv_field(rows[i]), csv_field(columns[j]),
                          matrix[i][j],
                          count.positions == 0 ? "," : fmt::format("{},{}", count.positions, count.equal));
    }
  }
  return text;
}

std::string csv_phase(const char* phase, const std::vector<Index>& references, const Names& rows,
                      const Names& columns, const std::vector<Matrix>& per_reference, const Matrix& mean,
                      const CountOf& count_of) {
  std::string text;
  for (std::size_t r = 0; r < references.size(); ++r) {
    text += csv_matrix(phase, references[r], rows, columns, per_reference[r], count_of);
  }
  return text + csv_matrix(phase, std::nullopt, rows, columns, mean, count_of);
}

CountOf counts_of(const Verification& run, PhaseComparison Comparison::*phase) {
  return
      [&run, phase](const std::string& claimed, const std::string& verifier, std::optional<Index> reference) {
        BitCount sum;
        for (const Comparison& comparison : run.comparisons) {
          if (comparison.claimed != claimed || comparison.verifier != verifier) continue;
          if (reference && comparison.reference != *reference) continue;
          sum.positions += (comparison.*phase).positions;
          sum.equal += (comparison.*phase).bit_equal;
        }
        return sum;
      };
}

std::string markdown_reproduction(const VerificationAnalysis& analysis) {
  const Reproduction& exact = analysis.reproduction;
  if (const std::string sentence = not_counted_sentence(analysis); !sentence.empty()) {
    return fmt::format("Exact reproduction: {}\n\n", sentence);
  }
  if (exact.claims.empty()) return "";
  std::string text =
      "## Exact reproduction\n\n| claim | verifier | prefill | decode | bit for bit | first difference |\n"
      "| --- | --- | ---: | ---: | --- | --- |\n";
  for (const ClaimReproduction& claim : exact.claims) {
    for (const PairReproduction& pair : claim.pairs) {
      text +=
          fmt::format("| {} | {} | {}/{} | {}/{} | {} | {} |\n", cell_text(claim.claimed),
                      cell_text(pair.verifier), pair.prefill.equal, pair.prefill.positions, pair.decode.equal,
                      pair.decode.positions, pair.whole ? "yes" : "no", place_of(pair.first_difference));
    }
  }
  text += '\n';
  for (const ClaimReproduction& claim : exact.claims) {
    text += fmt::format("- {}\n", reproduction_sentence(analysis, claim));
  }
  return text + fmt::format("- prefill: {}\n- decode: {}\n\n", coincidence_sentence(exact.differing_prefill),
                            coincidence_sentence(exact.differing_decode));
}

std::string markdown_evidence(const VerificationAnalysis& analysis) {
  std::string text = fmt::format("Verdict: **{}** (alpha {}, delta {})\n\n", word(analysis.verdict.outcome),
                                 analysis.alpha, analysis.delta);
  for (std::size_t i = 0; i < analysis.evidence.size(); ++i) {
    const ClaimEvidence& evidence = analysis.evidence[i];
    const ClaimVerdict& verdict = analysis.verdict.claims[i];
    text +=
        fmt::format("- {} {}.\n", cell_text(verdict_sentence(verdict, evidence)), cell_text(verdict.reason));
    for (const std::string& weakness : evidence.weaknesses) text += fmt::format("  - {}\n", weakness);
  }
  text += "\n| claim | candidate | tier | e-value against | positions | excluded |\n";
  text += "| --- | --- | --- | ---: | ---: | --- |\n";
  for (const ClaimEvidence& evidence : analysis.evidence) {
    for (const CandidateEvidence& candidate : evidence.candidates) {
      text += fmt::format("| {} | {} | {} | {} | {} | {} |\n", cell_text(evidence.claimed),
                          cell_text(name_of(candidate.hypothesis)), word(candidate.tier),
                          candidate.tier == Tier::none ? "" : e_value(candidate.log_e), evidence.positions,
                          candidate.excluded ? "yes" : "no");
    }
  }
  return text + '\n';
}

}  // namespace

std::string markdown_report(const VerificationAnalysis& analysis) {
  std::string text =
      fmt::format("# Verification of {}\n\n{}\n\n", analysis.run.reference_file, verdict_headline(analysis));
  text += markdown_evidence(analysis);
  for (const EnvironmentDifference& entry : analysis.environment.mismatches) {
    text += fmt::format("- environment mismatch: `{}` reference `{}`, verifier `{}`\n", entry.key,
                        entry.reference, entry.verifier);
  }
  if (!analysis.environment.valid()) text += '\n';
  text += markdown_reproduction(analysis);
  for (const VerificationAnalysis& device : analysis.devices) {
    text +=
        markdown_phase(device, device.prefill, device.prefill_intervals, "Prefill on " + device.device()) +
        markdown_phase(device, device.decode, device.decode_intervals, "Decode on " + device.device());
  }
  if (!analysis.devices.empty()) return text;
  return text + markdown_phase(analysis, analysis.prefill, analysis.prefill_intervals, "Prefill") +
         markdown_phase(analysis, analysis.decode, analysis.decode_intervals, "Decode");
}

std::string markdown_report(const RecordAnalysis& analysis) {
  const Names names = names_of(analysis.setups);
  std::string text = fmt::format("# Generation\n\nFingerprint `{}`\n\n", analysis.fingerprint);
  for (const auto& [title, check] : {std::pair{"Prefill", &analysis.prefill}, {"Decode", &analysis.decode}}) {
    text += fmt::format("## {}\n\n", title) + markdown_matrix(names, names, check->matrix, check->intervals);
    text += fmt::format("Off-diagonal mean {:.2e}. Kernel classes:\n\n", check->off_diagonal_mean);
    for (const auto& members : check->kernel_classes) text += fmt::format("- {}\n", fmt::join(members, ", "));
    text += '\n';
  }
  return text;
}

std::string csv_report(const VerificationAnalysis& analysis) {
  std::string text = kCsvHeader;
  const auto phase = [&](const char* name, const PhaseAnalysis& cells, PhaseComparison Comparison::*member) {
    return csv_phase(name, analysis.references, analysis.claimed, analysis.verifiers,
                     cells.per_reference_matrices, cells.matrix, counts_of(analysis.run, member));
  };
  return text + phase("prefill", analysis.prefill, &Comparison::prefill) +
         phase("decode", analysis.decode, &Comparison::decode);
}

std::string csv_report(const RecordAnalysis& analysis) {
  const Names names = names_of(analysis.setups);
  std::string text = kCsvHeader;
  for (const auto& [name, check] : {std::pair{"prefill", &analysis.prefill}, {"decode", &analysis.decode}}) {
    text += csv_phase(name, analysis.references, names, names, check->per_reference_matrices, check->matrix,
                      [](auto&&...) { return BitCount(); });
  }
  return text;
}

}  // namespace assay
