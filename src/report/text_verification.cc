#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "report/text.h"
#include "report/text_parts.h"

namespace assay {
namespace {

std::string difference(const EnvironmentDifference& entry) {
  const auto shown = [](const std::string& value) { return value.empty() ? "(not recorded)" : value; };
  if (entry.reference == entry.verifier) return entry.reference;
  return fmt::format("reference={}, verifier={}", shown(entry.reference), shown(entry.verifier));
}

// Whose arithmetic the setups have, each once.
std::string devices_of(const std::vector<Setup>& setups) {
  std::vector<std::string> names;
  for (const Setup& setup : setups) {
    if (std::find(names.begin(), names.end(), setup.device) == names.end()) names.push_back(setup.device);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string head(const VerificationAnalysis& analysis) {
  const Verification& run = analysis.run;
  std::string text =
      text_heading("QUANTIZATION FORMAT DETECTION EXPERIMENT - VERIFICATION (teacher-forcing)");
  text += "\n" + text_system(run.environment) + "\nConfigurations:\n" + text_setups(run.setups);
  text += fmt::format("\nReference file: {}\n", run.reference_file);
  if (!run.replay.empty()) text += fmt::format("Replay: {}\n", run.replay);
  const std::string reference_gpu = lookup(run.reference_environment, "gpu_name");
  const std::string verifier_gpu = lookup(run.environment, "gpu_name");
  if (!reference_gpu.empty() && !verifier_gpu.empty()) {
    text += fmt::format("Reference GPU: {}\nVerifier GPU:  {}\n", reference_gpu, verifier_gpu);
  }
  if (!run.claimed_setups.empty()) {
    text += fmt::format("Claimed device:   {}\nVerifier devices: {}\n", devices_of(run.claimed_setups),
                        devices_of(run.setups));
  }
  return text;
}

std::string environment_section(const VerificationAnalysis& analysis) {
  std::string text = text_heading("ENVIRONMENT VALIDATION") + "\nCritical dependencies:\n";
  for (const auto& entry : analysis.environment.critical) {
    text += fmt::format("  {} {}: {}\n", entry.reference == entry.verifier ? "✓" : "✗", entry.key,
                        difference(entry));
  }
  text += "\nExpected differences (hardware):\n";
  for (const auto& entry : analysis.environment.expected) {
    text += fmt::format("  ✓ {}: {}\n", entry.key, difference(entry));
  }
  if (analysis.environment.valid()) {
    text += "\n✓ Environment validated\n";
  } else {
    text +=
        "\n⚠ ENVIRONMENT MISMATCHES DETECTED\n"
        "  Results may be affected by software differences, not just hardware.\n";
  }
  return text + fmt::format("\nLoaded equivalent pairs from reference:\n  Prefill: {}\n  Decode: {}\n",
                            text_pairs(analysis.run.prefill_equivalent_pairs),
                            text_pairs(analysis.run.decode_equivalent_pairs));
}

std::string comparison_lines(const Comparison& comparison, const std::vector<Setup>& setups) {
  const std::string sizes =
      comparison.prompt_tokens > 0
          ? fmt::format("Prompt: {}, Gen: {} → ", comparison.prompt_tokens, comparison.generated_tokens)
          : "";
  return fmt::format("    ref_{} ({}):      {}verified\n      Prefill: {:.2e}, Decode: {:.2e}\n",
                     comparison.reference,
                     comparison.claimed == setup_name(setups, comparison.verifier) ? "diag" : "off", sizes,
                     comparison.prefill.mean, comparison.decode.mean);
}

std::string verifier_section(const VerificationAnalysis& analysis, const std::string& verifier) {
  std::string text = text_heading("VERIFYING WITH: " + verifier);
  const auto& setups = analysis.run.setups;
  const Setup* setup = find_verifier(setups, verifier);
  if (setup != nullptr) {
    text += fmt::format("Loading model: {}\n  Quantization: {}\n  Dtype: {}\n", setup->model,
                        setup->quantization, setup->dtype);
  }
  for (const std::string& claimed : analysis.claimed) {
    text += fmt::format("\n  Claimed config: {}\n", claimed);
    for (const Comparison& comparison : analysis.run.comparisons) {
      if (comparison.claimed == claimed && comparison.verifier == verifier)
        text += comparison_lines(comparison, setups);
    }
  }
  return text;
}

// Which bits agree, and which generated tokens the verifier would have chosen itself; empty where not
// recorded.
std::string equality_section(const VerificationAnalysis& analysis) {
  std::string rows;
  for (const std::string& claimed : analysis.claimed) {
    for (const std::string& verifier : analysis.verifiers) {
      Comparison sum;
      for (const Comparison& c : analysis.run.comparisons) {
        if (c.claimed != claimed || c.verifier != verifier) continue;
        sum.prefill.positions += c.prefill.positions;
        sum.prefill.bit_equal += c.prefill.bit_equal;
        sum.decode.positions += c.decode.positions;
        sum.decode.bit_equal += c.decode.bit_equal;
        sum.ranked_tokens += c.ranked_tokens;
        sum.top_tokens += c.top_tokens;
      }
      if (sum.prefill.positions + sum.decode.positions == 0) continue;
      const auto share = [](Index part, Index whole) {
        return whole == 0 ? "-" : fmt::format("{}/{}", part, whole);
      };
      rows += fmt::format("{:<40} {:>12} {:>12} {:>12}\n", claimed + " under " + verifier,
                          share(sum.prefill.bit_equal, sum.prefill.positions),
                          share(sum.decode.bit_equal, sum.decode.positions),
                          share(sum.top_tokens, sum.ranked_tokens));
    }
  }
  if (rows.empty()) return "";
  return text_heading("BIT EQUALITY AND TOKEN CONSISTENCY") +
         "\nPositions whose log-probabilities have the same bits, and recorded tokens that greedy decoding\n"
         "would choose under the verifier (rank 1)\n\n" +
         fmt::format("{:<40} {:>12} {:>12} {:>12}\n{:-<79}\n", "Claim", "Prefill", "Decode", "Tokens", "") +
         rows;
}

// The seed's tables of one device.
std::string tables(const VerificationAnalysis& analysis) {
  std::string text =
      text_phase(analysis, analysis.prefill, "PREFILL") + text_phase(analysis, analysis.decode, "DECODE");
  text += text_heading("PREFILL vs DECODE COMPARISON");
  return text + fmt::format("Prefill SNR (meaningful): {:.2f}×\nDecode SNR (meaningful):  {:.2f}×\n",
                            analysis.prefill.snr_meaningful, analysis.decode.snr_meaningful);
}

}  // namespace

std::string text_report(const VerificationAnalysis& analysis) {
  std::string text = text_evidence(analysis) + text_reproduction(analysis) + equality_section(analysis) +
                     text_intervals(analysis) + head(analysis) + environment_section(analysis);
  for (const std::string& verifier : analysis.verifiers) text += verifier_section(analysis, verifier);
  if (analysis.devices.empty()) text += tables(analysis);
  for (const VerificationAnalysis& device : analysis.devices) {
    text += text_heading("VERIFIED ON DEVICE: " + device.device()) + tables(device);
  }
  return text;
}

}  // namespace assay
