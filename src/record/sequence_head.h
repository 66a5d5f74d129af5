// What progress lines and sequences.jsonl have in common. They differ in how a phase is written, so the
// reader of a phase is a parameter: Result<std::vector<PositionScores>>(const Json& line, const std::string&
// key), called for prefill, then for decode. Internal to record.
#pragma once

#include <string>

#include "base/error.h"
#include "base/json.h"
#include "record/json_codec.h"
#include "record/record.h"
#include "record/token_checks_json.h"

namespace assay {

template <class ReadPhase>
Result<Generation> read_generation_head(const Json& json, const std::string& file,
                                        const ReadPhase& read_phase) {
  static constexpr std::string_view kKnown[] = {"setup",   "reference", "prompt_ids", "generated_ids",
                                                "prefill", "decode",    "served"};
  const auto setup = json_get<std::string>(json, file, "setup");
  if (!setup) return setup.error();
  if (const auto known = refuse_unknown_keys(json, file, kKnown); !known) return known.error();
  const auto reference = json_get<Index>(json, file, "reference");
  const auto prompt = json_get_array<TokenId>(json, file, "prompt_ids");
  const auto generated = json_get_array<TokenId>(json, file, "generated_ids");
  if (!reference) return reference.error();
  if (!prompt) return prompt.error();
  if (!generated) return generated.error();
  const auto prefill = read_phase(json, "prefill");
  if (!prefill) return prefill.error();
  const auto decode = read_phase(json, "decode");
  if (!decode) return decode.error();
  const auto served = get_served(json, file);
  if (!served) return served.error();
  return Generation{*setup, *reference, *prompt, *generated, *prefill, *decode, *served};
}

template <class ReadPhase>
Result<Reexecution> read_reexecution_head(const Json& json, const std::string& file,
                                          const ReadPhase& read_phase) {
  static constexpr std::string_view kKnown[] = {"claimed", "verifier", "reference", "prefill",
                                                "decode",  "tokens",   "served"};
  const auto claimed = json_get<std::string>(json, file, "claimed");
  if (!claimed) return claimed.error();
  if (const auto known = refuse_unknown_keys(json, file, kKnown); !known) return known.error();
  const auto verifier = json_get<std::string>(json, file, "verifier");
  const auto reference = json_get<Index>(json, file, "reference");
  if (!verifier) return verifier.error();
  if (!reference) return reference.error();
  const auto prefill = read_phase(json, "prefill");
  if (!prefill) return prefill.error();
  const auto decode = read_phase(json, "decode");
  if (!decode) return decode.error();
  const auto tokens = token_checks_from_json(json, file, "tokens");
  if (!tokens) return tokens.error();
  const auto served = get_served(json, file);
  if (!served) return served.error();
  return Reexecution{*claimed, *verifier, *reference, *prefill, *decode, *tokens, *served};
}

}  // namespace assay
