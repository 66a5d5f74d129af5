// What a run leaves behind, in memory. The engine writes it, verify reads it; neither knows the other.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/index.h"

namespace assay {

using TokenId = std::int32_t;

// One id's log-probability at one position.
struct TokenScore {
  TokenId id = 0;
  float logprob = 0;      // natural logarithm, FP32 bits as the engine computed them
  std::int32_t rank = 0;  // 1 = most likely; ties in id order; 0 = not recorded
  bool operator==(const TokenScore&) const = default;
};

// The scores at one position. `position` is the index, in prompt followed by generated ids, of the token that
// is being predicted (>= 1: nothing predicts the first token). Scores come in order of rank, the position's
// own token among them.
struct PositionScores {
  Index position = 0;
  std::vector<TokenScore> scores;
  bool operator==(const PositionScores&) const = default;
};

// The score of an id, and the scores at a position; null where there are none. Valid as long as the list.
const TokenScore* find_score(std::span<const TokenScore> scores, TokenId id);
const PositionScores* find_position(std::span<const PositionScores> phase, Index position);

// Ordered name -> value pairs: host, os, cpu, gpu, driver, compiler, library versions; or what an engine
// runs.
using Environment = std::vector<std::pair<std::string, std::string>>;

// The value of `key`, or "".
std::string lookup(const Environment& environment, std::string_view key);

inline constexpr const char* kDefaultProfile = "vllm-0.11";
inline constexpr Index kDefaultPrefillTokens = 8192;

// A server that computes for a setup.
struct ServerChoice {
  std::string engine;                       // vllm, sglang or openai
  std::vector<std::string> endpoints = {};  // base URLs, each the same model; empty where it is launched
  std::string launch = {};                  // the command that starts it; "" = it is running
  std::string served_model = {};            // the name that the server knows; "" = Setup::model
  Index in_flight = 1;              // most requests at once for each endpoint: a batch may change bits
  Index timeout_s = 600;            // of one request
  std::string token_variable = {};  // environment variable with the bearer token; "" = none is sent
  std::string ca_file = {};         // PEM; "" = the system's
  bool verify_tls = true;
  bool operator==(const ServerChoice&) const = default;
};

// What fixes the bits of a run. `name` is the experiment's word for it, unique in a record; in a verification
// under several devices, name and device together are (see verifier_name).
struct Setup {
  std::string name;
  std::string model;                // folder or Hub name
  std::string quantization;         // vLLM's name: awq, awq_marlin, gptq_marlin, none
  std::string dtype;                // float16 or bfloat16
  std::string device;               // whose arithmetic: ieee, exact; of imported records the GPU's name
  std::string weights_sha256 = {};  // hash_of_model: all files that fix numbers and tokens; "" = unknown
  std::string profile = kDefaultProfile;  // whose choice of kernels: vllm-0.11, ...; "" = not recorded
  std::string kernel = {};  // "" = what profile, quantization and device choose; else marlin_b, ...
  Index prefill_tokens = kDefaultPrefillTokens;  // most tokens in one pass over a prompt; 0 = not recorded
  Environment ran = {};  // Engine::describe: what really ran (docs/records.md); empty = not recorded
  std::optional<ServerChoice> server = {};  // none: the native engine
  bool operator==(const Setup&) const = default;
};

// One reference: a prompt and what one setup generated for it, with the scores at the recorded positions.
struct Generation {
  std::string setup;
  Index reference = 0;
  std::vector<TokenId> prompt_ids;
  std::vector<TokenId> generated_ids;
  std::vector<PositionScores> prefill;  // positions < prompt_ids.size()
  std::vector<PositionScores> decode;   // positions >= prompt_ids.size()
  Environment served = {};              // which reply of which server: docs/records.md; empty = none
  bool operator==(const Generation&) const = default;
};

// One generated token under a re-execution: what the record's way of choosing (Sampling) would have chosen
// there.
struct TokenCheck {
  Index position = 0;     // as PositionScores::position
  std::int32_t rank = 0;  // of the recorded token among all logits, 1 = most likely; ties in id order
  // How far the recorded token is from being chosen, in nats; 0 = it is chosen. Greedy: the largest logit less
  // the token's. Exponential race: the winner's ln(probability / noise) less the token's. Inverse CDF: the
  // distance of the draw from the token's interval, as a probability.
  float margin = 0;
  float logprob = 0;  // of the recorded token
  bool operator==(const TokenCheck&) const = default;
};

// One claim re-executed under one verifier setup: the scores of the claim's own ids at the claim's own
// positions, beside the verifier's own top k there.
struct Reexecution {
  std::string claimed;   // Generation::setup
  std::string verifier;  // verifier_name of a setup of the verification
  Index reference = 0;
  std::vector<PositionScores> prefill;
  std::vector<PositionScores> decode;
  std::vector<TokenCheck> tokens = {};  // every generated token, in order; empty = not recorded
  Environment served = {};              // as Generation::served
  bool operator==(const Reexecution&) const = default;
};

// What a verification calls a setup of its own: the name, or "name@device" where several have that name.
std::string verifier_name(const Setup& setup, const std::vector<Setup>& setups);

// The setup that a verification calls so; null if there is none.
const Setup* find_verifier(const std::vector<Setup>& setups, std::string_view verifier);

// The name of the setup that a verification calls so: "awq" for "awq@a100". Of an unknown one, the word
// itself.
std::string setup_name(const std::vector<Setup>& setups, const std::string& verifier);

// Who draws a token from the probabilities.
enum class Sampler : std::uint8_t {
  greedy,            // the largest logit; the lowest id among equals
  exponential_race,  // vLLM: argmax of probability / Exp(1) noise (the Gumbel-max trick), noise from Philox
  inverse_cdf        // the first id, in id order, whose cumulative probability reaches a draw from (0, 1]
};

const char* word(Sampler sampler);                      // "greedy", "exponential_race", "inverse_cdf"
std::optional<Sampler> sampler(std::string_view word);  // none: an unknown word

// How tokens were chosen. The request of reference r has the seed `seed` + r.
struct Sampling {
  Sampler sampler = Sampler::greedy;
  double temperature = 0;  // > 0 unless greedy
  std::uint64_t seed = 0;
  bool operator==(const Sampling&) const = default;
};

// How the tokens were made; part of the manifest.
struct GenerationSettings {
  Index max_new_tokens = 0;
  Index prompt_tokens = 0;  // document tokens in a prompt (the seed's tokens_per_slice)
  Index references = 0;
  Index top_k = 0;
  Index last_positions = 0;  // recorded: the last so many of the prompt and of what was generated; 0 = all
  Index runs = 0;            // generations of ref_0 for the noise floor; 0 = not recorded
  bool ignore_eos = false;
  Sampling sampling = {};
  bool operator==(const GenerationSettings&) const = default;
};

// Largest distance seen between repeated runs of one setup; infinite where the runs had nothing in common.
struct NoiseFloor {
  std::string setup;
  double prefill = 0;
  double decode = 0;
  Index runs = 0;  // 0 = not recorded
  bool operator==(const NoiseFloor&) const = default;
};

// A prover's run.
struct Record {
  Environment environment;
  std::vector<Setup> setups;
  GenerationSettings settings;
  std::string timestamp;                // UTC, ISO 8601
  std::vector<Generation> generations;  // by setup, then by reference
  std::vector<NoiseFloor> noise_floors;

  bool operator==(const Record&) const = default;
};

// How far a re-execution is from its claim in one phase. `mean` and `max` are over positions, and infinite
// when no position could be compared.
struct PhaseComparison {
  double mean = 0;
  double max = 0;
  Index positions = 0;         // compared; 0 = not recorded (the seed's files)
  Index bit_equal = 0;         // of these, positions whose every compared log-probability has the same bits
  Index first_difference = 0;  // the first of the others; 0 = none, or not recorded
  bool operator==(const PhaseComparison&) const = default;
};

// One reference of one claim against one verifier setup: all that the tables are made from.
struct Comparison {
  Index reference = 0;
  std::string claimed;
  std::string verifier;  // as in Reexecution
  PhaseComparison prefill;
  PhaseComparison decode;
  Index prompt_tokens = 0;     // 0 = not recorded, here and below
  Index generated_tokens = 0;  //
  Index ranked_tokens = 0;     // generated tokens whose rank under the verifier is known
  Index top_tokens = 0;        // of these, tokens of rank 1: what greedy decoding would have chosen
  bool operator==(const Comparison&) const = default;
};

// Names of two setups that a record cannot tell apart.
using SetupPair = std::pair<std::string, std::string>;

// Which ids a distance uses: all that both sides hold, or the seed's rule (ids in both top-k lists).
enum class DistanceRule : std::uint8_t { every_id, seed };

const char* word(DistanceRule rule);                               // "every_id", "seed"
std::optional<DistanceRule> distance_rule(std::string_view word);  // none: an unknown word

// A verifier's run over a record.
struct Verification {
  Environment environment;
  std::vector<Setup> setups;  // the verifier's
  std::string timestamp;
  std::string reference_file;         // path of the record that was verified
  std::string reference_fingerprint;  // fingerprint() of that record; "" = not recorded
  Environment reference_environment;
  std::vector<Setup> claimed_setups;                // the record's; empty = not recorded (the seed's files)
  std::string replay;                               // prefill or decode; "" = not recorded
  std::vector<SetupPair> prefill_equivalent_pairs;  // within the record
  std::vector<SetupPair> decode_equivalent_pairs;
  std::vector<Reexecution> reexecutions;     // by verifier, claim, reference; empty in the seed's files
  std::vector<Generation> claims = {};       // the record's own, as re-executed; empty = not recorded
  GenerationSettings claimed_settings = {};  // the record's; all zero = not recorded
  double alpha = 0;                          // that the verdict was asked for; 0 = not recorded
  double delta = 0;
  DistanceRule rule = DistanceRule::every_id;  // that made the comparisons
  std::vector<Comparison> comparisons;  // filled by verify's compare_all, so that a folder stands alone

  bool operator==(const Verification&) const = default;
};

}  // namespace assay
