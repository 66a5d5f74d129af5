// Extents and checked arithmetic on sizes read from files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace assay {

// Extents, positions and counts of elements: signed, so that differences are meaningful. Bytes are size_t.
using Index = std::int64_t;

inline std::optional<std::size_t> checked_add(std::size_t a, std::size_t b) {
  std::size_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::nullopt : std::optional(sum);
}

inline std::optional<std::size_t> checked_mul(std::size_t a, std::size_t b) {
  std::size_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::nullopt : std::optional(product);
}

// Whether [begin, end) lies in [0, size), decided without a sum that could wrap.
constexpr bool range_fits(std::size_t begin, std::size_t end, std::size_t size) {
  return begin <= end && end <= size;
}

constexpr Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }

}  // namespace assay
