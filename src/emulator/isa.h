// Instruction sets that the CPU kernels exist for. They change speed, never a bit.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace assay {

enum class Isa : std::uint8_t { scalar, avx2, avx512 };

constexpr std::string_view name_of(Isa isa) {
  switch (isa) {
    case Isa::scalar:
      return "scalar";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
  }
  return "";
}

// What this processor and this build can run, slowest first; `scalar` is always there.
std::vector<Isa> available_isas();

inline Isa fastest_isa() { return available_isas().back(); }

// Nothing when there is no such instruction set here: never a silent fall-back to another.
std::optional<Isa> isa_named(std::string_view name);

}  // namespace assay
