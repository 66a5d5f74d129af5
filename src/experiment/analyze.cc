#include "experiment/analyze.h"

#include "record/infinite_json.h"
#include "record/run_folder.h"
#include "report/json.h"
#include "verify/calibration_file.h"
#include "verify/compare.h"

namespace assay {
namespace {

// The analysis as one alternative of the variant.
template <class T>
Result<Analysis> as_analysis(Result<T> analysis) {
  if (!analysis) return analysis.error();
  return Analysis(*std::move(analysis));
}

Result<Analysis> analyze_one(const std::filesystem::path& path, std::optional<DistanceRule> rule,
                             const DecisionWishes& wishes) {
  const auto loaded = read_record(path);
  if (!loaded) return loaded.error();
  const DistanceRule chosen = rule.value_or(loaded->rule());
  if (const auto* record = std::get_if<Record>(&loaded->content)) {
    return as_analysis(analyze_record(*record, path.string(), chosen));
  }
  const auto& verification = std::get<Verification>(loaded->content);
  if (chosen == verification.rule) {
    const auto options = decision_options(wishes, verification, path);
    if (!options) return options.error();
    return as_analysis(analyze_verification(verification, path.string(), *options));
  }
  return Error{path.string(), "--distance",
               std::string(word(verification.rule)) + ", the rule of this verification", word(chosen)};
}

}  // namespace

Result<DecisionOptions> decision_options(const DecisionWishes& wishes, const Verification& verification,
                                         const std::filesystem::path& folder) {
  DecisionOptions options;
  if (verification.alpha > 0) options.alpha = verification.alpha;
  if (verification.delta > 0) options.delta = verification.delta;
  options.alpha = wishes.alpha.value_or(options.alpha);
  options.delta = wishes.delta.value_or(options.delta);
  std::filesystem::path file = wishes.calibration;
  std::error_code ignored;
  if (file.empty() && std::filesystem::exists(folder / kCalibrationFile, ignored))
    file = folder / kCalibrationFile;
  if (file.empty()) return options;
  auto calibration = read_calibration(file);
  if (!calibration) return calibration.error();
  options.calibration = *std::move(calibration);
  options.calibration_file = file.string();
  return options;
}

Result<Analysis> analyze_files(const std::vector<std::filesystem::path>& files,
                               std::optional<DistanceRule> rule, const DecisionWishes& wishes) {
  if (files.size() == 1) return analyze_one(files[0], rule, wishes);
  if (files.size() != 2) return Error{"", "RECORD", "one or two", std::to_string(files.size())};
  const auto first = read_record(files[0]);
  if (!first) return first.error();
  const auto* claimed = std::get_if<Record>(&first->content);
  if (claimed == nullptr) return Error{files[0].string(), "", "a record", "a verification"};
  const auto verifier = read_generation(files[1]);
  if (!verifier) return verifier.error();
  const auto compared = compare_records(*claimed, files[0].string(), *verifier, files[1].string(),
                                        rule.value_or(first->rule()));
  if (!compared) return compared.error();
  const auto options = decision_options(wishes, *compared, "");
  if (!options) return options.error();
  return as_analysis(analyze_verification(*compared, files[0].string(), *options));
}

Result<std::string> export_seed(const std::filesystem::path& file) {
  const auto loaded = read_record(file);
  if (!loaded) return loaded.error();
  if (const auto* record = std::get_if<Record>(&loaded->content)) {
    const auto analysis = analyze_record(*record, file.string(), loaded->rule());
    if (!analysis) return analysis.error();
    return dump_json(seed_export(*record, *analysis), InfinityStyle::bare);
  }
  const auto analysis = analyze_verification(std::get<Verification>(loaded->content), file.string());
  if (!analysis) return analysis.error();
  if (!analysis->devices.empty()) {
    return Error{file.string(), "setups", "one device, as the seed's schema has",
                 std::to_string(analysis->devices.size())};
  }
  return dump_json(seed_export(*analysis), InfinityStyle::bare);
}

}  // namespace assay
