#include "record/difr_import.h"

#include <fmt/format.h>

#include <algorithm>

#include "record/check.h"
#include "record/json_codec.h"
#include "record/vllm_logprobs.h"

namespace assay {
namespace {

Result<Sampling> sampling_of_config(const Json& config, const std::string& file, const ImportChoice& choice) {
  const auto temperature = config.contains("temperature") ? json_get<double>(config, file, "temperature")
                                                          : Result<double>(Error{});
  const std::string key = "config.temperature";
  if (config.contains("temperature") && !temperature)
    return Error{file, key, "a number", describe(config.at("temperature"))};
  if (choice.sampling) {
    if (!temperature || *temperature == choice.sampling->temperature) return *choice.sampling;
    return Error{file, key, fmt::format("{} (of the sampling given)", choice.sampling->temperature),
                 fmt::format("{}", *temperature)};
  }
  if (temperature && *temperature == 0) return Sampling{};
  return Error{file, key, "0 (greedy), or a sampling given with the import",
               temperature ? fmt::format("{}", *temperature) : "nothing"};
}

// "samples[3]: " before the key of an Error.
Error inside(Error error, const std::string& place) {
  error.key = place + (error.key.empty() ? "" : ".") + error.key;
  return error;
}

// `output` with `made`'s prompt known.
Result<void> read_output(const Json& output, const std::string& file, Generation& made) {
  static constexpr std::string_view kKnown[] = {"token_ids",     "logprobs",    "text", "cumulative_logprob",
                                                "finish_reason", "stop_reason", "index"};
  if (!output.is_object()) return Error{file, "", "an object", describe(output)};
  if (const auto known = refuse_unknown_keys(output, file, kKnown); !known) return known.error();
  auto ids = json_get_array<TokenId>(output, file, "token_ids");
  if (!ids) return ids.error();
  made.generated_ids = *std::move(ids);
  if (!output.contains("logprobs") || output.at("logprobs").is_null()) return {};
  auto scores = scores_from_vllm(output.at("logprobs"), static_cast<Index>(made.prompt_ids.size()),
                                 made.generated_ids, file, "logprobs");
  if (!scores) return scores.error();
  made.decode = *std::move(scores);
  return {};
}

Result<Generation> read_sample(const Json& sample, const std::string& file) {
  static constexpr std::string_view kKnown[] = {"prompt_token_ids", "outputs",  "prompt_logprobs", "prompt",
                                                "request_id",       "finished", "metrics"};
  if (!sample.is_object()) return Error{file, "", "an object", describe(sample)};
  if (const auto known = refuse_unknown_keys(sample, file, kKnown); !known) return known.error();
  auto prompt = json_get_array<TokenId>(sample, file, "prompt_token_ids");
  if (!prompt) return prompt.error();
  const auto outputs = json_get_list(sample, file, "outputs");
  if (!outputs) return outputs.error();
  if ((*outputs)->size() != 1)
    return Error{file, "outputs", "one output", fmt::format("{}", (*outputs)->size())};
  Generation made{.setup = {},
                  .reference = 0,
                  .prompt_ids = *std::move(prompt),
                  .generated_ids = {},
                  .prefill = {},
                  .decode = {}};
  if (auto read = read_output((**outputs)[0], file, made); !read) return inside(read.error(), "outputs[0]");
  if (!sample.contains("prompt_logprobs") || sample.at("prompt_logprobs").is_null()) return made;
  auto scores = scores_from_vllm(sample.at("prompt_logprobs"), 0, made.prompt_ids, file, "prompt_logprobs");
  if (!scores) return scores.error();
  made.prefill = *std::move(scores);
  return made;
}

Index most_alternatives(const Generation& made) {
  std::size_t most = 0;
  for (const auto* phase : {&made.prefill, &made.decode}) {
    for (const PositionScores& position : *phase) most = std::max(most, position.scores.size());
  }
  return static_cast<Index>(most);
}

}  // namespace

Result<Record> import_difr(std::string_view text, const std::string& file, const ImportChoice& choice) {
  static constexpr std::string_view kKnown[] = {"config", "samples"};
  const auto document = parse_json(text, file);
  if (!document) return document.error();
  if (!document->is_object()) return Error{file, "", "an object", describe(*document)};
  if (const auto known = refuse_unknown_keys(*document, file, kKnown); !known) return known.error();
  const auto config = json_get_object(*document, file, "config");
  if (!config) return config.error();
  const auto samples = json_get_list(*document, file, "samples");
  if (!samples) return samples.error();
  const auto sampling = sampling_of_config(**config, file, choice);
  if (!sampling) return sampling.error();

  Record record;
  record.environment = {{"imported_from", "difr"}, {"difr_config", (*config)->dump()}};
  record.setups = {choice.setup};
  record.setups[0].ran.emplace_back(kIdsKey,
                                    (*config)->contains("provider") ? kIdsRetokenized : kIdsRecorded);
  record.settings.sampling = *sampling;
  for (std::size_t i = 0; i < (*samples)->size(); ++i) {
    auto made = read_sample((**samples)[i], file);
    if (!made) return inside(made.error(), json_element("samples", i));
    made->setup = choice.setup.name;
    made->reference = static_cast<Index>(i);
    auto& settings = record.settings;
    settings.max_new_tokens =
        std::max(settings.max_new_tokens, static_cast<Index>(made->generated_ids.size()));
    settings.top_k = std::max(settings.top_k, most_alternatives(*made));
    record.generations.push_back(*std::move(made));
  }
  record.settings.references = static_cast<Index>(record.generations.size());
  if (auto checked = check_record(record, file); !checked) return checked.error();
  return record;
}

}  // namespace assay
