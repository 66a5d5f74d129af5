#include "tile_check.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include "parallel.h"

namespace assay_probe {
namespace {

// A tile's operands as floats: decoded once, used by every output.
struct DecodedTile {
  std::vector<float> a;  // [m][k]
  std::vector<float> b;  // [n][k]
};

void decode_tile(const HostTiles& tiles, std::int64_t tile, DecodedTile& decoded) {
  const InstructionSpec& spec = tiles.spec;
  decoded.a.clear();
  decoded.b.clear();
  for (int row = 0; row < spec.m; ++row) {
    for (int i = 0; i < spec.k; ++i) decoded.a.push_back(decode(spec.operand, tiles.a_bits(tile, row, i)));
  }
  for (int column = 0; column < spec.n; ++column) {
    for (int i = 0; i < spec.k; ++i) decoded.b.push_back(decode(spec.operand, tiles.b_bits(tile, column, i)));
  }
}

struct DecodedSample {
  std::array<float, 32> a{};
  std::array<float, 32> b{};
};

DecodedSample decode_sample(const InstructionSpec& spec, const Sample& sample) {
  DecodedSample decoded;
  for (std::size_t i = 0; i < static_cast<std::size_t>(spec.k); ++i) {
    decoded.a[i] = decode(spec.operand, sample.a[i]);
    decoded.b[i] = decode(spec.operand, sample.b[i]);
  }
  return decoded;
}

}  // namespace

Sample sample_of(const HostTiles& tiles, std::int64_t tile, int row, int column) {
  const InstructionSpec& spec = tiles.spec;
  Sample sample;
  const auto output = static_cast<std::size_t>((tile * spec.m + row) * spec.n + column);
  sample.c = tiles.c[output];
  sample.d = tiles.d[output];
  for (int i = 0; i < spec.k; ++i) {
    sample.a[static_cast<std::size_t>(i)] = static_cast<std::uint16_t>(tiles.a_bits(tile, row, i));
    sample.b[static_cast<std::size_t>(i)] = static_cast<std::uint16_t>(tiles.b_bits(tile, column, i));
  }
  return sample;
}

std::vector<Sample> spread_samples(const HostTiles& tiles, std::int64_t count) {
  const int outputs = tiles.spec.outputs(1);
  count = std::min(count, tiles.tiles * outputs);
  std::vector<Sample> samples;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t tile = i * tiles.tiles / count;
    const auto output = static_cast<int>(i * 37 % outputs);
    samples.push_back(sample_of(tiles, tile, output / tiles.spec.n, output % tiles.spec.n));
  }
  return samples;
}

std::uint32_t expected_of(const InstructionSpec& spec, const Sample& sample) {
  const DecodedSample decoded = decode_sample(spec, sample);
  return expected_bits(spec, sample.c, decoded.a.data(), decoded.b.data());
}

std::uint32_t under_rules(const StepRules& rules, const InstructionSpec& spec, const Sample& sample) {
  const DecodedSample decoded = decode_sample(spec, sample);
  return bits_under(rules, spec, sample.c, decoded.a.data(), decoded.b.data());
}

void check_tiles(const HostTiles& tiles, CheckResult& result) {
  const InstructionSpec& spec = tiles.spec;
  std::mutex mutex;
  std::vector<std::pair<std::int64_t, Sample>> mismatched;  // with the output's number
  std::atomic<std::int64_t> mismatches{0};
  std::vector<DecodedTile> decoded(static_cast<std::size_t>(core_count()));
  parallel_for(tiles.tiles, [&](std::int64_t tile, int worker) {
    DecodedTile& floats = decoded[static_cast<std::size_t>(worker)];
    decode_tile(tiles, tile, floats);
    for (int i = 0; i < spec.outputs(1); ++i) {
      const auto output = static_cast<std::size_t>(tile * spec.outputs(1) + i);
      const int row = i / spec.n;
      const int column = i % spec.n;
      const std::uint32_t expected =
          expected_bits(spec, tiles.c[output], &floats.a[static_cast<std::size_t>(row * spec.k)],
                        &floats.b[static_cast<std::size_t>(column * spec.k)]);
      if (expected == tiles.d[output]) continue;
      if (mismatches++ >= static_cast<std::int64_t>(kKeptMismatches)) continue;
      const std::lock_guard lock(mutex);
      mismatched.emplace_back(static_cast<std::int64_t>(output), sample_of(tiles, tile, row, column));
    }
  });
  std::ranges::sort(mismatched, {}, [](const auto& entry) { return entry.first; });
  for (auto& entry : mismatched) {
    if (result.mismatched.size() < 2 * kKeptMismatches) result.mismatched.push_back(entry.second);
  }
  result.outputs += tiles.tiles * spec.outputs(1);
  result.mismatches += mismatches;
}

std::vector<Rival> rivals_of(const InstructionSpec& spec) {
  const StepRules base = expected_rules(spec);
  std::vector<Rival> rivals = {{"expected", base}};
  const auto add = [&](std::string name, auto change) {
    StepRules rules = base;
    change(rules);
    if (rules != base) rivals.push_back({std::move(name), rules});
  };
  for (int products : {4, 8, 16, 32}) {
    if (products <= spec.k) {
      add("steps of " + std::to_string(products), [&](StepRules& r) { r.products = products; });
    }
  }
  for (int bits : {-2, -1, 1, 2}) {
    const int changed = base.fraction_bits + bits;
    add("F=" + std::to_string(changed), [&](StepRules& r) { r.fraction_bits = changed; });
  }
  if (base.result_fraction_bits != 23) {
    add("result 23 bits", [](StepRules& r) { r.result_fraction_bits = 23; });
    add("F=25, result 23 bits", [](StepRules& r) {
      r.fraction_bits = 25;
      r.result_fraction_bits = 23;
    });
  }
  add("zero is smallest", [](StepRules& r) { r.zeros = ZeroRule::smallest; });
  add("zero is 2^-126", [](StepRules& r) { r.zeros = ZeroRule::minus_126; });
  add("floor", [](StepRules& r) { r.floors = true; });
  add("normalised products", [](StepRules& r) { r.normalises = true; });
  if (spec.half_accumulator) {
    add("by way of FP32", [](StepRules& r) { r.rounding = Rounding::half_nearest_after_truncated; });
    add("truncated to FP16", [](StepRules& r) { r.rounding = Rounding::half_truncated; });
  } else {
    add("rounded to nearest", [](StepRules& r) { r.rounding = Rounding::single_nearest; });
  }
  return rivals;
}

std::int64_t equal_under(const StepRules& rules, const InstructionSpec& spec,
                         std::span<const Sample> samples) {
  std::atomic<std::int64_t> equal{0};
  parallel_for(static_cast<std::int64_t>(samples.size()), [&](std::int64_t i, int) {
    const Sample& sample = samples[static_cast<std::size_t>(i)];
    if (under_rules(rules, spec, sample) == sample.d) ++equal;
  });
  return equal;
}

}  // namespace assay_probe
