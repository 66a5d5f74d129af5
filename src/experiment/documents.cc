#include "experiment/documents.h"

#include <glob.h>

#include "base/file.h"
#include "base/json.h"
#include "experiment/program.h"

namespace assay {
namespace {

// JSON texts are UTF-8, and the JSON library checks it.
bool is_utf8(const std::string& text) {
  try {
    static_cast<void>(Json(text).dump());
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

}  // namespace

Result<std::vector<std::filesystem::path>> expand_documents(const std::vector<std::string>& patterns,
                                                            const std::string& file) {
  std::vector<std::filesystem::path> files;
  for (const std::string& pattern : patterns) {
    const std::size_t before = files.size();
    glob_t found = {};
    if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
      for (std::size_t i = 0; i < found.gl_pathc; ++i) {
        if (std::filesystem::is_regular_file(found.gl_pathv[i])) files.emplace_back(found.gl_pathv[i]);
      }
    }
    ::globfree(&found);
    if (files.size() == before) {
      return Error{file, "prompts.documents", "files that exist", "none named " + pattern};
    }
  }
  return files;
}

Result<std::string> read_document(const std::filesystem::path& path) {
  auto text = read_text(path);
  if (!text) return text.error();
  if (text->starts_with("%PDF-")) {
    // The path is made absolute so that none can be taken for an option.
    text = run_program({"pdftotext", "-enc", "UTF-8", "-eol", "unix", std::filesystem::absolute(path), "-"});
    if (!text) {
      Error error = text.error();
      return Error{path.string(), "pdftotext", error.expected, error.found};
    }
  }
  if (text->find_first_not_of(" \t\r\n\f") == std::string::npos) {
    return Error{path.string(), "", "text", "none"};
  }
  if (!is_utf8(*text)) return Error{path.string(), "", "UTF-8 text", "other bytes"};
  return text;
}

}  // namespace assay
