// The setups that attacks and their verifier run: the tiny models on emulated devices.
#pragma once

#include <string>

#include "record/record.h"

namespace assay::attacks {

// `quantization` is none, awq, awq_marlin, gptq (exllama) or gptq_marlin, and the setup's name too.
inline Setup tiny_setup(const std::string& quantization, const std::string& device) {
  const bool awq = quantization.starts_with("awq");
  const std::string model = quantization == "none" ? "tiny-qwen3"
                            : awq                  ? "tiny-qwen3-awq"
                                                   : "tiny-qwen3-gptq";
  return {.name = quantization,
          .model = ASSAY_SOURCE_DIR "/models/" + model,
          .quantization = quantization,
          .dtype = "float16",
          .device = device};
}

// What attacks claim and what they run instead, unless they say otherwise: other weights, another kernel.
inline Setup claimed_setup() { return tiny_setup("awq", "a100"); }
inline Setup cheap_setup() { return tiny_setup("gptq_marlin", "a100"); }
// The claimed weights through another kernel: the closest rival.
inline Setup sibling_setup() { return tiny_setup("awq_marlin", "a100"); }

inline constexpr const char* kQuantizations[] = {"awq", "awq_marlin", "gptq", "gptq_marlin", "none"};
inline constexpr const char* kDevices[] = {"a100", "h100"};

}  // namespace assay::attacks
