// The command line as data.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "experiment/analyze.h"
#include "experiment/calibration.h"
#include "experiment/import.h"
#include "experiment/shard.h"
#include "experiment/synthesize.h"
#include "record/record.h"

namespace assay {

enum class Verb : std::uint8_t { generate, verify, merge, calibrate, analyze, report, import, synth, doctor };
enum class Format : std::uint8_t { text, json, md, csv, seed };  // seed: of `report` only

struct Options {
  Verb verb = Verb::doctor;
  std::filesystem::path experiment;
  std::filesystem::path out;
  std::vector<std::filesystem::path> records;
  std::vector<std::string> devices;  // of --device, each once; generate: at most one
  std::optional<DistanceRule> distance;
  Replay replay = Replay::prefill;
  Format format = Format::text;
  int threads = 1;
  Processor processor = Processor::any;
  DecisionWishes decision;
  bool exit_zero = false;
  std::optional<RunShard> shard;  // of generate and verify
  CalibrateOptions calibrate;     // its `verifiers` are read from the next
  std::optional<std::filesystem::path> verifiers;
  SynthesisOptions synthesis;
  ImportOptions import;
};

// Either the options, or the exit code of a command line that is done already: --help and --version were
// printed to stdout, a usage error to stderr.
struct Parsed {
  std::optional<Options> options;
  int exit_code = 0;
};

Parsed parse_command_line(int argc, char** argv);

}  // namespace assay
