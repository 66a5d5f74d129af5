#include "cli/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <thread>

#include "checkpoint/synthetic_model.h"

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
const std::map<std::string, Processor> kProcessors = {
    {"any", Processor::any}, {"cpu", Processor::cpu}, {"cuda", Processor::cuda}};
const std::map<std::string, std::optional<QuantizationMethod>> kQuantizations = {
    {"none", std::nullopt}, {"awq", QuantizationMethod::awq}, {"gptq", QuantizationMethod::gptq}};
const std::map<std::string, DistanceRule> kDistances = {{"all", DistanceRule::every_id},
                                                        {"seed", DistanceRule::seed}};

constexpr const char* kFooter = R"(Exit codes: 0 consistent (or done), 1 refuted, 2 trouble (usage, file),
3 inconclusive, 4 partial: run the same command again to resume.
A claim is refuted when its own setup on its own device is excluded: bits that it
owes differ, or an e-value reaches 1 / alpha. Where bits are not owed, that needs a
calibration; without one the verdict is inconclusive.)";

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

void add_threads(CLI::App* verb, Options& options) {
  verb->add_option("--threads", options.threads, "threads; they change no bit (default: all)")
      ->check(CLI::Range(1, 1024));
}

void add_run_options(CLI::App* verb, Options& options) {
  verb->add_option("-o", options.out, "run folder to write; an interrupted run in it is resumed")
      ->required()
      ->type_name("RUN/");
  add_threads(verb, options);
  add_choice(verb, "--processor", options.processor, kProcessors,
             "what computes; changes no bit (default any: a CUDA GPU where it can)");
}

// "2/4"
void add_shard(CLI::App* verb, Options& options) {
  const auto read = [&options](const std::string& text) {
    const auto slash = text.find('/');
    RunShard shard;
    const bool good = slash != std::string::npos &&
                      CLI::detail::lexical_cast(text.substr(0, slash), shard.index) &&
                      CLI::detail::lexical_cast(text.substr(slash + 1), shard.count) && shard.index >= 1 &&
                      shard.index <= shard.count && shard.count <= 1000;
    if (!good) throw CLI::ValidationError("--shard: expected i/n, 1/n to n/n, found " + text);
    options.shard = shard;
  };
  verb->add_option_function<std::string>("--shard", read, "do one part of n; assay merge joins them")
      ->type_name("i/n");
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
CLI::Option* add_devices(CLI::App* verb, const char* name, std::vector<std::string>& devices, bool several,
                         const char* help) {
  const auto read = [&devices, several, name = std::string(name)](const std::string& list) {
    devices = split_at_commas(list);
    if (!several && devices.size() > 1) {
      throw CLI::ValidationError(name + ": expected one device, found " + list);
    }
    for (auto device = devices.begin(); device != devices.end(); ++device) {
      if (device->empty()) {
        throw CLI::ValidationError(name + ": expected a name between commas, found none in '" + list + "'");
      }
      if (std::find(devices.begin(), device, *device) != device) {
        throw CLI::ValidationError(name + ": expected each device once, found " + *device + " twice");
      }
    }
  };
  return verb->add_option_function<std::string>(name, read, help)
      ->type_name(several ? "DEVICE[,DEVICE...]" : "DEVICE");
}

constexpr const char* kOneDevice = "arithmetic of every setup, in place of the file's";
constexpr const char* kDevices =
    "arithmetic of every setup, in place of the file's; every setup under each of several";

// How a verdict is made.
void add_decision(CLI::App* verb, Options& options) {
  const auto probability = [](const std::string& text) {
    double value = 0;
    const bool good = CLI::detail::lexical_cast(text, value) && value > 0 && value < 1;
    return good ? "" : "expected a probability between 0 and 1, found " + text;
  };
  const auto positive = [](const std::string& text) {
    double value = 0;
    const bool good = CLI::detail::lexical_cast(text, value) && value > 0 && value < 1e6;
    return good ? "" : "expected a number above 0, found " + text;
  };
  verb->add_option("--alpha", options.decision.alpha, "chance of refuting a true claim (default 0.001)")
      ->check(probability);
  verb->add_option("--delta", options.decision.delta,
                   "consistent: deviations are below 1 + delta times those of honest runs (default 1)")
      ->check(positive);
  verb->add_option("--calibration", options.decision.calibration,
                   "file of assay calibrate (default: the one in the run folder)");
  verb->add_flag("--exit-zero", options.exit_zero, "exit with 0 whatever the verdict");
}

void add_printer(CLI::App* verb, Options& options, const std::map<std::string, Format>& formats) {
  add_choice(verb, "-o,--format", options.format, formats, "printer (default text)");
}

CLI::App* add_synth(CLI::App& app, Options& options) {
  CLI::App* synth = add_verb(app, "synth", "A model of random weights, for measuring speed",
                             "assay synth --shape qwen3-8b --quantization awq -o models/random");
  std::string shapes;
  for (const std::string& shape : synthetic_shapes()) shapes += (shapes.empty() ? "" : "|") + shape;
  synth->add_option("--shape", options.synthesis.shape, "sizes of the model")->required()->type_name(shapes);
  add_choice(synth, "--quantization", options.synthesis.quantization, kQuantizations,
             "of the linear layers (default none: FP16)");
  synth->add_option("--shards", options.synthesis.shards, "files of weights (default: of about 1 GB)")
      ->check(CLI::Range(1, 500));
  synth->add_option("--seed", options.synthesis.seed, "of the numbers (default 0)");
  synth->add_option("--tokenizer", options.synthesis.tokenizer,
                    "tokenizer.json to copy (default: one of 256 bytes)");
  synth->add_option("-o", options.out, "model folder to write, a new one")->required()->type_name("FOLDER");
  add_threads(synth, options);
  return synth;
}

CLI::App* add_import(CLI::App& app, Options& options) {
  CLI::App* import =
      add_verb(app, "import", "A record of another program -> run folder",
               "assay import difr samples.json -o runs/i --model Qwen/Qwen3-8B --quantization none "
               "--dtype bfloat16");
  static const std::map<std::string, ImportFormat> kImported = {{"difr", ImportFormat::difr},
                                                                {"lm-eval", ImportFormat::lm_eval}};
  Setup& setup = options.import.choice.setup;
  setup = {.name = "imported",
           .model = "",
           .quantization = "",
           .dtype = "",
           .device = "",
           .profile = "",
           .prefill_tokens = 0};
  add_choice(import, "FORMAT", options.import.format, kImported, "who wrote the file")->required();
  import->add_option("FILE", options.records, "samples of DiFR, or samples_*.jsonl of lm-eval")
      ->required()
      ->expected(1);
  import->add_option("-o", options.out, "run folder to write, a new one")->required()->type_name("RUN/");
  import->add_option("--model", setup.model, "claimed model, a folder or a Hub name; its tokenizer is read")
      ->required();
  import->add_option("--quantization", setup.quantization, "claimed, vLLM's name")->required();
  import->add_option("--dtype", setup.dtype, "claimed: float16 or bfloat16")->required();
  import->add_option("--device", setup.device, "claimed (default: not recorded)");
  import->add_option("--name", setup.name, "the setup's name in the record (default imported)");
  import->add_flag_callback(
      "--special", [&options] { options.import.special = SpecialTokens::add;
},
      "lm-eval: the model was asked with special tokens around its contexts");
return import;
}  // namespace

}  // namespace assay

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
  add_devices(generate, "--device", options.devices, false, kOneDevice);
  add_shard(generate, options);

  CLI::App* verify = add_verb(app, "verify", "Verifier: re-execute a record under each setup",
                              "assay verify runs/a -e experiment.yaml -o runs/b");
  verify->add_option("RECORD", options.records, "run folder, or JSON of the seed's schema")
      ->required()
      ->expected(1);
  verify->add_option("-e", options.experiment, "experiment file with the verifier's setups")->required();
  add_run_options(verify, options);
  add_devices(verify, "--device", options.devices, true, kDevices);
  add_decision(verify, options);
  add_shard(verify, options);
  add_choice(verify, "--replay", options.replay, kReplays,
             "one pass, or steps with the shapes of decoding (default prefill)");

  CLI::App* merge = add_verb(app, "merge", "Join the shards of a generate or verify into one run",
                             "assay merge runs/b1 runs/b2 -o runs/b");
  merge->add_option("SHARD", options.records, "run folders of --shard 1/n to n/n")->required();
  merge->add_option("-o", options.out, "run folder to write")->required()->type_name("RUN/");
  add_decision(merge, options);

  CLI::App* calibrate =
      add_verb(app, "calibrate", "Honest runs of setups x devices x prompts -> noise-model file",
               "assay calibrate experiment.yaml -o runs/c --device a100,h100 --verifier-device h100");
  calibrate->add_option("EXPERIMENT", options.experiment, "experiment file (YAML)")->required();
  calibrate->add_option(
      "-e", options.verifiers,
      "experiment file with the verifier's setups, of the same names (default: EXPERIMENT)");
  add_run_options(calibrate, options);
  add_devices(calibrate, "--device", options.calibrate.devices, true,
              "devices that claims may name; needed for native setups");
  add_devices(calibrate, "--verifier-device", options.calibrate.verifier_devices, true,
              "devices that re-execute them; likewise");
  add_choice(calibrate, "--replay", options.calibrate.replay, kReplays,
             "one pass, or steps with the shapes of decoding (default prefill)");
  calibrate->add_option("--alpha", options.calibrate.alpha, "of the table of false alarms (default 0.001)")
      ->check(CLI::Range(1e-12, 0.5));
  calibrate
      ->add_option("--promise", options.calibrate.promise,
                   "rate of false alarms that the test prompts must be able to bound (95 %)")
      ->check(CLI::Range(1e-9, 0.5));
  calibrate->add_option("--fit", options.calibrate.fit, "prompts to fit noise to (default: a fifth)")
      ->check(CLI::Range(1, 1000000));
  calibrate
      ->add_option("--scores", options.calibrate.calibration,
                   "prompts to take scores from (default: three fifths)")
      ->check(CLI::Range(1, 1000000));
  calibrate->add_option("--claim", options.calibrate.prompts_a_claim, "test prompts in one claim (default 4)")
      ->check(CLI::Range(1, 1000));

  CLI::App* analyze = add_verb(app, "analyze", "Recompute the tables from files; no model needed",
                               "assay analyze a100.json h100.json -o md");
  analyze->add_option("RECORD", options.records, "a record or verification, or two records to compare")
      ->required()
      ->expected(1, 2);
  add_printer(analyze, options, kFormats);
  add_decision(analyze, options);
  CLI::Option* chosen[] = {
      add_choice(verify, "--distance", distance, kDistances, "ids compared: all, or the seed's rule"),
      add_choice(analyze, "--distance", distance, kDistances, "ids compared (default: the file's rule)")};

  CLI::App* report = add_verb(app, "report", "Print the report of a run, or export it as the seed's JSON",
                              "assay report runs/b -o json");
  report->add_option("RUN", options.records, "run folder, or JSON of the seed's schema")
      ->required()
      ->expected(1);
  add_printer(report, options, kReportFormats);
  add_decision(report, options);
  CLI::App* import = add_import(app, options);
  CLI::App* synth = add_synth(app, options);
  add_verb(app, "doctor", "What this build and this machine can do", "assay doctor");

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    return {{}, app.exit(asked)};
  } catch (const CLI::ParseError& problem) {
    std::fprintf(stderr, "assay: %s (assay --help says more)\n", problem.what());
    return {{}, 2};
  }
  const std::pair<CLI::App*, Verb> verbs[] = {{generate, Verb::generate}, {verify, Verb::verify},
                                              {merge, Verb::merge},       {calibrate, Verb::calibrate},
                                              {analyze, Verb::analyze},   {report, Verb::report},
                                              {import, Verb::import},     {synth, Verb::synth}};
  for (const auto& [verb, value] : verbs) {
    if (verb->parsed()) options.verb = value;
  }
  if (chosen[0]->count() + chosen[1]->count() > 0) options.distance = distance;
  return {options, 0};
}

}  // namespace assay
