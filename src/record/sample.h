// A small record for tests: two setups, two references, log-probabilities with awkward bits.
#pragma once

#include <cfloat>

#include "record/record.h"

namespace assay {

inline Generation sample_generation(const std::string& setup, Index reference, float shift) {
  return {.setup = setup,
          .reference = reference,
          .prompt_ids = {11, 12, 13, 14},
          .generated_ids = {21, 22, 23},
          .prefill = {{2, {{7, -0.5F - shift, 1}, {8, -1.5F, 2}, {13, -20.25F - shift, 57}}},
                      {3, {{14, -0.0F, 1}, {9, -0x1.fffffep+6F, 2}}}},
          .decode = {{5, {{22, -0x1.fffffep-3F, 1}, {5, -2.5F - shift, 2}}},
                     {6, {{23, -0.125F - shift, 1}, {4, -FLT_MAX, 2}}}}};
}

inline Record sample_record() {
  Record record;
  record.environment = {{"hostname", "somewhere"}, {"assay_version", "0.1.0"}, {"gpu_count", "0"}};
  record.setups = {{.name = "awq",
                    .model = "models/tiny-awq",
                    .quantization = "awq",
                    .dtype = "float16",
                    .device = "ieee",
                    .weights_sha256 = "c0ffee"},
                   {.name = "gptq",
                    .model = "models/tiny-gptq",
                    .quantization = "gptq",
                    .dtype = "float16",
                    .device = "exact"}};
  record.settings = {.max_new_tokens = 3,
                     .prompt_tokens = 2,
                     .references = 2,
                     .top_k = 2,
                     .last_positions = 3,
                     .runs = 2,
                     .ignore_eos = true,
                     .sampling = {.sampler = Sampler::exponential_race, .temperature = 0.7, .seed = 1}};
  record.timestamp = "2026-01-02T03:04:05Z";
  for (const float shift : {0.0F, 0.25F}) {
    for (const Index reference : {0, 1}) {
      record.generations.push_back(sample_generation(shift == 0 ? "awq" : "gptq", reference, shift));
    }
  }
  record.noise_floors = {{.setup = "awq", .runs = 2},
                         {.setup = "gptq", .prefill = 0.5, .decode = 0, .runs = 3}};
  return record;
}

// An honest run, verified: every claim under every setup, each giving the log-probabilities that it gives
// above.
inline Verification sample_verification() {
  const Record record = sample_record();
  Verification verification;
  verification.environment = record.environment;
  verification.setups = record.setups;
  verification.timestamp = "2026-01-02T04:04:05Z";
  verification.reference_file = "run";
  verification.reference_environment = record.environment;
  verification.claimed_setups = record.setups;
  verification.replay = "decode";
  verification.claims = record.generations;
  verification.claimed_settings = record.settings;
  for (const Setup& verifier : record.setups) {
    for (const Generation& claim : record.generations) {
      const float shift = verifier.name == "awq" ? 0.0F : 0.25F;
      const Generation scored = sample_generation(claim.setup, claim.reference, shift);
      verification.reexecutions.push_back(
          {.claimed = claim.setup,
           .verifier = verifier.name,
           .reference = claim.reference,
           .prefill = scored.prefill,
           .decode = scored.decode,
           .tokens = {{.position = 4, .rank = 3, .margin = shift, .logprob = -1.5F},
                      {.position = 5, .rank = 1, .margin = 0, .logprob = -0x1.fffffep-3F},
                      {.position = 6, .rank = 1, .margin = FLT_MIN / 4, .logprob = -0.0F}}});
    }
  }
  return verification;
}

}  // namespace assay
