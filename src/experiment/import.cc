#include "experiment/import.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "base/sha256.h"
#include "experiment/import_lm_eval.h"
#include "experiment/run.h"
#include "record/check.h"
#include "record/difr_import.h"
#include "record/run_folder.h"

namespace assay {
namespace {

// What the tokenizer, asked now, gives for the texts of these ids.
Result<bool> gives_again(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  const std::string text = tokenizer.decode(ids);
  const auto again = tokenizer.encode(text, SpecialTokens::none);
  if (!again) return again.error();
  return *again == ids && round_trips(tokenizer, text, ids, SpecialTokens::none);
}

Result<Imported> from_difr(std::string_view text, const std::string& file, const Tokenizer& tokenizer,
                           const ImportOptions& options) {
  auto record = import_difr(text, file, options.choice);
  if (!record) return record.error();
  Imported imported{*std::move(record), 0, {}};
  auto& all = imported.record.generations;
  imported.documents = static_cast<Index>(all.size());
  if (lookup(imported.record.setups[0].ran, kIdsKey) != kIdsRetokenized) return imported;
  DropCounts dropped;
  std::vector<Generation> kept;
  for (Generation& generation : all) {
    const auto prompt = gives_again(tokenizer, generation.prompt_ids);
    if (!prompt) return prompt.error();
    const auto generated = gives_again(tokenizer, generation.generated_ids);
    if (!generated) return generated.error();
    if (*prompt && *generated) kept.push_back(std::move(generation));
    if (!*prompt || !*generated) dropped.add("ambiguous text");
  }
  all = std::move(kept);
  imported.dropped = dropped.list();
  return imported;
}

Result<Imported> from_lm_eval(std::string_view text, const std::string& file, const Tokenizer& tokenizer,
                              const ImportOptions& options) {
  if (options.choice.sampling)
    return Error{file, "sampling", "none (lm-eval's likelihoods choose no token)", "one"};
  const auto samples = read_lm_eval_samples(text, file);
  if (!samples) return samples.error();
  Imported imported;
  DropCounts dropped;
  dropped.add("rolling likelihood", samples->rolling);
  dropped.add("generated text", samples->generated);
  dropped.add("line of another filter", samples->repeated);
  imported.documents = static_cast<Index>(samples->documents.size());
  imported.record.setups = {options.choice.setup};
  imported.record.setups[0].ran.emplace_back(kIdsKey, kIdsRetokenized);
  imported.record.environment = {{"imported_from", "lm-eval"}};
  auto& all = imported.record.generations;
  for (const LmEvalDocument& document : samples->documents) {
    auto made = generations_of(document, tokenizer, options.special, file, dropped);
    if (!made) return made.error();
    for (Generation& generation : *made) {
      generation.setup = options.choice.setup.name;
      generation.reference = static_cast<Index>(all.size());
      auto& top_k = imported.record.settings.top_k;
      top_k = std::max(top_k, static_cast<Index>(generation.prefill[0].scores.size()));
      all.push_back(std::move(generation));
    }
  }
  imported.dropped = dropped.list();
  return imported;
}

}  // namespace

std::optional<ImportFormat> import_format(std::string_view word) {
  if (word == "difr") return ImportFormat::difr;
  if (word == "lm-eval") return ImportFormat::lm_eval;
  return std::nullopt;
}

std::string Imported::summary() const {
  std::string text = fmt::format("{} sequences from {} documents", record.generations.size(), documents);
  for (std::size_t i = 0; i < dropped.size(); ++i)
    text += fmt::format("{}{} ({})", i == 0 ? "; dropped: " : ", ", dropped[i].first, dropped[i].second);
  return text;
}

Result<Imported> import_record(std::string_view text, const std::string& file, const Tokenizer& tokenizer,
                               const ImportOptions& options) {
  auto imported = options.format == ImportFormat::difr ? from_difr(text, file, tokenizer, options)
                                                       : from_lm_eval(text, file, tokenizer, options);
  if (!imported) return imported.error();
  Record& record = imported->record;
  if (record.generations.empty())
    return Error{file, "", "a sequence that a record can hold", imported->summary()};
  record.settings.references = static_cast<Index>(record.generations.size());
  for (const auto& [reason, count] : imported->dropped)
    record.setups[0].ran.emplace_back("dropped_" + reason, std::to_string(count));
  if (auto checked = check_record(record, file); !checked) return checked.error();
  return imported;
}

Result<Imported> import_run(const std::filesystem::path& source, const std::filesystem::path& folder,
                            const ImportOptions& options, const HubOptions& hub) {
  const auto text = read_text(source);
  if (!text) return text.error();
  const auto model =
      resolve_model(options.choice.setup.model,
                    {.files = HubFiles::tokenizer_and_config, .log = hub.log, .stopped = hub.stopped});
  if (!model) return model.error();
  const auto tokenizer = Tokenizer::open(*model / "tokenizer.json");
  if (!tokenizer) return tokenizer.error();
  auto imported = import_record(*text, source.string(), *tokenizer, options);
  if (!imported) return imported.error();
  Record& record = imported->record;
  record.timestamp = utc_now();
  record.environment.emplace_back("imported_file", source.filename().string());
  record.environment.emplace_back("imported_sha256", sha256_hex(*text));
  if (auto written = write_record(folder, record); !written) return written.error();
  return imported;
}

}  // namespace assay
