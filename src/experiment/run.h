// What generate and verify share: how a run is opened, stopped and watched.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/thread_pool.h"
#include "engine/engine.h"
#include "hub/hub.h"
#include "record/record.h"

namespace assay {

// What a run asks of its surroundings. `open` is open_engine with a pool and an instruction set.
struct RunHooks {
  std::function<Result<std::unique_ptr<Engine>>(const Setup&)> open;
  std::function<bool()> stopped = [] { return false; };        // asked before each unit
  std::function<void(const std::string&)> log = [](auto&) {};  // a line, after each unit
};

class Progress;

// An engine's Error about a word of the setup, which is in no file of its own, names the experiment file.
Error place_in_experiment(Error error, const std::string& file, const Setup& setup);

// The engine of the setup last asked for; at most one is open.
class EngineSlot {
 public:
  // `file` is the experiment file: an Error about a setup's device or dtype names it. `hooks` must outlive
  // the slot.
  EngineSlot(const RunHooks& hooks, std::string file) : hooks_(hooks), file_(std::move(file)) {}
  // Valid until the next call.
  Result<Engine*> get(const Setup& setup);

  // Opens the engine of each planned setup and asks `check` of it; fills `ran` of the same place in `setups`. The last
  // one first, so that the first is open when the work begins; the Error is that of the first that has one.
  Result<void> try_each(const std::vector<Setup>& planned,
                        const std::function<Result<void>(const Setup&, const Engine&)>& check,
                        std::vector<Setup>& setups);

 private:
  const RunHooks& hooks_;
  std::string file_;
  Setup setup_;
  std::unique_ptr<Engine> engine_;
};

const char* word(Replay replay);  // "prefill", "decode"

// The setups with weights_sha256 filled in, but for those of servers: one hash of all the model's files that fix
// numbers and tokens. A model of several setups is read once.
Result<std::vector<Setup>> hash_setups(std::vector<Setup> setups, ThreadPool& pool,
                                       const HubOptions& hub = {});

// Every id of `tokens` is in the engine's vocabulary, and they and `more` tokens fit its context. `file` and
// `key` name them in the Error.
Result<void> check_tokens(const Engine& engine, const std::vector<TokenId>& tokens, Index more,
                          const std::string& file, const std::string& key);

// All setups under the first device, then under the second, ...; no devices: each under its own. Those of servers
// come last, each once.
std::vector<Setup> under_devices(const std::vector<Setup>& setups, const std::vector<std::string>& devices);

std::string utc_now();  // "2026-01-02T03:04:05Z"

// Settles Setup::ran, as the engines just opened describe themselves: a run keeps what its first start
// recorded. Error: the engine of a resumed run differs from that in more than changes_no_bit.
Result<void> settle_ran(std::vector<Setup>& setups, Progress& progress);

// Setup::ran as a stamp has it.
Result<void> take_ran(std::vector<Setup>& setups, const Json& stamp, const std::string& file);

// Error: the engines of `second`'s stamp differ from those of `first`'s in more than their isa.
Result<void> same_engines(const Json& first_stamp, const Json& second_stamp, const std::string& first,
                          const std::string& second);

// The sampling of one request: `sampling` with the seed of its reference.
Sampling sampling_of(Sampling sampling, Index reference);

// Parts of plans and stamps (experiment/progress.h). Setups are named as verifier_name does.
Json setups_as_json(const std::vector<Setup>& setups);
Result<std::vector<Setup>> setups_of(const Json& plan, const std::string& file);
Json sampling_as_json(const Sampling& sampling);
Result<Sampling> sampling_of_plan(const Json& plan, const std::string& file);
Json stamp_as_json(const std::string& timestamp, const Environment& environment);
Result<std::string> timestamp_of(const Json& stamp, const std::string& file);
Result<Environment> environment_of(const Json& stamp, const std::string& file);

}  // namespace assay
