// An engine turns tokens into log-probabilities under one setup. `native` computes them itself; vllm, sglang and
// openai ask a server.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/index.h"
#include "base/thread_pool.h"
#include "emulator/isa.h"
#include "record/record.h"

namespace assay {

// Raised when any operation's bits change: two records of one number are comparable bit for bit.
inline constexpr int kNumericsVersion = 1;

// How a record's tokens are forced through: one pass over prompt and generated tokens, or the prompt in one
// pass and then one step for each generated token, with the shapes of decoding.
enum class Replay : std::uint8_t { prefill, decode };

// One position whose log-probabilities are wanted: those of `ids`, and of the `top_k` most likely.
struct AskedPosition {
  Index position = 0;  // as in PositionScores: 1 <= position < tokens.size()
  std::vector<TokenId> ids;
  Index top_k = 0;
};

// Of samplers that draw. Below the least, vLLM raises a temperature to it; at the most, ids whose logits
// differ by 10 are nearly alike.
inline constexpr double kLeastTemperature = 0.01;
inline constexpr double kMostTemperature = 100;

struct ScoreRequest {
  std::vector<TokenId> tokens;       // prompt followed by generated ids
  Index prompt_length = 0;           // how many of them are the prompt
  std::vector<AskedPosition> asked;  // positions ascending
  Replay replay = Replay::prefill;
  std::uint64_t noise_seed = 0;  // orders what a kernel leaves to chance; deterministic setups ignore it
  bool check_tokens = false;     // every generated token against the one that `sampling` would choose
  Sampling sampling = {};        // the seed is the request's own
};

struct Scores {
  std::vector<PositionScores> positions;  // one for each asked position
  std::vector<TokenCheck> tokens;  // one for each generated token where check_tokens; none: not to be had
  Environment served = {};         // as Generation::served
  bool operator==(const Scores&) const = default;
};

struct GenerateRequest {
  std::vector<TokenId> prompt;
  Index max_new_tokens = 0;
  Index top_k = 0;
  // Recorded positions: the last n of the prompt and the last n of what was generated; 0 = all.
  Index last_positions = 3;
  bool ignore_eos = false;
  bool afresh = false;           // uses nothing that is kept of earlier calls: for reproducibility checks
  std::uint64_t noise_seed = 0;  // as in ScoreRequest, and so is sampling
  Sampling sampling = {};
};

// Requests in an order, each made when it is wanted (again where it is asked again), and their results, taken in that
// order.
template <class Request, class Answer>
struct Jobs {
  Index count = 0;
  std::function<Request(Index job)> request;
  std::function<Result<void>(Index job, Answer answer)> take;  // an Error ends the work
  std::function<bool()> stopped = [] { return false; };        // asked between jobs
};
using ScoreJobs = Jobs<ScoreRequest, Scores>;
using GenerateJobs = Jobs<GenerateRequest, Generation>;

// Keys of Engine::describe in which two engines of one setup may differ.
inline bool changes_no_bit(std::string_view key) {
  return key == "processor" || key == "isa" || key == "gpu" || key == "tensor_cores";
}

// Not thread-safe: one call at a time. The KV cache of the previous call is kept, and a token prefix shared
// with it is not computed again where that cannot change a bit.
class Engine {
 public:
  virtual ~Engine() = default;

  virtual Index vocabulary_size() const = 0;
  virtual Index context_length() const = 0;

  // Which device, kernel, instruction set and SM count really run, for the record (docs/records.md names the keys;
  // those of changes_no_bit are for information). Among them "determinism" (deterministic or not_deterministic:
  // whether equal requests give equal bits) and "rows_change_bits" (yes or no: whether a position's bits depend on
  // the rows of its pass).
  virtual Environment describe() const = 0;

  // The scores asked for: at each position the union of `ids` and the top k, in order of rank. Error: a token
  // id outside the vocabulary, a position outside the tokens, more tokens than the context holds, a
  // temperature that the sampler cannot have.
  virtual Result<Scores> score(const ScoreRequest& request) = 0;

  // How many requests of one prompt score_together() takes through the model at once; 1: one after another.
  virtual Index most_together(Replay) const { return 1; }
  // The scores of each request, as score() gives them. Requests that share a prompt may go through the model together
  // where that changes no bit. Errors as score(), of the first request that has one.
  virtual Result<std::vector<Scores>> score_together(std::span<const ScoreRequest> requests);

  // All of `jobs`; false: stopped. Here one after another, or so many of one prompt as most_together says; a server
  // may have several in flight. Errors as score().
  virtual Result<bool> score_all(const ScoreJobs& jobs, Replay replay);

  // Decodes as `sampling` says; stops after an end-of-sequence token unless ignore_eos. Fills every field of
  // Generation but setup and reference. Errors as score().
  virtual Result<Generation> generate(const GenerateRequest& request) = 0;
  virtual Result<bool> generate_all(const GenerateJobs& jobs);  // as score_all

  // Drops what is kept of earlier calls, so that the next one computes everything itself.
  virtual void forget() = 0;

  // Tokens that have gone through the model so far, for logs and tests of prefix sharing.
  virtual Index tokens_computed() const = 0;
};

// What computes; `any`: a CUDA device where there is one that can run the setup, else the CPU.
enum class Processor : std::uint8_t { any, cpu, cuda };

// Changes no bit.
struct EngineOptions {
  Processor processor = Processor::any;
  Isa isa = fastest_isa();  // of the CPU; one of available_isas()
  // Of servers: where the log of one that is launched goes, who hears of troubles, who ends a wait.
  std::filesystem::path log_folder = {};
  std::function<void(const std::string&)> log = [](const std::string&) {};
  std::function<bool()> stopped = [] { return false; };
};

// What open_engine refuses and why: a model folder that is missing or malformed, a quantization that the checkpoint
// is not in, an unknown device or dtype (each error lists what exists); with Processor::cuda, a setup that no CUDA
// device here can run; of a setup with a server, what open_remote_engine refuses. `pool` must outlive the engine.
Result<std::unique_ptr<Engine>> open_engine(const Setup& setup, ThreadPool& pool,
                                            const EngineOptions& options = {});

}  // namespace assay
