// quantization_config: how the linear layers of an AWQ or GPTQ checkpoint are packed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/index.h"
#include "base/json.h"

namespace assay {

enum class QuantizationMethod : std::uint8_t { awq, gptq };

// GPTQ files of version 1 store each zero point less one.
enum class GptqVersion : std::uint8_t { v1, v2 };

struct Quantization {
  QuantizationMethod method = QuantizationMethod::awq;
  int bits = 4;                           // AWQ: 4; GPTQ: 4 or 8
  std::optional<Index> group_size;        // inputs that share a scale; nullopt = the whole column
  GptqVersion version = GptqVersion::v1;  // GPTQ only
  bool desc_act = false;                  // GPTQ only: rows are assigned to groups by g_idx
  bool symmetric = false;                 // GPTQ only: every zero point is 2^(bits-1)
  bool lm_head = false;                   // the output layer is quantized too
};

// `object` is the quantization_config of config.json or the whole of quantize_config.json or
// quant_config.json; `where` is put before its keys in errors ("quantization_config." or "").
// Error: another method, an unknown key, a value that is not implemented.
Result<Quantization> parse_quantization(const Json& object, const std::string& file,
                                        const std::string& where);

}  // namespace assay
