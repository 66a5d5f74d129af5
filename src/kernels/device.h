// Whose arithmetic a matrix product follows. docs/numerics.md, section "Devices".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace assay {

enum class Device : std::uint8_t {
  ieee,   // c = fma(a_k, w_k, c) in FP32, k ascending
  exact,  // the same chain in FP64 from the FP32 c, rounded to FP32 once at its end
};

inline constexpr std::array kDevices = {Device::ieee, Device::exact};

constexpr std::string_view name_of(Device device) { return device == Device::ieee ? "ieee" : "exact"; }

constexpr std::optional<Device> device_named(std::string_view name) {
  for (Device device : kDevices) {
    if (name_of(device) == name) return device;
  }
  return std::nullopt;
}

}  // namespace assay
