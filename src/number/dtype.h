// The element types that checkpoints store and that activations are rounded to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace assay {

enum class Dtype : std::uint8_t { fp16, bf16, fp32, int32 };

constexpr std::size_t size_in_bytes(Dtype type) { return type == Dtype::fp16 || type == Dtype::bf16 ? 2 : 4; }

// The names of PyTorch and vLLM: "float16", "bfloat16", "float32", "int32".
constexpr std::string_view name_of(Dtype type) {
  switch (type) {
    case Dtype::fp16:
      return "float16";
    case Dtype::bf16:
      return "bfloat16";
    case Dtype::fp32:
      return "float32";
    case Dtype::int32:
      return "int32";
  }
  return "";
}

constexpr std::optional<Dtype> dtype_named(std::string_view name) {
  for (Dtype type : {Dtype::fp16, Dtype::bf16, Dtype::fp32, Dtype::int32}) {
    if (name_of(type) == name) return type;
  }
  return std::nullopt;
}

}  // namespace assay
