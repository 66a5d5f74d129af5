// assay: parse, call, print, exit code. Everything else is in the libraries.
#include <csignal>
#include <cstdio>
#include <exception>

#include "cli/options.h"
#include "cli/print.h"
#include "experiment/analyze.h"
#include "experiment/calibration.h"
#include "experiment/generate.h"
#include "experiment/verification.h"
#include "kernels/gpus.h"
#include "report/calibration_text.h"

namespace assay {
namespace {

constexpr int kTrouble = 2;
constexpr int kPartial = 4;

volatile std::sig_atomic_t stop_requested = 0;

// The first Ctrl-C ends the run after the unit in progress; the second kills it.
void watch_signals() {
  struct sigaction action = {};
  action.sa_handler = [](int) { stop_requested = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGXFSZ, SIG_IGN);  // a file over the limit is a failed write, not a death
  std::signal(SIGPIPE, SIG_IGN);
}

int trouble(const Error& error) {
  std::fprintf(stderr, "assay: %s\n", error.message().c_str());
  return kTrouble;
}

int finish(const Analysis& analysis, Format format, int exit_code) {
  if (const auto printed = print_analysis(analysis, format); !printed) return trouble(printed.error());
  return exit_code;
}

bool stopped() { return stop_requested != 0; }

void log(const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }

// Of a model that is downloaded.
HubOptions hub_options() { return {.log = log, .stopped = stopped}; }

EngineOptions engine_options(const Options& options) {
  return {.processor = options.processor, .log_folder = options.out, .log = log, .stopped = stopped};
}

RunHooks hooks_for(ThreadPool& pool, const Options& options) {
  return {.open = [&](const Setup& setup) { return open_engine(setup, pool, engine_options(options)); },
          .stopped = stopped,
          .log = log};
}

int interrupted(const Options& options) {
  std::fprintf(stderr, "assay: interrupted; the same command resumes %s\n", options.out.c_str());
  return kPartial;
}

// Of a run's Error: a stop in the middle of a download or of a server's start is one too.
int run_trouble(const Error& error, const Options& options) {
  const int code = trouble(error);
  return stopped() ? interrupted(options) : code;
}

// Of a run that ended early, or its analysis.
template <class T>
int finish_run(Result<std::optional<T>> analysis, const Options& options) {
  if (!analysis) return run_trouble(analysis.error(), options);
  if (!*analysis) return interrupted(options);
  const Analysis whole(**std::move(analysis));
  return finish(whole, options.format, options.exit_zero ? 0 : exit_code_of(whole));
}

// Of one shard of a run: whether all its units are done.
int finish_shard(const Result<bool>& done, const Options& options) {
  if (!done) return run_trouble(done.error(), options);
  if (!*done) return interrupted(options);
  std::fprintf(stderr, "assay: %s holds shard %lld of %lld; assay merge joins them\n", options.out.c_str(),
               static_cast<long long>(options.shard->index), static_cast<long long>(options.shard->count));
  return 0;
}

int generate(const Options& options) {
  std::optional<std::string> device;
  if (!options.devices.empty()) device = options.devices.front();
  const auto experiment = read_experiment(options.experiment, device);
  if (!experiment) return trouble(experiment.error());
  ThreadPool pool(options.threads);
  const auto plan = plan_generate(*experiment, pool, hub_options());
  if (!plan) return run_trouble(plan.error(), options);
  if (options.shard) {
    return finish_shard(run_generate_shard(*plan, *options.shard, options.out, hooks_for(pool, options)),
                        options);
  }
  return finish_run(run_generate(*plan, options.out, hooks_for(pool, options)), options);
}

int verify(const Options& options) {
  const auto experiment = read_experiment(options.experiment);
  if (!experiment) return trouble(experiment.error());
  auto decision = decision_options(options.decision, {}, "");
  if (!decision) return trouble(decision.error());
  ThreadPool pool(options.threads);
  const auto plan = plan_verify(*experiment, options.records.front(), pool, options.replay,
                                options.distance.value_or(DistanceRule::every_id), options.devices,
                                *std::move(decision), hub_options());
  if (!plan) return run_trouble(plan.error(), options);
  if (options.shard) {
    return finish_shard(run_verify_shard(*plan, *options.shard, options.out, hooks_for(pool, options)),
                        options);
  }
  return finish_run(run_verify(*plan, options.out, hooks_for(pool, options)), options);
}

int merge(const Options& options) {
  const auto decision = decision_options(options.decision, {}, "");
  if (!decision) return trouble(decision.error());
  const auto analysis = merge_runs(options.records, options.out, *decision);
  if (!analysis) return trouble(analysis.error());
  return finish(*analysis, options.format, options.exit_zero ? 0 : exit_code_of(*analysis));
}

int calibrate(const Options& options) {
  const auto experiment = read_experiment(options.experiment);
  if (!experiment) return trouble(experiment.error());
  ThreadPool pool(options.threads);
  CalibrateOptions wishes = options.calibrate;
  if (options.verifiers) {
    auto verifiers = read_experiment(*options.verifiers);
    if (!verifiers) return trouble(verifiers.error());
    wishes.verifiers = *std::move(verifiers);
  }
  const auto plan = plan_calibrate(*experiment, wishes, pool, hub_options());
  if (!plan) return run_trouble(plan.error(), options);
  const CalibrateHooks hooks{
      .open = [&](const Setup& setup,
                  ThreadPool& own) { return open_engine(setup, own, engine_options(options)); },
      .stopped = stopped,
      .log = log};
  const auto calibration = run_calibrate(*plan, options.out, pool, hooks);
  if (!calibration) return run_trouble(calibration.error(), options);
  if (!*calibration) return interrupted(options);
  if (const auto printed = print(calibration_report(**calibration)); !printed)
    return trouble(printed.error());
  return 0;
}

int analyze(const Options& options) {
  const auto analysis = analyze_files(options.records, options.distance, options.decision);
  if (!analysis) return trouble(analysis.error());
  const bool zero = options.verb == Verb::report || options.exit_zero;
  return finish(*analysis, options.format, zero ? 0 : exit_code_of(*analysis));
}

int report(const Options& options) {
  if (options.format != Format::seed) return analyze(options);
  const auto text = export_seed(options.records.front());
  if (!text) return trouble(text.error());
  if (const auto printed = print(*text); !printed) return trouble(printed.error());
  return 0;
}

int import(const Options& options) {
  const auto imported = import_run(options.records.front(), options.out, options.import, hub_options());
  if (!imported) return trouble(imported.error());
  log("assay: " + options.out.string() + ": " + imported->summary());
  return 0;
}

int synth(const Options& options) {
  ThreadPool pool(options.threads);
  const auto made = synthesize(options.synthesis, options.out, pool, stopped);
  if (!made) return trouble(made.error());
  std::fprintf(stderr, "assay: %s: %.2f GB of random weights in %lld %s\n", options.out.c_str(),
               static_cast<double>(made->bytes) / 1e9, static_cast<long long>(made->shards),
               made->shards == 1 ? "file" : "files");
  return 0;
}

int run(const Options& options) {
  switch (options.verb) {
    case Verb::generate:
      return generate(options);
    case Verb::verify:
      return verify(options);
    case Verb::merge:
      return merge(options);
    case Verb::calibrate:
      return calibrate(options);
    case Verb::analyze:
      return analyze(options);
    case Verb::report:
      return report(options);
    case Verb::import:
      return import(options);
    case Verb::synth:
      return synth(options);
    case Verb::doctor:
      if (const auto printed = print_doctor(); !printed) return trouble(printed.error());
      return 0;
  }
  return kTrouble;
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  try {
    assay::watch_signals();
    const assay::Parsed parsed = assay::parse_command_line(argc, argv);
    return parsed.options ? assay::run(*parsed.options) : parsed.exit_code;
  } catch (const assay::GpuFailure& failure) {
    std::fprintf(stderr, "assay: %s\nassay: a run folder keeps what was done: the same command resumes it\n",
                 failure.what());
    return assay::kTrouble;
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "assay: internal error: %s\n", fault.what());
    return assay::kTrouble;
  }
}
