#include "experiment/generate_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/sha256.h"
#include "experiment/environment.h"
#include "experiment/prompts.h"
#include "tokenizer/tokenizer.h"

namespace assay {
namespace {

constexpr Index kMaxReferences = 1'000'000;

}  // namespace

Json plan_as_json(const GeneratePlan& plan) {
  return {{"kind", "generate"},
          {"assay_version", lookup(plan.environment, "assay_version")},
          {"setups", setups_as_json(plan.setups)},
          {"max_new_tokens", plan.generate.max_new_tokens},
          {"top_k", plan.generate.top_k},
          {"last_positions", plan.generate.last_positions},
          {"runs", plan.generate.runs},
          {"ignore_eos", plan.generate.ignore_eos},
          {"sampling", sampling_as_json(plan.generate.sampling)},
          {"prompt_tokens", plan.prompt_tokens},
          {"references", plan.prompts.size()},
          {"prompts_sha256", sha256_hex(Json(plan.prompts).dump())}};
}

Result<GeneratePlan> generate_plan_of(const Json& json, const std::string& file) {
  auto setups = setups_of(json, file);
  if (!setups) return setups.error();
  const auto sampling = sampling_of_plan(json, file);
  if (!sampling) return sampling.error();
  const auto ignore_eos = json_get<bool>(json, file, "ignore_eos");
  if (!ignore_eos) return ignore_eos.error();
  GeneratePlan plan;
  plan.file = file;
  plan.setups = *std::move(setups);
  plan.generate.ignore_eos = *ignore_eos;
  plan.generate.sampling = *sampling;
  Index references = 0;
  for (const auto& [key, value] : {std::pair("max_new_tokens", &plan.generate.max_new_tokens),
                                   {"top_k", &plan.generate.top_k},
                                   {"last_positions", &plan.generate.last_positions},
                                   {"runs", &plan.generate.runs},
                                   {"prompt_tokens", &plan.prompt_tokens},
                                   {"references", &references}}) {
    const auto number = json_get<Index>(json, file, key);
    if (!number) return number.error();
    *value = *number;
  }
  if (references < 1 || references > kMaxReferences) {
    return Error{file, "references", fmt::format("1 to {}", kMaxReferences), std::to_string(references)};
  }
  plan.prompts.resize(static_cast<std::size_t>(references));
  return plan;
}

GenerationSettings settings_of(const GeneratePlan& plan) {
  return {.max_new_tokens = plan.generate.max_new_tokens,
          .prompt_tokens = plan.prompt_tokens,
          .references = static_cast<Index>(plan.prompts.size()),
          .top_k = plan.generate.top_k,
          .last_positions = plan.generate.last_positions,
          .ignore_eos = plan.generate.ignore_eos,
          .sampling = plan.generate.sampling};
}

Result<GeneratePlan> plan_generate(const Experiment& experiment, ThreadPool& pool, const HubOptions& hub) {
  const std::string file = experiment.file.string();
  GeneratePlan plan{.file = file,
                    .setups = {},
                    .generate = experiment.generate,
                    .prompt_tokens = experiment.prompts.tokens,
                    .prompts = {},
                    .tokenizer_vocabulary = 0,
                    .environment = capture_environment(),
                    .timestamp = utc_now()};
  for (const Setup& setup : experiment.setups) {
    const HubFiles wanted = setup.server ? HubFiles::tokenizer_and_config : HubFiles::all;
    const auto folder = resolve_model(setup.model, {.files = wanted, .log = hub.log, .stopped = hub.stopped});
    if (!folder) return folder.error();
    const std::filesystem::path path = *folder / "tokenizer.json";
    const auto tokenizer = Tokenizer::open(path);
    if (!tokenizer) return tokenizer.error();
    plan.tokenizer_vocabulary = std::max(plan.tokenizer_vocabulary, tokenizer->vocabulary_size());
    const auto prompts = build_prompts(experiment.prompts, *tokenizer, file, path.string());
    if (!prompts) return prompts.error();
    if (plan.prompts.empty()) plan.prompts = *prompts;
    if (plan.prompts != *prompts) {
      return Error{file, "setups." + setup.name + ".model",
                   "the same prompt tokens as setup " + experiment.setups.front().name,
                   "others (" + path.string() + ")"};
    }
  }
  auto setups = hash_setups(experiment.setups, pool, hub);
  if (!setups) return setups.error();
  plan.setups = *std::move(setups);
  return plan;
}

}  // namespace assay
