#include "engine/native/quantization_name.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

namespace assay {
namespace {

std::string method_of(const ModelConfig& config) {
  if (!config.quantization) return "none";
  return config.quantization->method == QuantizationMethod::awq ? "awq" : "gptq";
}

// Why vLLM's Marlin kernels would refuse the checkpoint; nothing if they take it.
std::optional<Error> refused_by_marlin(const Quantization& quantization, const std::string& file) {
  const Index group = quantization.group_size.value_or(-1);
  if (group != -1 && group != 32 && group != 64 && group != 128) {
    return Error{file, "quantization_config.group_size", "-1, 32, 64 or 128 for Marlin",
                 std::to_string(group)};
  }
  if (quantization.method == QuantizationMethod::gptq && !quantization.symmetric) {
    return Error{file, "quantization_config.sym", "true for Marlin and Machete", "false"};
  }
  return std::nullopt;
}

}  // namespace

Result<void> check_quantization(std::string_view name, const ModelConfig& config, Dtype dtype,
                                const std::string& file) {
  const auto names = quantization_names();
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    return Error{"", "quantization", fmt::format("one of {}", fmt::join(names, ", ")), std::string(name)};
  }
  const std::string method = method_of(config);
  if (name.substr(0, name.find('_')) != method) {
    return Error{file, "quantization_config.quant_method",
                 fmt::format("a checkpoint for quantization {}", name), method};
  }
  if (name == "awq" && dtype != Dtype::fp16) {
    return Error{file, "dtype", "float16 for quantization awq", std::string(name_of(dtype))};
  }
  if (name.ends_with("_marlin")) {
    if (auto refused = refused_by_marlin(*config.quantization, file)) return *refused;
  }
  return {};
}

Result<void> check_kernel(const KernelChoice& kernel, const ModelConfig& config, const std::string& file) {
  switch (kernel.kernel) {
    case KernelName::marlin_a:
    case KernelName::marlin_b:
    case KernelName::machete:
      if (auto refused = refused_by_marlin(*config.quantization, file)) return *refused;
      return {};
    default:
      return {};
  }
}

}  // namespace assay
