// Emulated tensor cores: multiply-adds a second of chains and recipes by instruction set, and their share of
// the truncated products that this machine can do, measured in the same run; as JSON. Usage: emulator_bench
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/json.h"
#include "bench/truncation_peak.h"
#include "emulator/arithmetic.h"
#include "emulator/chain.h"
#include "kernels/compute.h"
#include "kernels/recipes/choose.h"
#include "kernels/recipes/dense.h"
#include "number/float16.h"

namespace assay {
namespace {

constexpr Index kInputs = 1024;

// What is measured: an arithmetic, and the first device that has it.
struct Subject {
  DotArithmetic arithmetic;
  Dtype dtype;
  Device device;
  std::string families;
};

// Each arithmetic of FP16 and BF16 once, with all families that share it.
std::vector<Subject> subjects() {
  std::vector<Subject> all;
  for (const Dtype dtype : {Dtype::fp16, Dtype::bf16}) {
    for (const Device device :
         {Device::v100, Device::t4, Device::a100, Device::l40s, Device::h100, Device::b200}) {
      const Family family = spec_of(device).family;
      const auto arithmetic = dot_arithmetic(family, operand_of(dtype));
      if (!arithmetic) continue;
      const auto same = std::find_if(all.begin(), all.end(), [&](const Subject& subject) {
        return subject.dtype == dtype && subject.arithmetic == *arithmetic;
      });
      if (same != all.end()) {
        same->families += " " + std::string(name_of(family));
      } else {
        all.push_back({*arithmetic, dtype, device, std::string(name_of(family))});
      }
    }
  }
  return all;
}

// Values within -1 .. 1, uniform, rounded to a type.
class Values {
 public:
  explicit Values(Dtype dtype) : dtype_(dtype) {}

  std::vector<std::uint16_t> bits(Index n) {
    std::vector<std::uint16_t> out(static_cast<std::size_t>(n));
    for (std::uint16_t& x : out) {
      const float value = distribution_(random_);
      x = dtype_ == Dtype::fp16 ? to_fp16(value) : to_bf16(value);
    }
    return out;
  }

  std::vector<float> floats(Index n) {
    std::vector<float> out;
    for (const std::uint16_t x : bits(n)) out.push_back(dtype_ == Dtype::fp16 ? from_fp16(x) : from_bf16(x));
    return out;
  }

 private:
  Dtype dtype_;
  std::mt19937 random_{1};
  std::uniform_real_distribution<float> distribution_{-1.0F, 1.0F};
};

// out [rows, columns] = a [rows, kInputs] w.
struct Operands {
  Operands(Dtype dtype, Index most_rows, Index columns) {
    Values values(dtype);
    a = values.floats(most_rows * kInputs);
    w = pack_rows(values.bits(kInputs * columns), kInputs, columns, dtype);
    out.resize(static_cast<std::size_t>(most_rows * columns));
  }

  std::vector<float> a;
  PackedMatrix w;
  std::vector<float> out;
};

// Multiply-adds a second.
struct Rate {
  double median = 0;
  double best = 0;
  int runs = 0;
};

// After a first call, which warms the caches. A run takes a few milliseconds, so that some fit between the
// turns of other processes; of calls that take long there are only three.
Rate measure(double multiply_adds, const std::function<void()>& call) {
  const auto seconds_of = [&](int calls) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i) call();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  const double once = seconds_of(1);
  const int calls = std::clamp(static_cast<int>(0.003 / once), 1, 10'000);
  const std::size_t runs = once > 0.1 ? 3 : 15;
  std::vector<double> rates;
  while (rates.size() < runs) rates.push_back(multiply_adds * calls / seconds_of(calls));
  std::sort(rates.begin(), rates.end());
  return {rates[runs / 2], rates.back(), static_cast<int>(runs)};
}

class Bench {
 public:
  Bench() {
    for (const Isa isa : available_isas()) bounds_[isa] = measure_truncation_peak(isa);
  }

  Json run() {
    Json bounds = Json::object();
    for (const auto& [isa, bound] : bounds_) bounds[std::string(name_of(isa))] = bound / 1e9;
    const std::vector<Subject> all = subjects();
    return Json{{"bound", "truncated products a second of one thread, in registers only"},
                {"bound_g_per_second", bounds},
                {"inputs", kInputs},
                {"chains", chains(all)},
                {"scaling", scaling(all)},
                {"recipes", recipes()}};
  }

 private:
  void add_rate(Json& result, Isa isa, const Rate& rate) const {
    result["gmac_per_second_median"] = rate.median / 1e9;
    result["gmac_per_second_best"] = rate.best / 1e9;
    result["runs"] = rate.runs;
    result["share_of_bound"] = rate.best / bounds_.at(isa);  // which is a best too
  }

  // emulate_chain on one thread.
  Json chains(const std::vector<Subject>& all) const {
    Json results = Json::array();
    for (const Subject& subject : all) {
      Operands operands(subject.dtype, 256, 256);
      for (const auto& [isa, bound] : bounds_) {
        const Index columns = isa == Isa::scalar ? 16 : 256;
        for (const Index rows :
             isa == Isa::scalar ? std::vector<Index>{1, 8} : std::vector<Index>{1, 8, 64, 256}) {
          const Rate rate = measure(static_cast<double>(rows * columns * kInputs), [&, isa = isa] {
            emulate_chain(isa, spec_of(subject.device).family, subject.dtype,
                          {.a = operands.a.data(),
                           .a_stride = kInputs,
                           .rows = rows,
                           .panels = operands.w.panels.data(),
                           .panel_stride = operands.w.panel_stride(),
                           .columns = columns,
                           .walk = {.first = 0, .run = kInputs, .stride = kInputs, .count = 1},
                           .c = operands.out.data(),
                           .c_stride = columns,
                           .accumulate = false});
          });
          results.push_back({{"families", subject.families},
                             {"dtype", name_of(subject.dtype)},
                             {"isa", name_of(isa)},
                             {"rows", rows},
                             {"columns", columns}});
          add_rate(results.back(), isa, rate);
        }
      }
    }
    return results;
  }

  static Rate product_rate(ThreadPool& pool, Isa isa, Device device, const Schedule& schedule, Index rows,
                           Operands& operands) {
    const Compute compute{pool, ops_for(isa, operands.w.dtype), device};
    return measure(static_cast<double>(rows * operands.w.columns * kInputs), [&] {
      matmul(compute, schedule, {0, rows}, operands.a.data(), operands.w, operands.out.data());
    });
  }

  // matmul by one chain an output, on one thread and on two.
  static Json scaling(const std::vector<Subject>& all) {
    constexpr Index kRows = 256;
    constexpr Index kColumns = 2048;
    ThreadPool one(1);
    ThreadPool two(2);
    Json results = Json::array();
    for (const Subject& subject : all) {
      Operands operands(subject.dtype, kRows, kColumns);
      const Schedule schedule =
          chain_schedule({.rows = kRows, .outputs = kColumns, .inputs = kInputs, .dtype = subject.dtype});
      for (const Isa isa : available_isas()) {
        if (isa == Isa::scalar) continue;
        const Rate single = product_rate(one, isa, subject.device, schedule, kRows, operands);
        const Rate both = product_rate(two, isa, subject.device, schedule, kRows, operands);
        results.push_back({{"families", subject.families},
                           {"dtype", name_of(subject.dtype)},
                           {"isa", name_of(isa)},
                           {"rows", kRows},
                           {"columns", kColumns},
                           {"gmac_per_second_1_thread", single.best / 1e9},
                           {"gmac_per_second_2_threads", both.best / 1e9},
                           {"factor_of_medians", both.median / single.median},
                           {"factor_of_bests", both.best / single.best}});
      }
    }
    return results;
  }

  // matmul on one thread, in each kernel's order.
  Json recipes() const {
    struct Recipe {
      Device device;
      const char* quantization;
      const char* kernel;
    };
    constexpr std::array<Recipe, 8> kRecipes = {{{Device::a100, "none", "chain"},
                                                 {Device::a100, "none", "split_k(2)"},
                                                 {Device::a100, "awq", "awq"},
                                                 {Device::a100, "awq_marlin", "marlin_a"},
                                                 {Device::a100, "awq_marlin", "marlin_b"},
                                                 {Device::h100, "gptq_marlin", "machete"},
                                                 {Device::h100, "awq", "awq"},
                                                 {Device::h100, "awq_marlin", "marlin_a"}}};
    constexpr Index kColumns = 2048;
    ThreadPool one(1);
    Operands operands(Dtype::fp16, 2048, kColumns);
    Json results = Json::array();
    for (const Recipe& recipe : kRecipes) {
      const DeviceSpec& spec = spec_of(recipe.device);
      const std::string quantization = recipe.quantization;
      const KernelChoice choice =
          choose_kernel(quantization, "vllm-0.11", spec, std::string_view(recipe.kernel)).value();
      for (const auto& [isa, bound] : bounds_) {
        for (const Index rows :
             isa == Isa::scalar ? std::vector<Index>{1} : std::vector<Index>{1, 64, 2048}) {
          const LinearProblem problem = {.rows = rows,
                                         .outputs = kColumns,
                                         .inputs = kInputs,
                                         .group_size = quantization == "none" ? 0 : 128,
                                         .zero_points = quantization.starts_with("awq"),
                                         .dtype = Dtype::fp16};
          const Schedule schedule = schedule_for(choice, problem, spec).value();
          results.push_back({{"device", spec.name},
                             {"kernel", recipe.kernel},
                             {"isa", name_of(isa)},
                             {"rows", rows},
                             {"columns", kColumns}});
          add_rate(results.back(), isa, product_rate(one, isa, recipe.device, schedule, rows, operands));
        }
      }
    }
    return results;
  }

  std::map<Isa, double> bounds_;  // products a second
};

}  // namespace
}  // namespace assay

int main() {
  std::printf("%s\n", assay::Bench().run().dump(2).c_str());
  return 0;
}
