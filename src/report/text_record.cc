#include <fmt/format.h>

#include <algorithm>

#include "report/text.h"
#include "report/text_parts.h"
#include "report/verdict_sentence.h"

namespace assay {
namespace {

std::vector<std::string> names_of(const std::vector<Setup>& setups) {
  std::vector<std::string> names;
  for (const Setup& setup : setups) names.push_back(setup.name);
  return names;
}

std::string head(const RecordAnalysis& analysis) {
  std::string text = text_heading("QUANTIZATION FORMAT DETECTION EXPERIMENT - GENERATION");
  text.erase(0, 1);  // the report starts without an empty line
  text += "\n" + text_system(analysis.environment) + "\nConfigurations:\n" + text_setups(analysis.setups);
  const GenerationSettings& settings = analysis.settings;
  text += fmt::format("\nReferences: {}\nDocument tokens per prompt: {}\nNew tokens: {}\nTop-k: {}\n",
                      settings.references, settings.prompt_tokens, settings.max_new_tokens, settings.top_k);
  return text + fmt::format("Distance: {}\nFingerprint: {}\n", word(analysis.rule), analysis.fingerprint);
}

std::string reproducibility_section(const std::vector<NoiseFloor>& floors) {
  if (floors.empty()) return "";
  std::string text =
      text_heading("REPRODUCIBILITY CHECK") + "\nNoise floor (largest distance between repeated runs):\n";
  for (const NoiseFloor& floor : floors) {
    const bool exact = floor.prefill == 0 && floor.decode == 0;
    const std::string runs = floor.runs > 0 ? fmt::format(" ({} runs)", floor.runs) : "";
    text += fmt::format("  {} {}: Prefill: {:.2e}, Decode: {:.2e}{}\n", exact ? "✓" : "⚠", floor.setup,
                        floor.prefill, floor.decode, runs);
  }
  return text;
}

std::string token_section(const std::vector<TokenAgreement>& agreements) {
  if (agreements.empty()) return "";
  std::string text = text_heading("TOKEN CONSISTENCY CHECK");
  std::string pair;
  for (const TokenAgreement& agreement : agreements) {
    const std::string title = agreement.first + " vs " + agreement.second;
    if (title != pair) text += fmt::format("\n  {}:\n", title);
    pair = title;
    const std::string found = agreement.first_difference
                                  ? fmt::format("✗ tokens differ from {} on", *agreement.first_difference)
                                  : fmt::format("✓ all {} tokens agree", agreement.length);
    text += fmt::format("    ref_{}: {}\n", agreement.reference, found);
  }
  return text;
}

std::string within_hardware_section(const RecordAnalysis& analysis, const SanityCheck& check,
                                    const char* name) {
  const auto names = names_of(analysis.setups);
  std::string text = text_heading(fmt::format("WITHIN-HARDWARE ANALYSIS ({})", name));
  for (std::size_t r = 0; r < analysis.references.size(); ++r) {
    text += fmt::format("\n--- ref_{} ---\n", analysis.references[r]);
    text += text_matrix(names, names, check.per_reference_matrices[r]);
  }
  text += "\nAggregate (average across references):\n" + text_matrix(names, names, check.matrix);
  if (!check.intervals.empty()) text += "95 % intervals, bootstrap over prompts:\n";
  for (std::size_t i = 0; i < check.intervals.size(); ++i) {
    for (std::size_t j = 0; j < names.size(); ++j) {
      if (i == j) continue;
      text +=
          fmt::format("  {:<40} {}\n", names[i] + " vs " + names[j], interval_text(check.intervals[i][j]));
    }
  }
  text += fmt::format("\nOff-diagonal mean (finite cells): {:.2e}\nEquivalent pairs: {}\nKernel classes:\n",
                      check.off_diagonal_mean, text_pairs(check.equivalent_pairs));
  for (std::size_t i = 0; i < check.kernel_classes.size(); ++i) {
    text += fmt::format("  {}: [{}]\n", i + 1, fmt::join(check.kernel_classes[i], ", "));
  }
  return text;
}

}  // namespace

std::string text_report(const RecordAnalysis& analysis) {
  return head(analysis) + reproducibility_section(analysis.noise_floors) +
         token_section(analysis.agreements) + within_hardware_section(analysis, analysis.prefill, "PREFILL") +
         within_hardware_section(analysis, analysis.decode, "DECODE");
}

}  // namespace assay
