#include "kernels/cuda/emulated_product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

#include "base/error.h"
#include "kernels/cuda/gpu_test.h"
#include "kernels/recipes/awq.h"
#include "kernels/recipes/dense.h"
#include "kernels/recipes/marlin.h"

namespace assay {
namespace {

using Bits = std::vector<std::uint16_t>;

bool equal_numbers(Dtype dtype, std::uint16_t a, std::uint16_t b) {
  return a == b || (std::isnan(decode16(dtype, a)) && std::isnan(decode16(dtype, b)));
}

struct Shape {
  Index rows, outputs, inputs;
};

struct Problem {
  Device device = Device::a100;
  Dtype dtype = Dtype::fp16;
  Shape shape = {};
  Schedule schedule;
  RowRange rows;  // of the pass
  Bits x, w;
};

// Runs `p` on the GPU and on the CPU; fails at the first difference, with how many there are.
void expect_cpu_bits(const Problem& p, const std::string& what) {
  const auto expected =
      cpu_product(p.device, p.dtype, p.schedule, p.rows, p.x, p.w, p.shape.outputs, p.shape.inputs);
  const auto x = uploaded(p.x);
  const auto w = uploaded(p.w);
  const auto out = poisoned<std::uint16_t>(p.rows.count * p.shape.outputs);
  EmulatedProductPlan plan(rows_of(p.schedule, p.rows), spec_of(p.device).family, p.dtype, nullptr);
  plan.run({.x = x.data(),
            .w = w.data(),
            .out = out.data(),
            .rows = p.rows.count,
            .outputs = p.shape.outputs,
            .inputs = p.shape.inputs,
            .dtype = p.dtype},
           nullptr);
  const Bits found = downloaded(out);
  std::size_t wrong = 0;
  std::size_t first = 0;
  for (std::size_t i = expected.size(); i-- > 0;) {
    if (equal_numbers(p.dtype, expected[i], found[i])) continue;
    ++wrong;
    first = i;
  }
  const auto columns = static_cast<std::size_t>(p.shape.outputs);
  EXPECT_EQ(wrong, 0U) << what << " on " << name_of(p.device) << " " << p.rows.count << " x " << columns
                       << " x " << p.shape.inputs << (p.dtype == Dtype::fp16 ? " fp16" : " bf16")
                       << ": first at row " << first / columns << ", column " << first % columns << ": "
                       << std::hex << found[first] << " against " << expected[first];
}

bool has_type(Device device, Dtype dtype) {
  return dtype == Dtype::fp16 || (device != Device::v100 && device != Device::t4);
}
bool has_steps(Device device) { return device != Device::ieee && device != Device::exact; }

constexpr Device kDevices[] = {Device::v100, Device::t4,   Device::a100, Device::l40s,
                               Device::h100, Device::b200, Device::ieee, Device::exact};
constexpr Dtype kTypes[] = {Dtype::fp16, Dtype::bf16};

// Bits drawn one by one.
Bits drawn(Index count, unsigned seed, const std::function<std::uint32_t(std::mt19937&)>& draw) {
  std::mt19937 random(seed);
  Bits bits(static_cast<std::size_t>(count));
  for (std::uint16_t& b : bits) b = static_cast<std::uint16_t>(draw(random));
  return bits;
}

// Exponent fields from `lowest` to below `lowest + span`, any sign and fraction, some zeros.
Bits spread(Dtype dtype, Index count, unsigned lowest, unsigned span, unsigned seed) {
  const unsigned shift = dtype == Dtype::fp16 ? 10 : 7;
  return drawn(count, seed, [=](std::mt19937& random) {
    const auto bits = static_cast<std::uint32_t>(random());
    if (bits % 16 == 0) return bits >> 16 & 0x8000U;
    const std::uint32_t field = lowest + (bits >> 4 & 0xfffU) % span;
    return (bits >> 16 & (0x8000U | ((1U << shift) - 1))) | field << shift;
  });
}

Problem problem_of(Device device, Dtype dtype, Shape shape, Schedule schedule) {
  return {device, dtype, shape, std::move(schedule), {0, shape.rows}, {}, {}};
}

void use_normal(Problem& p, float x, float w) {
  p.x = random16(p.dtype, p.rows.count * p.shape.inputs, x, 1);
  p.w = random16(p.dtype, p.shape.outputs * p.shape.inputs, w, 2);
}

// The second half of the products are those of the first with the other sign, in another order: what is left of the sums
// is what the steps cut off.
void use_cancelling(Problem& p, float x, float w) {
  use_normal(p, x, w);
  const Index half = p.shape.inputs / 2;
  const auto repeat = [&](Bits& bits, std::uint16_t sign) {
    for (std::size_t row = 0; row < bits.size(); row += static_cast<std::size_t>(p.shape.inputs)) {
      for (Index k = 0; k < half; ++k) {
        bits[row + static_cast<std::size_t>(half + k * 5 % half)] =
            bits[row + static_cast<std::size_t>(k)] ^ sign;
      }
    }
  };
  repeat(p.x, 0);
  repeat(p.w, 0x8000U);
}

LinearProblem linear(Dtype dtype, Shape shape) {
  return {shape.rows, shape.outputs, shape.inputs, 128, false, dtype};
}

TEST(EmulatedProduct, ChainsOfEveryDevice) {
  ASSAY_NEEDS_GPU(90);
  for (const Device device : kDevices) {
    for (const Dtype dtype : kTypes) {
      if (!has_type(device, dtype)) continue;
      for (const Shape shape : {Shape{1, 8, 16}, Shape{3, 40, 48}, Shape{16, 256, 1024}, Shape{33, 136, 272},
                                Shape{200, 1024, 256}}) {
        Problem p = problem_of(device, dtype, shape, chain_schedule(linear(dtype, shape)));
        use_cancelling(p, 1.0F, 0.05F);
        expect_cpu_bits(p, "chain");
      }
    }
  }
}

// Large tiles, ragged at both ends, and rows from the middle of a pass.
TEST(EmulatedProduct, LargeTilesAndRowsOfAPass) {
  ASSAY_NEEDS_GPU(90);
  for (const Device device : kDevices) {
    for (const Dtype dtype : kTypes) {
      if (!has_type(device, dtype)) continue;
      const Shape shape{1091, 3080, 64};
      Problem p = problem_of(device, dtype, shape, chain_schedule(linear(dtype, shape)));
      use_cancelling(p, 1.0F, 0.05F);
      expect_cpu_bits(p, "large");
      p.rows = {17, 1070};
      p.x.resize(static_cast<std::size_t>(p.rows.count * shape.inputs));
      expect_cpu_bits(p, "part of a pass");
    }
  }
}

TEST(EmulatedProduct, SchedulesOfManyWalks) {
  ASSAY_NEEDS_GPU(90);
  for (const Device device : kDevices) {
    for (const Dtype dtype : kTypes) {
      if (!has_type(device, dtype)) continue;
      for (const Index rows : {1, 5, 40, 130}) {
        const Shape shape{rows, 512, 1024};
        Problem p = problem_of(device, dtype, shape, *split_k_schedule(linear(dtype, shape), 3));
        use_cancelling(p, 1.0F, 0.05F);
        expect_cpu_bits(p, "split_k");
        if (!has_steps(device)) continue;
        const DeviceSpec& a100 = spec_of(Device::a100);
        p.schedule = *marlin_schedule(linear(dtype, shape), a100, MarlinGeneration::a);
        expect_cpu_bits(p, "marlin_a");
        p.schedule = *marlin_schedule(linear(dtype, shape), a100, MarlinGeneration::b);
        expect_cpu_bits(p, "marlin_b");
        if (dtype != Dtype::fp16) continue;
        p.schedule = *awq_schedule(linear(dtype, shape), a100);
        expect_cpu_bits(p, "awq");
      }
    }
  }
}

// Sums beyond 2^6, which FP16 aligns another way, in some outputs of a tile and not in others.
TEST(EmulatedProduct, LargeSums) {
  ASSAY_NEEDS_GPU(90);
  for (const Device device : kDevices) {
    for (const Dtype dtype : kTypes) {
      if (!has_type(device, dtype)) continue;
      for (const Index rows : {9, 60}) {
        const Shape shape{rows, 128, 768};
        Problem p = problem_of(device, dtype, shape, chain_schedule(linear(dtype, shape)));
        for (const float x : {8.0F, 300.0F}) {
          use_cancelling(p, x, 0.3F);
          expect_cpu_bits(p, "large sums");
        }
      }
    }
  }
}

// A run that is no multiple of a step ends in a shorter one; runs may begin anywhere.
TEST(EmulatedProduct, ShortSteps) {
  ASSAY_NEEDS_GPU(90);
  for (const Device device : kDevices) {
    for (const Dtype dtype : kTypes) {
      if (!has_type(device, dtype)) continue;
      const Shape shape{20, 48, 96};
      Schedule schedule{{SumOrder{}}, {Region{0, shape.rows, 0, shape.outputs, 0}}};
      schedule.orders[0].walks = {Walk{3, 29, 0, 1}, Walk{40, 5, 0, 1}};
      if (has_steps(device)) schedule.orders[0].walks.push_back(Walk{48, 11, 13, 3});
      for (Index i = 1; i < static_cast<Index>(schedule.orders[0].walks.size()); ++i)
        schedule.orders[0].adds.push_back({0, i});
      Problem p = problem_of(device, dtype, shape, schedule);
      use_normal(p, 1.0F, 0.3F);
      expect_cpu_bits(p, "short steps");
    }
  }
}

// All finite bits; exponents near each other around several levels, so that sums cancel, grow beyond the range of one
// alignment and vanish below it.
TEST(EmulatedProduct, WideHalves) {
  ASSAY_NEEDS_GPU(90);
  struct Fields {
    unsigned x, x_span, w, w_span;
  };
  for (const Device device : kDevices) {
    unsigned seed = 10;
    for (const Fields f :
         {Fields{0, 31, 0, 31}, Fields{0, 3, 0, 3}, Fields{0, 20, 0, 12}, Fields{14, 6, 14, 6},
          Fields{10, 12, 8, 8}, Fields{20, 10, 6, 6}, Fields{28, 3, 28, 3}, Fields{16, 8, 3, 9}}) {
      for (const Index rows : {4, 40}) {
        const Shape shape{rows, 64, 320};
        Problem p = problem_of(device, Dtype::fp16, shape, chain_schedule(linear(Dtype::fp16, shape)));
        p.x = spread(Dtype::fp16, rows * shape.inputs, f.x, f.x_span, ++seed);
        p.w = spread(Dtype::fp16, shape.outputs * shape.inputs, f.w, f.w_span, ++seed);
        expect_cpu_bits(p, "wide fields from " + std::to_string(f.x) + ", " + std::to_string(f.w));
      }
    }
  }
}

// Overflow to infinity, subnormal sums and terms below the least alignment among them.
TEST(EmulatedProduct, WideBfloats) {
  ASSAY_NEEDS_GPU(90);
  struct Fields {
    unsigned x, x_span, w, w_span;
  };
  for (const Device device : kDevices) {
    if (!has_type(device, Dtype::bf16)) continue;
    unsigned seed = 50;
    for (const Fields f :
         {Fields{0, 255, 0, 255}, Fields{110, 20, 105, 20}, Fields{90, 60, 90, 60}, Fields{50, 12, 56, 12},
          Fields{60, 12, 70, 8}, Fields{180, 6, 188, 6}, Fields{0, 3, 120, 10}, Fields{100, 20, 140, 9}}) {
      for (const Index rows : {4, 40}) {
        const Shape shape{rows, 64, 160};
        Problem p = problem_of(device, Dtype::bf16, shape, chain_schedule(linear(Dtype::bf16, shape)));
        p.x = spread(Dtype::bf16, rows * shape.inputs, f.x, f.x_span, ++seed);
        p.w = spread(Dtype::bf16, shape.outputs * shape.inputs, f.w, f.w_span, ++seed);
        expect_cpu_bits(p, "wide fields from " + std::to_string(f.x) + ", " + std::to_string(f.w));
      }
    }
  }
}

TEST(EmulatedProduct, InfinitiesNansAndZeros) {
  ASSAY_NEEDS_GPU(90);
  for (const Device device : kDevices) {
    for (const Dtype dtype : kTypes) {
      if (!has_type(device, dtype)) continue;
      const Shape shape{40, 64, 128};
      Problem p = problem_of(device, dtype, shape, chain_schedule(linear(dtype, shape)));
      use_normal(p, 1.0F, 0.1F);
      const std::uint16_t infinity = encode16(dtype, INFINITY);
      const auto k = static_cast<std::size_t>(shape.inputs);
      p.x[2 * k + 5] = infinity;
      p.x[3 * k + 7] = static_cast<std::uint16_t>(infinity | 0x8000U);
      p.x[3 * k + 9] = infinity;
      p.w[6 * k + 11] = static_cast<std::uint16_t>(infinity | 1U);
      p.w[9 * k + 5] = 0;
      std::fill_n(p.x.begin() + static_cast<Index>(4 * k), shape.inputs, std::uint16_t{0});
      std::fill_n(p.w.begin() + static_cast<Index>(8 * k), shape.inputs, std::uint16_t{0x8000});
      expect_cpu_bits(p, "special");
    }
  }
}

TEST(EmulatedProduct, RefusesWhatAFamilyLacks) {
  const Shape shape{4, 16, 32};
  const Schedule schedule = chain_schedule(linear(Dtype::bf16, shape));
  EXPECT_THROW(EmulatedProductPlan(schedule, Family::volta, Dtype::bf16, nullptr), Fault);
  Schedule strided = schedule;
  strided.orders[0].walks[0] = Walk{0, 16, 16, 2};
  EXPECT_THROW(EmulatedProductPlan(strided, Family::ieee, Dtype::bf16, nullptr), Fault);
}

}  // namespace
}  // namespace assay
