// Random tiles for the matrix instructions, family by family: what kind of number meets what kind.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "instructions.h"

namespace assay_probe {

enum class TileFamily : std::uint8_t {
  uniform_bits,   // any finite bits, subnormals included
  normal,         // bell-shaped, of similar size
  cancelling,     // products cancel in pairs up to their last bits, C cancels the sum
  wide,           // exponents over a wide range, zeros among them
  subnormal,      // one or both operands subnormal
  zero_products,  // every product zero, one factor huge; C tiny, subnormal or zero of either sign
  special,        // infinities, NaNs and overflow of the result
  tiny,           // BF16 and FP32 accumulators only: the result is subnormal
};

inline constexpr std::array kTileFamilies = {
    TileFamily::uniform_bits, TileFamily::normal,        TileFamily::cancelling, TileFamily::wide,
    TileFamily::subnormal,    TileFamily::zero_products, TileFamily::special,    TileFamily::tiny};

std::string_view name_of(TileFamily family);
bool has_family(const InstructionSpec& spec, TileFamily family);

// Tiles in the layout of mma_kernels.h.
struct HostTiles {
  HostTiles(const InstructionSpec& spec, std::int64_t tiles);

  InstructionSpec spec;
  std::int64_t tiles;
  std::vector<std::uint8_t> a;   // [tiles][m][k], packed
  std::vector<std::uint8_t> b;   // [tiles][n][k], packed
  std::vector<std::uint32_t> c;  // [tiles][m][n]
  std::vector<std::uint32_t> d;  // [tiles][m][n], the device's answer

  std::uint32_t a_bits(std::int64_t tile, int row, int i) const;
  std::uint32_t b_bits(std::int64_t tile, int column, int i) const;
  void set_a(std::int64_t tile, int row, int i, std::uint32_t bits);
  void set_b(std::int64_t tile, int column, int i, std::uint32_t bits);
};

// Fills A, B and C of one tile. A function of (spec's name, family, seed, number), so tiles can be made in
// any order; `number` counts over all launches, `tile` is the place in `tiles`.
void make_tile(TileFamily family, std::uint64_t seed, std::int64_t number, std::int64_t tile,
               HostTiles& tiles);

}  // namespace assay_probe
