#include "report/text_parts.h"

#include <fmt/format.h>

#include <algorithm>

namespace assay {
namespace {

constexpr std::size_t kNameWidth = 12;  // longer names widen the whole matrix

std::string snr_section(const PhaseAnalysis& phase) {
  std::string text = text_heading("SNR ANALYSIS");
  text += fmt::format("\nDiagonal (baseline = cross-hardware, same config):\n  Mean: {:.2e}\n",
                      phase.baseline_mean);
  text += fmt::format("\nOff-diagonal (all pairs):\n  Count: {}\n  Mean: {:.2e}\n  SNR (all): {:.2f}×\n",
                      phase.n_all_cells, phase.signal_all_mean, phase.snr_all);
  text += fmt::format(
      "\nOff-diagonal (meaningful pairs only):\n  Count: {}\n  Mean: {:.2e}\n  SNR (meaningful): {:.2f}×\n",
      phase.n_meaningful_pairs, phase.signal_meaningful_mean, phase.snr_meaningful);
  if (!phase.excluded_pairs.empty()) {
    text += fmt::format("  Excluded (equivalent in the reference): {}\n", text_pairs(phase.excluded_pairs));
  }
  return text;
}

std::string pairwise_section(const std::vector<PairSnr>& pairs) {
  std::string text = text_heading("PAIRWISE SNR ANALYSIS");
  text +=
      "\nFor each pair (A, B): signal = distance(A→B), noise = diagonal baseline\nSNR = signal / "
      "noise_floor\n\n";
  for (const PairSnr& pair : pairs) {
    text += fmt::format("  {} vs {}:\n    Signal: {:.2e}, Noise: {:.2e}\n    SNR: {:.1f}× → {}\n", pair.first,
                        pair.second, pair.signal, pair.noise_floor, pair.snr, label(pair.detectability));
  }
  return text;
}

std::string summary_table(std::vector<PairSnr> pairs) {
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const PairSnr& a, const PairSnr& b) { return a.snr > b.snr; });
  std::string text = fmt::format("\n{0:-<40}\nPAIRWISE SNR SUMMARY TABLE\n{0:-<40}\n", "");
  text += fmt::format("{:<30} {:>10} {:>10} {:>8}\n{:-<60}\n", "Pair", "Signal", "Noise", "SNR", "");
  for (const PairSnr& pair : pairs) {
    text += fmt::format("{:<30} {:>10.2e} {:>10.2e} {:>8.1f}×\n", pair.first + "_vs_" + pair.second,
                        pair.signal, pair.noise_floor, pair.snr);
  }
  return text;
}

}  // namespace

std::string text_heading(const std::string& lines) {
  return fmt::format("\n{0:=<80}\n{1}\n{0:=<80}\n", "", lines);
}

std::string text_matrix(const std::vector<std::string>& rows, const std::vector<std::string>& columns,
                        const Matrix& matrix) {
  std::size_t width = kNameWidth;
  for (const std::string& name : rows) width = std::max(width, name.size());
  for (const std::string& name : columns) width = std::max(width, name.size());
  std::string text(width + 1, ' ');
  for (const std::string& name : columns) text += fmt::format("{:>{}}", name, width + 1);
  text += '\n';
  for (std::size_t i = 0; i < rows.size(); ++i) {
    text += fmt::format("{:>{}} ", rows[i], width);
    for (const double cell : matrix[i]) text += fmt::format("{:>{}.2e} ", cell, width);
    text += '\n';
  }
  return text;
}

std::string text_pairs(const std::vector<SetupPair>& pairs) {
  std::string text;
  for (const auto& [first, second] : pairs) {
    text += fmt::format("{}({}, {})", text.empty() ? "" : ", ", first, second);
  }
  return "[" + text + "]";
}

std::string text_system(const Environment& environment) {
  static constexpr std::pair<const char*, const char*> kLines[] = {
      {"System", "hostname"},       {"OS", "os"},
      {"CPU", "cpu_name"},          {"GPU", "gpu_name"},
      {"assay", "assay_version"},   {"vLLM", "vllm_version"},
      {"PyTorch", "torch_version"}, {"CUDA", "cuda_version"}};
  std::string text;
  for (const auto& [title, key] : kLines) {
    const std::string value = lookup(environment, key);
    if (!value.empty()) text += fmt::format("{}: {}\n", title, value);
  }
  return text;
}

std::string text_setups(const std::vector<Setup>& setups) {
  std::string text;
  for (const Setup& setup : setups) {
    text +=
        fmt::format("  {}: {} (quant={})\n", verifier_name(setup, setups), setup.model, setup.quantization);
    std::string ran;
    for (const auto& [key, value] : setup.ran)
      ran += fmt::format("{} {}={}", ran.empty() ? "" : ",", key, value);
    if (!ran.empty()) text += fmt::format("    ran:{}\n", ran);
  }
  return text;
}

std::string text_phase(const VerificationAnalysis& analysis, const PhaseAnalysis& phase,
                       const std::string& name) {
  std::string text = text_heading(fmt::format("CROSS-HARDWARE QUANTIZATION DETECTABILITY ({})", name));
  for (std::size_t r = 0; r < analysis.references.size(); ++r) {
    text += fmt::format("\n--- ref_{} ---\n", analysis.references[r]);
    text += text_matrix(analysis.claimed, analysis.verifiers, phase.per_reference_matrices[r]);
  }
  text +=
      text_heading("AGGREGATE (average across references):\n  Rows = claimed config, Cols = verified config");
  text += text_matrix(analysis.claimed, analysis.verifiers, phase.matrix);
  return text + snr_section(phase) + pairwise_section(phase.pairwise_snr) + summary_table(phase.pairwise_snr);
}

}  // namespace assay
