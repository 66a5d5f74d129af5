#include "mma_self_test.h"

#include <fmt/core.h>

#include <bit>
#include <sstream>

#include "emulator/dot_model.h"
#include "golden.h"
#include "parallel.h"
#include "special_cases.h"

namespace assay_probe {
namespace {

bool report(bool holds, std::string_view what) {
  fmt::print("{} {}\n", holds ? "ok  " : "FAIL", what);
  return holds;
}

HostTiles random_tiles(const InstructionSpec& spec, TileFamily family, std::int64_t count) {
  HostTiles tiles(spec, count);
  for (std::int64_t i = 0; i < count; ++i) make_tile(family, 7, i, i, tiles);
  return tiles;
}

// Whether the adjustable model under `rules` gives fused_dot_add's bits with the same parameters.
bool models_agree(const InstructionSpec& spec, TileFamily family, const assay::DotArithmetic& arithmetic) {
  HostTiles tiles = random_tiles(spec, family, 24);
  StepRules rules = rules_of(arithmetic);
  for (const Sample& sample : spread_samples(tiles, 4096)) {
    std::array<float, 32> a{};
    std::array<float, 32> b{};
    for (std::size_t i = 0; i < static_cast<std::size_t>(spec.k); ++i) {
      a[i] = decode(spec.operand, sample.a[i]);
      b[i] = decode(spec.operand, sample.b[i]);
    }
    float sum = std::bit_cast<float>(sample.c);
    for (int i = 0; i < spec.k; i += rules.products) {
      sum = assay::fused_dot_add(arithmetic, spec.operand, sum, &a[static_cast<std::size_t>(i)],
                                 &b[static_cast<std::size_t>(i)], std::min(rules.products, spec.k - i));
    }
    const float model =
        model_chain(rules, spec.operand, std::bit_cast<float>(sample.c), a.data(), b.data(), spec.k);
    if (std::bit_cast<std::uint32_t>(sum) != std::bit_cast<std::uint32_t>(model)) return false;
  }
  return true;
}

bool all_models_agree() {
  for (const InstructionSpec& spec : instruction_table()) {
    if (spec.half_accumulator || spec.operand != spec.computed_as) continue;
    for (TileFamily family : kTileFamilies) {
      if (!has_family(spec, family)) continue;
      auto arithmetic = *assay::dot_arithmetic(assay::Family::hopper, spec.operand);
      if (!models_agree(spec, family, arithmetic)) {
        fmt::print("     {} {}\n", spec.name, name_of(family));
        return false;
      }
      arithmetic.products = 8;
      arithmetic.fraction_bits = 24;
      if (!models_agree(spec, family, arithmetic)) return false;
    }
  }
  return true;
}

// 1 + 2^-12 + 2^-12 (2^-11 apart: the FP16 tie goes to even) and one half bit more goes up.
bool half_accumulator_by_hand() {
  const InstructionSpec spec = *instruction_named("mma.m16n8k16.f16.f16");
  std::array<float, 32> a{};
  std::array<float, 32> b{};
  a[0] = 0x1p-11F;
  b[0] = 1.0F;
  const bool tie = expected_bits(spec, 0x3c00, a.data(), b.data()) == 0x3c00;
  a[1] = 0x1p-20F;
  b[1] = 1.0F;
  const bool above = expected_bits(spec, 0x3c00, a.data(), b.data()) == 0x3c01;
  a[0] = 65504.0F;
  const bool overflow = expected_bits(spec, 0x7bff, a.data(), b.data()) == 0x7c00;
  a[0] = 0x1p-24F;
  a[1] = 0;
  const bool subnormal = expected_bits(spec, 0x0001, a.data(), b.data()) == 0x0002;
  return tie && above && overflow && subnormal;
}

// 2^10 * 2^10 - 2^10 * 2^10 + C: what of C lies below 2^(20 - 25) is cut.
bool truncation_by_hand() {
  const InstructionSpec spec = *instruction_named("mma.m16n8k16.f32.f16");
  std::array<float, 32> a{};
  std::array<float, 32> b{};
  a[0] = b[0] = b[1] = 1024.0F;
  a[1] = -1024.0F;
  const float c = 1.0F + 0x1p-5F + 0x1p-6F;
  const float kept = 1.0F + 0x1p-5F;
  return expected_bits(spec, std::bit_cast<std::uint32_t>(c), a.data(), b.data()) ==
         std::bit_cast<std::uint32_t>(kept);
}

bool fp8_by_hand() {
  return decode(Operand::fp8_e4m3, 0x7e) == 448.0F && decode(Operand::fp8_e4m3, 0x01) == 0x1p-9F &&
         decode(Operand::fp8_e4m3, 0xb8) == -1.0F && decode(Operand::fp8_e5m2, 0x7b) == 57344.0F &&
         decode(Operand::fp8_e5m2, 0x01) == 0x1p-16F && std::isnan(decode(Operand::fp8_e4m3, 0xff));
}

// One wrong bit among right answers is counted once and found.
bool planted_fault() {
  for (const InstructionSpec& spec : instruction_table()) {
    HostTiles tiles = random_tiles(spec, TileFamily::cancelling, 16);
    for (std::int64_t output = 0; output < tiles.tiles * spec.outputs(1); ++output) {
      const std::int64_t tile = output / spec.outputs(1);
      const auto place = static_cast<int>(output % spec.outputs(1));
      tiles.d[static_cast<std::size_t>(output)] =
          expected_of(spec, sample_of(tiles, tile, place / spec.n, place % spec.n));
    }
    CheckResult clean;
    check_tiles(tiles, clean);
    tiles.d[77] ^= 1U;
    CheckResult faulty;
    check_tiles(tiles, faulty);
    if (clean.mismatches != 0 || faulty.mismatches != 1 || faulty.mismatched.size() != 1) return false;
  }
  return true;
}

bool golden_round_trip() {
  std::stringstream text;
  write_golden_header(text, "self-test");
  std::vector<Sample> all;
  for (const InstructionSpec& spec : instruction_table()) {
    HostTiles tiles = random_tiles(spec, TileFamily::wide, 4);
    std::vector<Sample> samples = spread_samples(tiles, 8);
    for (Sample& sample : samples) sample.d = expected_of(spec, sample);
    write_golden(text, spec, "wide", samples);
    all.insert(all.end(), samples.begin(), samples.end());
  }
  const auto read = read_golden(text);
  if (!read.ok() || read.value().size() != all.size()) return false;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& [spec, sample] = read.value()[i];
    if (sample.c != all[i].c || sample.d != all[i].d || sample.a != all[i].a || sample.b != all[i].b)
      return false;
    if (expected_of(spec, sample) != sample.d) return false;
  }
  std::stringstream broken("mma.m16n8k8.f32.f16 00000000 0000 0000 00000000\n");
  return !read_golden(broken).ok();
}

}  // namespace

bool mma_self_test() {
  bool holds = report(fp8_by_hand(), "FP8 values by hand");
  holds &= report(truncation_by_hand(), "truncation of C by hand");
  holds &= report(half_accumulator_by_hand(), "FP16 accumulator by hand");
  holds &= report(all_models_agree(), "adjustable model equals fused_dot_add, all operands and families");
  holds &= report(planted_fault(), "a planted wrong bit is counted once, on each instruction");
  holds &= report(golden_round_trip(), "golden lines read back, a short line is refused");
  return holds;
}

}  // namespace assay_probe
