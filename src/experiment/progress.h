// RUN/progress.jsonl: what an interrupted run has done so far. The first line says what the run is, each
// further line is one finished unit, in the run's order; the file is removed when the run folder is complete.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace assay {

struct ProgressFile {
  std::string file;
  Json plan;
  Json stamp;
  std::vector<std::string> lines;  // of units
  std::size_t whole = 0;           // bytes of whole lines; what follows was torn by a kill or a power cut
};

// Error: not a progress file.
Result<ProgressFile> read_progress(const std::filesystem::path& file);

// "run/progress.jsonl:2" for the line of the first unit.
std::string place_of(const std::string& file, std::size_t unit);

// Error: the first leaf in which two plans differ, in `file`; `whose` follows what `before` has.
Result<void> same_plan(const Json& before, const Json& now, const std::string& file,
                       const std::string& whose);

class Progress {
 public:
  // Starts a run in `folder`, or resumes one. `plan` is all that decides the result; `stamp` (time,
  // environment) is kept from the first start. Writes nothing. Drops a torn last line. Error: a complete run
  // is there, a progress file that is not one, or one of another plan (names the first key that differs).
  static Result<Progress> open(const std::filesystem::path& folder, const Json& plan, const Json& stamp);

  const Json& stamp() const { return stamp_; }
  const std::vector<std::string>& lines() const { return lines_; }
  std::string file() const { return file_.string(); }
  std::string place(std::size_t line) const { return place_of(file(), line); }

  // Puts a value into the stamp that is only known once engines are open, before the first append; returns
  // the stamp's value, which of a resumed run is that of its first start.
  const Json& keep(const std::string& key, const Json& value);

  // On an error the file is as it was, and a folder made for the first line is gone again.
  Result<void> append(const std::string& line);
  Result<void> remove();

 private:
  Progress(std::filesystem::path file, Json plan, Json stamp)
      : file_(std::move(file)), plan_(std::move(plan)), stamp_(std::move(stamp)) {}
  Result<void> resume();

  std::filesystem::path file_;
  Json plan_;
  Json stamp_;
  std::vector<std::string> lines_;
  bool started_ = false;
};

}  // namespace assay
