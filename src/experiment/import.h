// Records of other programs, as runs. The seed's JSON needs no import: it is read as a record.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "hub/hub.h"
#include "record/import_choice.h"
#include "record/record.h"
#include "tokenizer/tokenizer.h"

namespace assay {

enum class ImportFormat : std::uint8_t { difr, lm_eval };

std::optional<ImportFormat> import_format(std::string_view word);  // "difr", "lm-eval"

struct ImportOptions {
  ImportFormat format = ImportFormat::difr;
  ImportChoice choice;
  SpecialTokens special = SpecialTokens::none;  // of lm-eval's contexts: as its model was asked
};

struct Imported {
  Record record;
  Index documents = 0;  // samples, or documents with likelihoods, in the file
  // What has no place in a record, or is not certain, and how many times: of sequences (DiFR) or requests (lm-eval).
  std::vector<std::pair<std::string, Index>> dropped;

  // "12 of 20 ... ; dropped: 3 sums over several tokens, ..."
  std::string summary() const;
};

// `text` is the content of `file`. `tokenizer` is that of the setup's model; for DiFR it is needed where the ids were
// made from texts.
//
// difr: record/difr_import.h. Of ids that were made from texts, sequences are dropped that the tokenizer does not
// give again.
//
// lm-eval: a reference for each context of a document whose continuation is one token; that token is the last of the
// prompt (nothing was generated), and all one-token continuations of the context are scored there. Ranks are not
// recorded. Dropped: sums over several tokens, contexts that are empty, pairs whose ids are not those of the context
// followed by those of the continuation, texts that the tokenizer does not give back, minus infinity, rolling
// likelihoods, generated texts.
//
// Error: what the readers refuse, a choice of sampling for lm-eval, nothing left.
Result<Imported> import_record(std::string_view text, const std::string& file, const Tokenizer& tokenizer,
                               const ImportOptions& options);

// The same from a file into a run folder; the tokenizer is the model's (a folder or a Hub name). Error too: no
// tokenizer, a folder that cannot be written.
Result<Imported> import_run(const std::filesystem::path& source, const std::filesystem::path& folder,
                            const ImportOptions& options, const HubOptions& hub = {});

}  // namespace assay
