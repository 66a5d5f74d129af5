#include "gemm_evaluate.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include "emulator/arithmetic.h"
#include "number/float16.h"
#include "parallel.h"

namespace assay_probe {
namespace {

StepRules rules_of_step(Step step, Dtype dtype) {
  StepRules rules = rules_of(*assay::dot_arithmetic(assay::Family::hopper, operand_of(dtype)));
  if (step == Step::tensor_half) rules.rounding = Rounding::half_nearest;
  return rules;
}

std::uint16_t rounded_bits(Dtype dtype, float value) {
  return dtype == Dtype::fp16 ? assay::to_fp16(value) : assay::to_bf16(value);
}

float rounded(Dtype dtype, float value) {
  return dtype == Dtype::fp16 ? assay::round_to_fp16(value) : assay::round_to_bf16(value);
}

// The sum of `values`, consumed, `add` giving each addition's result.
template <class Add>
float sum_in_order(Order order, std::span<float> values, const Add& add) {
  std::size_t n = values.size();
  switch (order) {
    case Order::ascending:
      for (std::size_t i = 1; i < n; ++i) values[0] = add(values[0], values[i]);
      return values[0];
    case Order::descending:
      for (std::size_t i = n - 1; i > 0; --i) values[i - 1] = add(values[i], values[i - 1]);
      return values[0];
    case Order::adjacent:
      for (; n > 1; n = (n + 1) / 2) {
        for (std::size_t i = 0; 2 * i < n; ++i) {
          values[i] = 2 * i + 1 < n ? add(values[2 * i], values[2 * i + 1]) : values[2 * i];
        }
      }
      return values[0];
    case Order::halves:
      for (; n > 1; n = (n + 1) / 2) {
        for (std::size_t i = (n + 1) / 2; i < n; ++i) {
          values[i - (n + 1) / 2] = add(values[i - (n + 1) / 2], values[i]);
        }
      }
      return values[0];
    case Order::four_lanes:
      for (std::size_t i = 4; i < n; ++i) values[i % 4] = add(values[i % 4], values[i]);
      return sum_in_order(Order::ascending, values.first(std::min<std::size_t>(4, n)), add);
    case Order::warps_halves:
    case Order::warps_adjacent:
    case Order::warps_halves_halves:
      break;
  }
  const Order within = order == Order::warps_adjacent ? Order::adjacent : Order::halves;
  std::size_t warps = 0;
  for (std::size_t first = 0; first < n; first += 32) {
    values[warps++] = sum_in_order(within, values.subspan(first, std::min<std::size_t>(32, n - first)), add);
  }
  return sum_in_order(order == Order::warps_halves_halves ? Order::halves : Order::ascending,
                      values.first(warps), add);
}

float add_single(float a, float b) { return a + b; }

struct Tried {
  std::size_t partition = 0;
  Combination combination;
  Index equal = 0;
};

// Each combination of each partition on `samples`.
std::vector<Tried> try_all(const std::vector<Partition>& partitions, Dtype dtype,
                           std::span<const OutputSample> samples) {
  std::vector<Tried> all;
  std::mutex mutex;
  parallel_for(static_cast<Index>(partitions.size()), [&](Index p, int) {
    const Partition& partition = partitions[static_cast<std::size_t>(p)];
    std::vector<Tried> tried;
    for (const Combination& combination : combinations_of(partition)) {
      tried.push_back({static_cast<std::size_t>(p), combination, 0});
    }
    for (const OutputSample& sample : samples) {
      const std::vector<float> sums = partial_sums(partition, dtype, sample);
      for (Tried& entry : tried) {
        if (combine(partition, entry.combination, dtype, sums) == sample.found) ++entry.equal;
      }
    }
    const std::lock_guard lock(mutex);
    all.insert(all.end(), tried.begin(), tried.end());
  });
  std::ranges::stable_sort(all, [](const Tried& a, const Tried& b) {
    return a.equal != b.equal ? a.equal > b.equal : a.partition < b.partition;
  });
  return all;
}

}  // namespace

void OutputSample::set_operands(std::vector<float> x_values, std::vector<float> w_values, Dtype dtype) {
  x = std::move(x_values);
  w = std::move(w_values);
  const auto factors = [dtype](const std::vector<float>& values) {
    std::vector<Factor> taken;
    taken.reserve(values.size());
    for (float value : values) taken.push_back(factor_of(value, operand_of(dtype), ZeroRule::no_part));
    return taken;
  };
  x_factors = factors(x);
  w_factors = factors(w);
}

std::vector<float> partial_sums(const Partition& partition, Dtype dtype, const OutputSample& sample) {
  const StepRules rules = rules_of_step(partition.step, dtype);
  const int fraction = assay::significand_bits(operand_of(dtype)) - 1;
  const auto k = static_cast<Index>(sample.x.size());
  std::vector<float> sums;
  sums.reserve(partition.walks.size());
  for (const assay::Walk& walk : partition.walks) {
    float sum = 0.0F;
    for (Index j = 0; j < walk.count; ++j) {
      const Index begin = walk.first + j * walk.stride;
      const Index end = std::min(begin + walk.run, k);
      if (partition.step == Step::fma) {
        for (Index i = begin; i < end; ++i) {
          // Products of two FP16 or BF16 numbers are exact in FP32 here, so this is the fused operation.
          sum += sample.x[static_cast<std::size_t>(i)] * sample.w[static_cast<std::size_t>(i)];
        }
      } else if (end > begin) {
        sum = add_chain(rules, fraction, sum, &sample.x_factors[static_cast<std::size_t>(begin)],
                        &sample.w_factors[static_cast<std::size_t>(begin)], end - begin);
      }
    }
    sums.push_back(sum);
  }
  return sums;
}

std::uint16_t combine(const Partition& partition, const Combination& combination, Dtype dtype,
                      std::span<const float> sums) {
  thread_local std::vector<float> values;
  thread_local std::vector<float> parts;
  values.assign(sums.begin(), sums.end());
  parts.clear();
  for (std::size_t part = 0; part < static_cast<std::size_t>(partition.parts); ++part) {
    const auto warps = static_cast<std::size_t>(partition.warps);
    const float sum =
        sum_in_order(combination.inner, std::span(values).subspan(part * warps, warps), add_single);
    parts.push_back(combination.partials == Partials::fp32 ? sum : rounded(dtype, sum));
  }
  if (combination.partials == Partials::running) {
    const auto add = [dtype](float a, float b) { return rounded(dtype, a + b); };
    return rounded_bits(dtype, sum_in_order(combination.outer, parts, add));
  }
  return rounded_bits(dtype, sum_in_order(combination.outer, parts, add_single));
}

std::uint16_t output_bits(const Recipe& recipe, Dtype dtype, const OutputSample& sample) {
  return combine(recipe.partition, recipe.combination, dtype, partial_sums(recipe.partition, dtype, sample));
}

Index count_equal(const Recipe& recipe, Dtype dtype, std::span<const OutputSample> samples) {
  std::atomic<Index> equal{0};
  parallel_for(static_cast<Index>(samples.size()), [&](Index i, int) {
    const OutputSample& sample = samples[static_cast<std::size_t>(i)];
    if (output_bits(recipe, dtype, sample) == sample.found) ++equal;
  });
  return equal;
}

std::vector<Recipe> search_recipes(Index k, Dtype dtype, bool half_compute,
                                   std::span<const OutputSample> samples) {
  constexpr std::size_t kFirstLook = 48;
  constexpr std::size_t kSecondLook = 24;
  constexpr std::size_t kKept = 6;
  std::vector<Recipe> best;
  for (const std::vector<Partition>& stage : partition_stages(k, half_compute)) {
    const auto looked_at = samples.first(std::min(samples.size(), kFirstLook));
    const std::vector<Tried> tried = try_all(stage, dtype, looked_at);
    for (std::size_t i = 0; i < std::min(kSecondLook, tried.size()); ++i) {
      Recipe recipe{stage[tried[i].partition], tried[i].combination, 0};
      recipe.equal = count_equal(recipe, dtype, samples);
      best.push_back(std::move(recipe));
    }
    std::ranges::stable_sort(best, [](const Recipe& a, const Recipe& b) { return a.equal > b.equal; });
    if (best.size() > kKept) best.resize(kKept);
    if (best.front().equal == static_cast<Index>(samples.size())) break;
  }
  return best;
}

CutReport explain_by_one_cut(Index k, Dtype dtype, std::span<const OutputSample> samples) {
  constexpr Index kGrain = 64;
  const StepRules rules = rules_of_step(Step::tensor, dtype);
  const int fraction = assay::significand_bits(operand_of(dtype)) - 1;
  const auto cuts = static_cast<std::size_t>(k / kGrain);
  std::vector<std::atomic<Index>> explains(cuts);
  std::atomic<Index> explained{0};
  parallel_for(static_cast<Index>(samples.size()), [&](Index s, int) {
    const OutputSample& sample = samples[static_cast<std::size_t>(s)];
    bool any = false;
    float before = 0.0F;
    for (std::size_t cut = 1; cut < cuts; ++cut) {
      const auto at = static_cast<Index>(cut) * kGrain;
      const Factor* x = sample.x_factors.data() + at;
      const Factor* w = sample.w_factors.data() + at;
      before = add_chain(rules, fraction, before, x - kGrain, w - kGrain, kGrain);
      const float after = add_chain(rules, fraction, 0.0F, x, w, k - at);
      if (rounded_bits(dtype, before + after) != sample.found) continue;
      ++explains[cut];
      any = true;
    }
    if (any) ++explained;
  });
  CutReport report{explained, static_cast<Index>(samples.size()), {}};
  for (std::size_t cut = 1; cut < cuts; ++cut) {
    report.cuts.emplace_back(static_cast<Index>(cut) * kGrain, explains[cut].load());
  }
  std::ranges::stable_sort(report.cuts, [](const auto& a, const auto& b) { return a.second > b.second; });
  if (report.cuts.size() > 5) report.cuts.resize(5);
  return report;
}

}  // namespace assay_probe
