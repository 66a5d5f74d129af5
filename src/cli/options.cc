#include "cli/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <thread>

namespace assay {
namespace {

const std::map<std::string, Format> kFormats = {
    {"text", Format::text}, {"json", Format::json}, {"md", Format::md}, {"csv", Format::csv}};
const std::map<std::string, Format> kReportFormats = {{"text", Format::text},
                                                      {"json", Format::json},
                                                      {"md", Format::md},
                                                      {"csv", Format::csv},
                                                      {"seed", Format::seed}};
const std::map<std::string, Replay> kReplays = {{"prefill", Replay::prefill}, {"decode", Replay::decode}};
const std::map<std::string, DistanceRule> kDistances = {{"all", DistanceRule::every_id},
                                                        {"seed", DistanceRule::seed}};

constexpr const char* kFooter = R"(Exit codes: 0 consistent (or done), 1 refuted, 2 trouble (usage, file),
3 inconclusive, 4 partial: run the same command again to resume.
A verdict looks for equal bits first: a claim is refuted when other setups give
its log-probabilities bit for bit and its own does not. Else it compares distances:
a claim is refuted when another setup is more than 3 times nearer to it. That has
no error probability yet.)";

// Words of an option that are kept as an enum; any other word is refused with the list.
template <class T>
CLI::Option* add_choice(CLI::App* verb, const char* names, T& value, const std::map<std::string, T>& words,
                        const char* help) {
  std::string list;
  for (const auto& [word, ignored] : words) list += (list.empty() ? "" : "|") + word;
  const auto choose = [&value, &words, list, names = std::string(names)](const std::string& word) {
    const auto found = words.find(word);
    if (found == words.end()) {
      throw CLI::ValidationError(names + ": expected " + list + ", found " + word);
    }
    value = found->second;
  };
  return verb->add_option_function<std::string>(names, choose, help)->type_name(list);
}

CLI::App* add_verb(CLI::App& app, const char* name, const char* what, const char* example) {
  CLI::App* verb = app.add_subcommand(name, what);
  verb->footer(std::string("Example: ") + example);
  return verb;
}

void add_run_options(CLI::App* verb, Options& options) {
  verb->add_option("-o", options.out, "run folder to write; an interrupted run in it is resumed")
      ->required()
      ->type_name("RUN/");
  verb->add_option("--threads", options.threads, "threads; they change no bit (default: all)")
      ->check(CLI::Range(1, 1024));
}

std::vector<std::string> split_at_commas(const std::string& list) {
  std::vector<std::string> parts(1);
  for (const char c : list) {
    if (c == ',') parts.emplace_back();
    if (c != ',') parts.back() += c;
  }
  return parts;
}

// One device name, or with `several` a comma list of them.
void add_devices(CLI::App* verb, std::vector<std::string>& devices, bool several) {
  const auto read = [&devices, several](const std::string& list) {
    devices = split_at_commas(list);
    if (!several && devices.size() > 1) {
      throw CLI::ValidationError("--device: expected one device, found " + list);
    }
    for (auto device = devices.begin(); device != devices.end(); ++device) {
      if (device->empty()) {
        throw CLI::ValidationError("--device: expected a name between commas, found none in '" + list + "'");
      }
      if (std::find(devices.begin(), device, *device) != device) {
        throw CLI::ValidationError("--device: expected each device once, found " + *device + " twice");
      }
    }
  };
  const char* one = "arithmetic of every setup, in place of the file's";
  const char* more = "arithmetic of every setup, in place of the file's; every setup under each of several";
  verb->add_option_function<std::string>("--device", read, several ? more : one)
      ->type_name(several ? "DEVICE[,DEVICE...]" : "DEVICE");
}

void add_printer(CLI::App* verb, Options& options, const std::map<std::string, Format>& formats) {
  add_choice(verb, "-o,--format", options.format, formats, "printer (default text)");
}

}  // namespace

Parsed parse_command_line(int argc, char** argv) {
  Options options;
  options.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  DistanceRule distance = DistanceRule::every_id;
  CLI::App app("Tells which quantization, kernel and hardware produced an LLM's output.", "assay");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("assay ") + ASSAY_VERSION);
  app.footer(kFooter);

  CLI::App* generate = add_verb(app, "generate", "Prover: prompts x setups -> record",
                                "assay generate experiment.yaml -o runs/a");
  generate->add_option("EXPERIMENT", options.experiment, "experiment file (YAML)")->required();
  add_run_options(generate, options);
  add_devices(generate, options.devices, false);

  CLI::App* verify = add_verb(app, "verify", "Verifier: re-execute a record under each setup",
                              "assay verify runs/a -e experiment.yaml -o runs/b");
  verify->add_option("RECORD", options.records, "run folder, or JSON of the seed's schema")
      ->required()
      ->expected(1);
  verify->add_option("-e", options.experiment, "experiment file with the verifier's setups")->required();
  add_run_options(verify, options);
  add_devices(verify, options.devices, true);
  add_choice(verify, "--replay", options.replay, kReplays,
             "one pass, or steps with the shapes of decoding (default prefill)");

  CLI::App* analyze = add_verb(app, "analyze", "Recompute the tables from files; no model needed",
                               "assay analyze a100.json h100.json -o md");
  analyze->add_option("RECORD", options.records, "a record or verification, or two records to compare")
      ->required()
      ->expected(1, 2);
  add_printer(analyze, options, kFormats);
  CLI::Option* chosen[] = {
      add_choice(verify, "--distance", distance, kDistances, "ids compared: all, or the seed's rule"),
      add_choice(analyze, "--distance", distance, kDistances, "ids compared (default: the file's rule)")};

  CLI::App* report = add_verb(app, "report", "Print the report of a run, or export it as the seed's JSON",
                              "assay report runs/b -o json");
  report->add_option("RUN", options.records, "run folder, or JSON of the seed's schema")
      ->required()
      ->expected(1);
  add_printer(report, options, kReportFormats);
  add_verb(app, "doctor", "What this build and this machine can do", "assay doctor");

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    return {{}, app.exit(asked)};
  } catch (const CLI::ParseError& problem) {
    std::fprintf(stderr, "assay: %s (assay --help says more)\n", problem.what());
    return {{}, 2};
  }
  const std::pair<CLI::App*, Verb> verbs[] = {
      {generate, Verb::generate}, {verify, Verb::verify}, {analyze, Verb::analyze}, {report, Verb::report}};
  for (const auto& [verb, value] : verbs) {
    if (verb->parsed()) options.verb = value;
  }
  if (chosen[0]->count() + chosen[1]->count() > 0) options.distance = distance;
  return {options, 0};
}

}  // namespace assay
