// The experiment file: which prompts, how to generate, and under which setups.
//
//   prompts:
//     documents: [docs/*.pdf, corpus.txt]  # files or patterns, relative to the experiment file
//     tokens: 8000                         # document tokens in a prompt, exactly
//     references: 4                        # prompts, each with its own cut of the documents
//     system: "..."                        # default: no system turn
//     prefix: "..."                        # before the cut; default: empty
//     question: "..."                      # after the cut
//   generate:
//     max_new_tokens: 100
//     top_k: 5                             # default 5
//     positions: last3                     # last3 (default), lastN or all
//     runs: 2                              # default 2: repeated runs of ref_0 that give the noise floor
//     ignore_eos: false                    # default false
//     temperature: 0.7                     # 0.01 to 100; default 0: greedy
//     seed: 1                              # with a temperature: required; reference r has seed + r
//     sampler: exponential_race            # with a temperature: default exponential_race, or inverse_cdf
//   device: a100                           # default: ieee, what this host computes; --device overrides
//   dtype: float16                         # default float16
//   profile: vllm-0.11                     # default; which engine's choices of kernels, vllm-0.12 is another
//   prefill_tokens: 8192                   # default; most tokens in one pass (vLLM's max_num_batched_tokens)
//   setups:
//     awq: {model: models/tiny-qwen3-awq, quantization: awq}
//     other: {model: ..., quantization: gptq_marlin, kernel: marlin_b}
//
//     served:                              # computed by a server, not here
//       engine: vllm                       # default native; vllm, sglang or openai
//       endpoint: [http://gpu1:8000, http://gpu2:8000]  # or one; each serves the same model
//       launch: "vllm serve {model} --quantization {quantization} --dtype {dtype} --port {port}"  # in place of endpoint
//       model: Qwen/Qwen3-8B-AWQ           # folder or Hub name: the tokenizer, and what {model} is
//       quantization: awq                  # of a server this, dtype and device are its operator's word
//       served_model_name: qwen            # default: model
//       in_flight: 1                       # default; most requests at once for each endpoint
//       timeout_s: 600                     # default; of one request
//       token_variable: PROVIDER_KEY       # environment variable with a bearer token; default: none is sent
//       ca_file: ca.pem                    # default: the system's certificates
//       verify_tls: true                   # default
//
// A setup may have its own device, dtype, profile and prefill_tokens in place of the above, and a kernel in place of
// the one that profile, quantization and device choose, as "split_k(2)". One with a server has no profile,
// prefill_tokens and kernel, its device is not recorded unless it names one, and --device does not touch it. Which
// devices, profiles and kernels there are, the engine knows; its error names file and key.
//
// What fixes the run stands in its manifest, defaults too; the prompts themselves stand there as token ids.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/index.h"
#include "record/record.h"

namespace assay {

struct PromptSettings {
  std::vector<std::string> documents;  // patterns, beside the experiment file; see expand_documents
  Index tokens = 0;
  Index references = 0;
  std::string system;
  std::string prefix;
  std::string question;
};

struct GenerateSettings {
  Index max_new_tokens = 0;
  Index top_k = 5;
  Index last_positions = 3;  // 0 = all
  Index runs = 2;            // generations of ref_0 by each setup; 1 = no reproducibility check
  bool ignore_eos = false;
  Sampling sampling = {};
};

struct Experiment {
  std::filesystem::path file;
  PromptSettings prompts;
  GenerateSettings generate;
  // Setup::model is the file's word where that is a Hub name, else the folder, relative to the current folder
  // if the experiment file was given so.
  std::vector<Setup> setups;
};

// `device` is that of the command line; it overrides every device in the file. Error: an unknown or repeated
// key (with line and "did you mean"), a wrong type. Documents and models are not looked for here: a verifier
// needs no documents.
Result<Experiment> read_experiment(const std::filesystem::path& file,
                                   const std::optional<std::string>& device = {});

}  // namespace assay
