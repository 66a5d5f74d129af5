#include "experiment/analyze.h"

#include "record/infinite_json.h"
#include "record/run_folder.h"
#include "report/json.h"
#include "verify/compare.h"

namespace assay {
namespace {

// The analysis as one alternative of the variant.
template <class T>
Result<Analysis> as_analysis(Result<T> analysis) {
  if (!analysis) return analysis.error();
  return Analysis(*std::move(analysis));
}

Result<Analysis> analyze_one(const std::filesystem::path& path, std::optional<DistanceRule> rule) {
  const auto loaded = read_record(path);
  if (!loaded) return loaded.error();
  const DistanceRule chosen = rule.value_or(loaded->rule());
  if (const auto* record = std::get_if<Record>(&loaded->content)) {
    return as_analysis(analyze_record(*record, path.string(), chosen));
  }
  const auto& verification = std::get<Verification>(loaded->content);
  if (chosen == verification.rule) return as_analysis(analyze_verification(verification, path.string()));
  return Error{path.string(), "--distance",
               std::string(word(verification.rule)) + ", the rule of this verification", word(chosen)};
}

}  // namespace

Result<Analysis> analyze_files(const std::vector<std::filesystem::path>& files,
                               std::optional<DistanceRule> rule) {
  if (files.size() == 1) return analyze_one(files[0], rule);
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
  return as_analysis(analyze_verification(*compared, files[0].string()));
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
