#include "tile_families.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "inputs.h"
#include "random_floats.h"

namespace assay_probe {
namespace {

// One tile being made: the parts that families share.
class TileMaker {
 public:
  TileMaker(std::uint64_t seed, std::int64_t tile, HostTiles& tiles)
      : random_(seed), tile_(tile), tiles_(tiles), spec_(tiles.spec), format_(format_of(spec_.operand)) {}

  void uniform_bits();
  void normal();
  void cancelling();
  void wide();
  void subnormal();
  void zero_products();
  void special();
  void tiny();

 private:
  // Every element of A and B by `next`, a function of Random&.
  template <class Next>
  void fill_a(const Next& next) {
    for (int row = 0; row < spec_.m; ++row) {
      for (int i = 0; i < spec_.k; ++i) tiles_.set_a(tile_, row, i, next());
    }
  }
  template <class Next>
  void fill_b(const Next& next) {
    for (int column = 0; column < spec_.n; ++column) {
      for (int i = 0; i < spec_.k; ++i) tiles_.set_b(tile_, column, i, next());
    }
  }
  template <class Next>
  void fill_c(const Next& next) {
    for (int i = 0; i < spec_.m * spec_.n; ++i) set_c(i, next());
  }
  void set_c(int i, std::uint32_t bits) {
    tiles_.c[static_cast<std::size_t>(tile_ * spec_.m * spec_.n + i)] = bits;
  }

  std::uint32_t finite() { return random_finite(random_, spec_.operand); }
  FloatFormat accumulator() const { return spec_.half_accumulator ? kHalf : kSingle; }
  // An accumulator of this exponent, brought into its format's range.
  std::uint32_t start(int exponent) { return with_exponent(random_, accumulator(), exponent); }
  std::uint32_t finite_start() {
    return spec_.half_accumulator ? random_finite(random_, Operand::fp16) : random_finite_single(random_);
  }
  std::uint32_t start_of(float value) const {
    return spec_.half_accumulator ? assay::to_fp16(value) : std::bit_cast<std::uint32_t>(value);
  }
  double dot(int row, int column) const;
  int largest_exponent() const {  // of a finite operand
    return format_.largest_field() - (spec_.operand == Operand::fp8_e4m3 ? 0 : 1) - format_.bias();
  }
  int smallest_exponent() const { return 1 - format_.bias(); }

  Random random_;
  std::int64_t tile_;
  HostTiles& tiles_;
  InstructionSpec spec_;
  FloatFormat format_;
};

double TileMaker::dot(int row, int column) const {
  double sum = 0;
  for (int i = 0; i < spec_.k; ++i) {
    sum += double{decode(spec_.operand, tiles_.a_bits(tile_, row, i))} *
           double{decode(spec_.operand, tiles_.b_bits(tile_, column, i))};
  }
  return sum;
}

void TileMaker::uniform_bits() {
  // BF16 products of uniform bits nearly always overflow: half of the tiles keep A's exponents near 0.
  const bool moderate = spec_.operand == Operand::bf16 && random_.below(2) == 0;
  const int top = moderate ? 126 : 2 * largest_exponent();
  fill_a([&] { return moderate ? with_exponent(random_, format_, random_.between(-63, 63)) : finite(); });
  fill_b([&] { return moderate ? with_exponent(random_, format_, random_.between(-63, 63)) : finite(); });
  fill_c([&] { return random_.below(4) == 0 ? finite_start() : start(top - random_.between(0, 34)); });
}

void TileMaker::normal() {
  fill_a([&] { return truncated(format_, random_.bell()); });
  fill_b([&] { return truncated(format_, random_.bell()); });
  fill_c([&] { return start_of(4 * random_.bell()); });
}

void TileMaker::cancelling() {
  const int reach = spec_.operand == Operand::bf16 ? 20 : std::min(8, largest_exponent() - 1);
  const std::uint32_t low_bits = std::min(3U, format_.fraction_mask());
  const auto fill_pairs = [&](int count, bool negates, const auto& set) {
    for (int line = 0; line < count; ++line) {
      for (int i = 0; i < spec_.k; i += 2) {
        const std::uint32_t bits = with_exponent(random_, format_, random_.between(-reach + 1, reach - 1));
        set(line, i, bits);
        const std::uint32_t change = random_.below(2) == 0 ? 0U : random_.next() & low_bits;
        set(line, i + 1, bits ^ change ^ (negates ? format_.sign_bit() : 0U));
      }
    }
  };
  fill_pairs(spec_.m, true, [&](int row, int i, std::uint32_t bits) { tiles_.set_a(tile_, row, i, bits); });
  fill_pairs(spec_.n, false,
             [&](int column, int i, std::uint32_t bits) { tiles_.set_b(tile_, column, i, bits); });
  for (int i = 0; i < spec_.m * spec_.n; ++i) {
    const auto sum = static_cast<float>(dot(i / spec_.n, i % spec_.n));
    const std::uint64_t kind = random_.below(4);
    if (kind == 0) {
      set_c(i, start_of(-sum));
    } else if (kind == 1 && sum != 0) {
      set_c(i, start_of(-sum) ^ (random_.next() & 7U));
    } else if (kind == 2) {
      set_c(i, start_of(-sum * (1 + 0x1p-10F * random_.bell())));
    } else {
      set_c(i, random_.below(4) == 0 ? 0U : start(random_.between(-60, 2 * reach)));
    }
  }
}

void TileMaker::wide() {
  const int width = static_cast<int>(std::array{20, 60, 120, 254}[random_.below(4)]);
  const int span = std::min(width, format_.largest_field());
  const auto window = [&] {  // lowest exponent field
    return random_.between(0, std::max(0, format_.largest_field() - 1 - span));
  };
  const int low_a = window();
  const int low_b = window();
  const bool zeros = random_.below(2) == 0;
  const auto element = [&](int low) {
    if (zeros && random_.below(4) == 0) return random_.below(2) == 0 ? 0U : format_.sign_bit();
    return without_special(spec_.operand, with_field(random_, format_, low + random_.between(0, span - 1)));
  };
  fill_a([&] { return element(low_a); });
  fill_b([&] { return element(low_b); });
  const int top = low_a + low_b + 2 * span - 2 * format_.bias();
  fill_c([&] { return random_.below(8) == 0 ? 0U : start(top - random_.between(0, 60)); });
}

void TileMaker::subnormal() {
  const bool both = random_.below(2) == 0;
  const auto small = [&] { return with_field(random_, format_, 0); };
  const auto other = [&] { return both ? small() : finite(); };
  const bool swapped = random_.below(2) == 0;
  fill_a([&] { return swapped ? other() : small(); });
  fill_b([&] { return swapped ? small() : other(); });
  const int top = smallest_exponent() + (both ? smallest_exponent() : largest_exponent());
  fill_c([&] {
    const std::uint64_t kind = random_.below(8);
    if (kind == 0) return 0U;
    if (kind == 1) return with_field(random_, accumulator(), 0);
    return start(top - random_.between(-4, 30));
  });
}

void TileMaker::zero_products() {
  const auto zero = [&] { return random_.below(2) == 0 ? 0U : format_.sign_bit(); };
  const bool mixed = random_.below(2) == 0;  // else A is all zeros
  for (int i = 0; i < spec_.k; ++i) {
    const bool zero_a = !mixed || random_.below(2) == 0;
    for (int row = 0; row < spec_.m; ++row) tiles_.set_a(tile_, row, i, zero_a ? zero() : finite());
    for (int column = 0; column < spec_.n; ++column)
      tiles_.set_b(tile_, column, i, zero_a ? finite() : zero());
  }
  fill_c([&] {
    const std::uint64_t kind = random_.below(8);
    if (kind == 0) return random_.below(2) == 0 ? 0U : accumulator().sign_bit();
    if (kind == 1) return finite_start();
    return start(random_.between(-149, -90));
  });
}

void TileMaker::special() {
  const bool huge = random_.below(2) == 0;
  const auto element = [&] {
    const std::uint32_t sign = random_.below(2) == 0 ? 0U : format_.sign_bit();
    const std::uint32_t top = static_cast<std::uint32_t>(format_.largest_field()) << format_.fraction_bits;
    switch (random_.below(128)) {
      case 0:
        return sign | top;  // infinity; for E4M3 the number 256
      case 1:
        return sign | top | (random_.next() & format_.fraction_mask());
      case 2:
        return sign;
      default:
        break;
    }
    return huge
               ? with_exponent(random_, format_, largest_exponent() - random_.between(0, 70) % format_.bias())
               : truncated(format_, random_.bell());
  };
  fill_a(element);
  fill_b(element);
  fill_c([&] {
    const FloatFormat format = accumulator();
    const std::uint32_t sign = random_.below(2) == 0 ? 0U : format.sign_bit();
    const std::uint32_t top = static_cast<std::uint32_t>(format.largest_field()) << format.fraction_bits;
    switch (random_.below(16)) {
      case 0:
        return sign | top;
      case 1:
        return sign | top | (random_.next() & format.fraction_mask());
      case 2:
      case 3:
        return sign | (top - 1);  // the largest finite number
      case 4:
        return finite_start();
      default:
        return start_of(4 * random_.bell());
    }
  });
}

void TileMaker::tiny() {
  const int base = random_.between(-110, -30);
  fill_a([&] { return with_exponent(random_, format_, base + random_.between(0, 15)); });
  fill_b([&] { return with_exponent(random_, format_, -155 - base + random_.between(0, 30)); });
  fill_c([&] {
    const std::uint64_t kind = random_.below(4);
    if (kind == 0) return 0U;
    if (kind == 1) return with_field(random_, kSingle, 0);
    return start(random_.between(-149, -110));
  });
}

std::size_t element(std::int64_t tile, int lines, int line, int k, int i) {
  return static_cast<std::size_t>((tile * lines + line) * k + i);
}

std::uint32_t load(const std::vector<std::uint8_t>& bytes, int width, std::size_t i) {
  return width == 1 ? bytes[i] : static_cast<std::uint32_t>(bytes[2 * i] | bytes[2 * i + 1] << 8);
}

void store(std::vector<std::uint8_t>& bytes, int width, std::size_t i, std::uint32_t bits) {
  if (width == 1) {
    bytes[i] = static_cast<std::uint8_t>(bits);
  } else {
    bytes[2 * i] = static_cast<std::uint8_t>(bits);
    bytes[2 * i + 1] = static_cast<std::uint8_t>(bits >> 8);
  }
}

}  // namespace

std::string_view name_of(TileFamily family) {
  constexpr std::array<std::string_view, kTileFamilies.size()> kNames = {
      "uniform-bits", "normal", "cancelling", "wide", "subnormal", "zero-products", "special", "tiny"};
  return kNames[static_cast<std::size_t>(family)];
}

bool has_family(const InstructionSpec& spec, TileFamily family) {
  return family != TileFamily::tiny || (spec.operand == Operand::bf16 && !spec.half_accumulator);
}

HostTiles::HostTiles(const InstructionSpec& instruction, std::int64_t count)
    : spec(instruction),
      tiles(count),
      a(static_cast<std::size_t>(count * spec.m * spec.k * bytes_of(spec.operand))),
      b(static_cast<std::size_t>(count * spec.n * spec.k * bytes_of(spec.operand))),
      c(static_cast<std::size_t>(count * spec.m * spec.n)),
      d(c.size()) {}

std::uint32_t HostTiles::a_bits(std::int64_t tile, int row, int i) const {
  return load(a, bytes_of(spec.operand), element(tile, spec.m, row, spec.k, i));
}
std::uint32_t HostTiles::b_bits(std::int64_t tile, int column, int i) const {
  return load(b, bytes_of(spec.operand), element(tile, spec.n, column, spec.k, i));
}
void HostTiles::set_a(std::int64_t tile, int row, int i, std::uint32_t bits) {
  store(a, bytes_of(spec.operand), element(tile, spec.m, row, spec.k, i), bits);
}
void HostTiles::set_b(std::int64_t tile, int column, int i, std::uint32_t bits) {
  store(b, bytes_of(spec.operand), element(tile, spec.n, column, spec.k, i), bits);
}

void make_tile(TileFamily family, std::uint64_t seed, std::int64_t number, std::int64_t tile,
               HostTiles& tiles) {
  const std::uint64_t which = static_cast<std::uint64_t>(tiles.spec.instruction) * 16 +
                              static_cast<std::uint64_t>(family) + seed * 4096;
  TileMaker maker(mix(which, static_cast<std::uint64_t>(number)), tile, tiles);
  switch (family) {
    case TileFamily::uniform_bits:
      return maker.uniform_bits();
    case TileFamily::normal:
      return maker.normal();
    case TileFamily::cancelling:
      return maker.cancelling();
    case TileFamily::wide:
      return maker.wide();
    case TileFamily::subnormal:
      return maker.subnormal();
    case TileFamily::zero_products:
      return maker.zero_products();
    case TileFamily::special:
      return maker.special();
    case TileFamily::tiny:
      return maker.tiny();
  }
}

}  // namespace assay_probe
