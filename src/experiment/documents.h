// The texts that prompts are cut from.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"

namespace assay {

// The files that the patterns name: in the order of the patterns, sorted by name within one. Error (`file` is
// the experiment file): a pattern that names no file.
Result<std::vector<std::filesystem::path>> expand_documents(const std::vector<std::string>& patterns,
                                                            const std::string& file);

// The text of a file: of a PDF (told by its first bytes, not its name) what `pdftotext` prints, of any other
// file its bytes. Error: unreadable, not UTF-8, `pdftotext` missing or failing, or no text at all.
Result<std::string> read_document(const std::filesystem::path& path);

}  // namespace assay
