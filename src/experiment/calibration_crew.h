// Honest runs made by several threads, and what is done of them. Internal to experiment.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "experiment/calibration.h"
#include "experiment/progress.h"

namespace assay {

std::string key_of(const Setup& setup);  // "awq@a100"; a server's without a device "awq": in the lines

// What is done so far: honest generations, and their re-executions.
struct Done {
  std::map<std::pair<std::string, Index>, Generation> generations;  // by prover's key, prompt
  std::map<std::tuple<std::string, std::string, Index>, Reexecution>
      reexecutions;  // prover, verifier, prompt
};

// One line of progress.jsonl; `place` names it in errors.
Result<void> read_line(const std::string& line, const std::string& place, Done& done);

// Runs units of one setup at a time on all threads, each with an engine of its own. What it refers to must
// outlive it.
class Crew {
 public:
  Crew(const CalibratePlan& plan, Progress& progress, Done& done, ThreadPool& pool,
       const CalibrateHooks& hooks)
      : plan_(plan), progress_(progress), done_(done), pool_(pool), hooks_(hooks) {}

  // Honest generations of one prover, and re-executions by one verifier, of the prompts that are not done.
  // False: stopped.
  Result<bool> generate(const Setup& setup);
  Result<bool> verify(const Setup& setup);

 private:
  Index prompts() const { return static_cast<Index>(plan_.base.prompts.size()); }
  Result<void> generate_one(const Setup& setup, Engine& engine, Index prompt);
  Result<void> verify_one(const Setup& setup, Engine& engine, Index prompt);
  Result<bool> work(const Setup& setup, const std::vector<Index>& open, const char* what,
                    const std::function<Result<void>(Engine&, Index)>& unit);

  const CalibratePlan& plan_;
  Progress& progress_;
  Done& done_;
  ThreadPool& pool_;
  const CalibrateHooks& hooks_;
  std::mutex mutex_;
};

}  // namespace assay
