#include "special_cases.h"

#include <algorithm>
#include <array>
#include <bit>

#include "emulator/arithmetic.h"

namespace assay_probe {
namespace {

using Products = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

class CaseList {
 public:
  explicit CaseList(const InstructionSpec& spec)
      : spec_(spec), format_(format_of(spec.operand)), c_format_(spec.half_accumulator ? kHalf : kSingle) {}

  void zero_products();
  void cancellation();
  void infinities();
  void overflow();
  void subnormal_results();
  std::vector<SpecialCase> take() { return std::move(cases_); }

 private:
  void add(std::string note, std::uint32_t c, Products products) {
    cases_.push_back({std::move(note), c, std::move(products)});
  }
  // +-2^exponent in the operand's format, subnormal where it must be.
  std::uint32_t power(int exponent, bool negative = false) const {
    return bits_of(format_, exponent, 0, negative);
  }
  std::uint32_t c_power(int exponent, bool negative = false) const {
    return bits_of(c_format_, exponent, 0, negative);
  }
  // 2^exponent * (2 - 2^-fraction bits): every bit set, so that any truncation shows.
  std::uint32_t c_full(int exponent, bool negative = false) const {
    return bits_of(c_format_, exponent, c_format_.fraction_mask(), negative);
  }
  static std::uint32_t bits_of(FloatFormat format, int exponent, std::uint32_t fraction, bool negative) {
    const int field = exponent + format.bias();
    const std::uint32_t sign = negative ? format.sign_bit() : 0U;
    if (field >= 1) return sign | static_cast<std::uint32_t>(field) << format.fraction_bits | fraction;
    const std::uint32_t significand = 1U << format.fraction_bits | fraction;
    return sign | significand >> std::min(1 - field, 31);
  }
  std::uint32_t c_infinity() const { return bits_of(c_format_, c_format_.bias() + 1, 0, false); }
  std::uint32_t c_largest() const { return c_infinity() - 1; }
  std::uint32_t largest() const {
    return spec_.operand == Operand::fp8_e4m3 ? 0x7eU : bits_of(format_, format_.bias() + 1, 0, false) - 1;
  }
  int top() const {  // exponent of the largest finite operand
    return format_.bias() + (spec_.operand == Operand::fp8_e4m3 ? 1 : 0);
  }
  std::uint32_t minus(std::uint32_t bits) const { return bits | format_.sign_bit(); }
  std::uint32_t c_minus(std::uint32_t bits) const { return bits | c_format_.sign_bit(); }
  std::uint32_t not_a_number() const {
    return spec_.operand == Operand::fp8_e4m3 ? 0x7fU : bits_of(format_, format_.bias() + 1, 1, false);
  }

  InstructionSpec spec_;
  FloatFormat format_;
  FloatFormat c_format_;
  std::vector<SpecialCase> cases_;
};

// Does a zero product take part in the choice of the largest exponent, and with which exponent?
void CaseList::zero_products() {
  const std::uint32_t negative_zero = format_.sign_bit();
  std::vector<std::pair<std::string, Products>> zeros = {
      {"0*0", {}},
      {"-0*0 x8", Products(8, {negative_zero, 0U})},
      {"0*largest", {{0U, largest()}}},
      {"largest*0", {{largest(), 0U}}},
      {"-0*largest", {{negative_zero, largest()}}},
      {"0*1", {{0U, power(0)}}},
      {"0*least subnormal", {{0U, 1U}}},
  };
  if (spec_.operand == Operand::bf16) {
    for (int exponent : {20, 64, 100, 127}) {
      zeros.push_back({"0*2^" + std::to_string(exponent), {{0U, power(exponent)}}});
    }
  }
  std::vector<std::uint32_t> starts = {0U,     c_format_.sign_bit(),     1U, c_format_.sign_bit() | 1U,
                                       0x123U, c_format_.fraction_mask()};
  const std::vector<int> exponents =
      spec_.half_accumulator ? std::vector<int>{-14, -10, -4, 0}
                             : std::vector<int>{-140, -133, -127, -126, -125, -120, -110, -100, -90, -60,
                                                -40,  -30,  -28,  -24,  -20,  -16,  -12,  -8,   -4,  0};
  for (int exponent : exponents) starts.push_back(c_full(exponent));
  for (const auto& [note, products] : zeros) {
    for (std::uint32_t c : starts) add(note, c, products);
  }
}

void CaseList::cancellation() {
  const std::uint32_t one = power(0);
  for (int exponent : {0, -1, -2, -3, -4, -8, -20, -23, -24, -25, -26, -27, -60, -149}) {
    for (bool negative : {false, true})
      add("1*1 - 1*1", c_full(exponent, negative), {{one, one}, {minus(one), one}});
  }
  for (std::uint32_t c : {0U, c_format_.sign_bit()}) {
    add("1*1 - 1*1", c, {{one, one}, {minus(one), one}});
    add("1*-1 + 1", c_power(0), {{one, minus(one)}});
    add("(-1)*0 x8", c, Products(8, {minus(one), 0U}));
  }
  // A sum of terms that are all truncated away.
  for (bool negative : {false, true}) {
    add("2 * least - ...", c_power(0, negative), {{power(1), negative ? power(-1) : power(-1, true)}});
  }
}

void CaseList::infinities() {
  const std::uint32_t one = power(0);
  const std::uint32_t c_nan = c_infinity() | 1U;  // signalling
  for (std::uint32_t c : {c_infinity(), c_minus(c_infinity()), c_nan, c_minus(c_nan),
                          c_infinity() | (c_format_.fraction_mask() / 2 + 1) | 5U}) {
    add("C special, 1*1", c, {{one, one}});
    add("C special, 0*0", c, {});
  }
  const std::uint32_t nan = not_a_number();
  for (std::uint32_t other : {one, 0U, nan}) add("NaN * x", c_power(0), {{nan, other}});
  add("-NaN * 1", c_power(0), {{minus(nan), one}});
  if (spec_.operand == Operand::fp8_e4m3) return;
  const std::uint32_t infinity = bits_of(format_, format_.bias() + 1, 0, false);
  add("inf*1", c_power(0), {{infinity, one}});
  add("inf*-1", c_power(0), {{infinity, minus(one)}});
  add("inf*inf", 0U, {{infinity, infinity}});
  add("inf*0", c_power(0), {{infinity, 0U}});
  add("inf*subnormal", 0U, {{infinity, 1U}});
  add("inf - inf in products", 0U, {{infinity, one}, {minus(infinity), one}});
  add("C = inf, product -inf", c_infinity(), {{minus(infinity), one}});
  add("C = inf, product inf", c_infinity(), {{infinity, one}});
  add("C = NaN, product inf", c_nan, {{infinity, one}});
  add("inf and NaN", 0U, {{infinity, one}, {nan, one}});
}

void CaseList::overflow() {
  const std::uint32_t one = power(0);
  const std::uint32_t most = largest();
  for (bool negative : {false, true}) {
    const std::uint32_t c = negative ? c_minus(c_largest()) : c_largest();
    add("C = max", c, {});
    add("C = max, +1", c, {{one, one}});
    add("C = max, -1", c, {{minus(one), one}});
    add("C = max, 8 max products", c, Products(8, {negative ? minus(most) : most, most}));
  }
  add("8 max products", 0U, Products(8, {most, most}));
  add("8 max products, negative", 0U, Products(8, {minus(most), most}));
  add("max product", 0U, {{most, most}});
  if (spec_.half_accumulator) {
    for (int exponent : {3, 4, 5}) add("C = max, +2^e", c_largest(), {{power(exponent), one}});
    add("65519.x", c_largest(),
        {{power(3), power(0)}, {power(2), one}, {power(1), one}, {one, one}, {power(-1), one}});
    return;
  }
  if (spec_.operand != Operand::bf16) return;
  const std::uint32_t huge = power(127);
  for (int exponent : {101, 102, 103, 104}) {
    add("C = max, +2^" + std::to_string(exponent), c_largest(), {{power(exponent), one}});
    add("C = -max, -2^" + std::to_string(exponent), c_minus(c_largest()), {{power(exponent, true), one}});
  }
  add("2^127*2", 0U, {{huge, power(1)}});
  add("2^127*2^127", 0U, {{huge, huge}});
  add("8 * 2^127", 0U, Products(8, {huge, one}));
  add("2 * 2^127", 0U, Products(2, {huge, one}));
  add("2^128 - 2^128", 0U, {{huge, power(1)}, {minus(huge), power(1)}});
  add("2^128 - 2^127", 0U, {{huge, power(1)}, {minus(huge), one}});
  add("2^128 - 2^127 - 2^127, C = 2^110", c_power(110),
      {{huge, power(1)}, {minus(huge), one}, {minus(huge), one}});
  add("2^254 - 2^254, C = 1", c_power(0), {{huge, huge}, {minus(huge), huge}});
  add("2^254 - 2^254 + 2^240", 0U, {{huge, huge}, {minus(huge), huge}, {power(120), power(120)}});
  add("2^200 - 2^200, C = max", c_largest(), {{power(100), power(100)}, {power(100, true), power(100)}});
  add("2^152 - 2^152, C = max", c_largest(), {{power(76), power(76)}, {power(76, true), power(76)}});
  add("C = max, -2^128", c_largest(), {{huge, minus(power(1))}});
  add("C = -max, +2^128", c_minus(c_largest()), {{huge, power(1)}});
}

void CaseList::subnormal_results() {
  if (spec_.half_accumulator) {
    for (int exponent : {-14, -15, -20, -24, -25, -26}) {
      add("product 2^e", 0U, {{power(exponent / 2), power(exponent - exponent / 2)}});
      add("3 products 2^e", 0U, Products(3, {power(exponent / 2), power(exponent - exponent / 2)}));
    }
    return;
  }
  if (spec_.operand != Operand::bf16) return;
  for (int exponent : {-120, -126, -127, -130, -140, -148, -149, -150, -151, -152, -160, -200, -252}) {
    const std::pair<std::uint32_t, std::uint32_t> product = {power(exponent / 2),
                                                             power(exponent - exponent / 2)};
    const std::pair<std::uint32_t, std::uint32_t> negated = {minus(product.first), product.second};
    const std::string note = "2^" + std::to_string(exponent);
    add(note, 0U, {product});
    add("-" + note, 0U, {negated});
    add("2 * " + note, 0U, Products(2, product));
    add("8 * " + note, 0U, Products(8, product));
    add(note + ", C = 2^-126", c_power(-126), {product});
    add(note + ", C = -2^-126", c_power(-126, true), {product});
    add(note + ", C = 2^-149", 1U, {product});
    add("-" + note + ", C = 2^-149", 1U, {negated});
    add("8 * " + note + ", C = subnormal", 0x123456U, Products(8, product));
  }
  const std::uint32_t least = 1U;  // 2^-133
  add("least subnormal * 1", 0U, {{least, power(0)}});
  add("least subnormal * 2^-16", 0U, {{least, power(-16)}});
  add("least subnormal * 2^-17, twice", 0U, Products(2, {least, power(-17)}));
  add("least subnormal * 2^127", 0U, {{least, power(127)}});
  add("subnormal * subnormal", 0U, {{0x7fU, 0x7fU}});
  add("subnormal * subnormal, C = 2^-149", 1U, {{0x7fU, 0x7fU}});
  add("subnormal * 1.5", 0U, {{0x55U, 0x3fc0U}});
}

}  // namespace

std::vector<SpecialCase> special_cases(const InstructionSpec& spec) {
  CaseList list(spec);
  list.zero_products();
  list.cancellation();
  list.infinities();
  list.overflow();
  list.subnormal_results();
  return list.take();
}

HostTiles tiles_of(const InstructionSpec& spec, const std::vector<SpecialCase>& cases) {
  HostTiles tiles(spec, static_cast<std::int64_t>(cases.size()));
  std::int64_t tile = 0;
  for (const SpecialCase& special : cases) {
    tiles.c[static_cast<std::size_t>(tile * spec.m * spec.n)] = special.c;
    int i = 0;
    for (const auto& [a, b] : special.products) {
      tiles.set_a(tile, 0, i, a);
      tiles.set_b(tile, 0, i, b);
      ++i;
    }
    ++tile;
  }
  return tiles;
}

}  // namespace assay_probe
