#include "experiment/calibration_crew.h"

#include <fmt/format.h>

#include <algorithm>

#include "experiment/reexecute.h"
#include "record/sequence_line.h"

namespace assay {

std::string key_of(const Setup& setup) {
  return setup.device.empty() ? setup.name : setup.name + "@" + setup.device;
}

Result<void> read_line(const std::string& line, const std::string& place, Done& done) {
  if (line.find("\"verifier\"") == std::string::npos) {
    auto generation = generation_from_line(line, place);
    if (!generation) return generation.error();
    const std::pair key(generation->setup, generation->reference);
    done.generations[key] = *std::move(generation);
    return {};
  }
  auto run = reexecution_from_line(line, place);
  if (!run) return run.error();
  const std::tuple key(run->claimed, run->verifier, run->reference);
  done.reexecutions[key] = *std::move(run);
  return {};
}

Result<bool> Crew::generate(const Setup& setup) {
  std::vector<Index> open;
  for (Index prompt = 0; prompt < prompts(); ++prompt) {
    if (!done_.generations.contains({key_of(setup), prompt})) open.push_back(prompt);
  }
  return work(setup, open, "generated",
              [&](Engine& engine, Index prompt) { return generate_one(setup, engine, prompt); });
}

Result<bool> Crew::verify(const Setup& setup) {
  std::vector<Index> open;
  for (Index prompt = 0; prompt < prompts(); ++prompt) {
    const bool whole = std::all_of(plan_.provers.begin(), plan_.provers.end(), [&](const Setup& prover) {
      return done_.reexecutions.contains({key_of(prover), key_of(setup), prompt});
    });
    if (!whole) open.push_back(prompt);
  }
  return work(setup, open, "re-executed",
              [&](Engine& engine, Index prompt) { return verify_one(setup, engine, prompt); });
}

Result<void> Crew::generate_one(const Setup& setup, Engine& engine, Index prompt) {
  const GenerateSettings& settings = plan_.base.generate;
  auto made = engine.generate({.prompt = plan_.base.prompts[static_cast<std::size_t>(prompt)],
                               .max_new_tokens = settings.max_new_tokens,
                               .top_k = settings.top_k,
                               .last_positions = settings.last_positions,
                               .ignore_eos = settings.ignore_eos,
                               .noise_seed = static_cast<std::uint64_t>(prompt),
                               .sampling = sampling_of(settings.sampling, prompt)});
  if (!made) return made.error();
  made->setup = key_of(setup);
  made->reference = prompt;
  const std::lock_guard lock(mutex_);
  if (auto kept = progress_.append(to_line(*made)); !kept) return kept.error();
  const std::pair key(made->setup, prompt);
  done_.generations[key] = *std::move(made);
  return {};
}

Result<void> Crew::verify_one(const Setup& setup, Engine& engine, Index prompt) {
  for (const Setup& prover : plan_.provers) {
    const std::tuple key(key_of(prover), key_of(setup), prompt);
    const Generation* claim = nullptr;
    {
      const std::lock_guard lock(mutex_);
      if (done_.reexecutions.contains(key)) continue;
      claim = &done_.generations.at({key_of(prover), prompt});  // never changes, and the map keeps its place
    }
    auto run = reexecute(*claim, settings_of(plan_.base), plan_.options.replay, key_of(setup), engine);
    if (!run) return run.error();
    const std::lock_guard lock(mutex_);
    if (auto kept = progress_.append(to_line(*run)); !kept) return kept.error();
    done_.reexecutions[key] = *std::move(run);
  }
  return {};
}

Result<bool> Crew::work(const Setup& setup, const std::vector<Index>& open, const char* what,
                        const std::function<Result<void>(Engine&, Index)>& unit) {
  if (open.empty()) return true;
  std::optional<Error> failure;
  bool stopped = false;
  Index finished = 0;
  std::size_t next = 0;
  const auto take = [&]() -> std::optional<Index> {
    const std::lock_guard lock(mutex_);
    if (failure || stopped || next == open.size()) return std::nullopt;
    if (hooks_.stopped()) {
      stopped = true;
      return std::nullopt;
    }
    return open[next++];
  };
  const auto fail = [&](const Error& error) {
    const std::lock_guard lock(mutex_);
    if (!failure) failure = error;
  };
  const Index workers = setup.server ? 1 : pool_.threads();  // a server's requests at once are in_flight's
  pool_.parallel_for(workers, [&](Index) {
    ThreadPool own(1);
    std::unique_ptr<Engine> engine;
    for (auto prompt = take(); prompt; prompt = take()) {
      if (!engine) {
        auto opened = hooks_.open(setup, own);
        if (!opened) return fail(opened.error());
        engine = *std::move(opened);
      }
      if (auto did = unit(*engine, *prompt); !did) return fail(did.error());
      const std::lock_guard lock(mutex_);
      ++finished;
      if (finished % 50 == 0 || finished == static_cast<Index>(open.size())) {
        hooks_.log(fmt::format("{}: {} of {} prompts {}", key_of(setup), finished, open.size(), what));
      }
    }
  });
  if (failure) return *failure;
  return !stopped;
}

}  // namespace assay
