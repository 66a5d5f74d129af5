#include "silicon/kernel_vectors.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <map>
#include <sstream>

#include "emulator/arithmetic.h"
#include "emulator/dot_model.h"
#include "kernels/exllama.h"
#include "number/float16.h"
#include "probe/inputs.h"

namespace assay {
namespace {

constexpr Index kSamples = 4096;  // below so many outputs, a case lists all of them

Result<KernelCase> parse_head(const std::string& line, const std::string& file) {
  std::istringstream words(line);
  std::string word;
  std::map<std::string, std::string> fields;
  words >> word;
  while (words >> word) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos) return Error{file, line, "key=value", word};
    fields[word.substr(0, equals)] = word.substr(equals + 1);
  }
  const auto number = [&](const char* key) {
    const std::string& text = fields[key];
    Index value = -1;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  };
  KernelCase c;
  c.kernel = fields["kernel"];
  c.problem = {.rows = number("m"),
               .outputs = number("n"),
               .inputs = number("k"),
               .group_size = number("group"),
               .zero_points = number("zero_points") == 1};
  c.seed = static_cast<std::uint64_t>(number("seed"));
  const std::string dtype = fields.contains("dtype") ? fields["dtype"] : "float16";
  fields.erase("dtype");
  c.problem.dtype = dtype == "bfloat16" ? Dtype::bf16 : Dtype::fp16;
  const LinearProblem& p = c.problem;
  if (fields.size() != 7 || c.kernel.empty() || p.rows < 1 || p.outputs < 1 || p.inputs < 1 ||
      p.group_size < 1 || dtype != name_of(p.dtype)) {
    return Error{file, line, "kernel, m, n, k, group, zero_points, seed and at most a dtype",
                 "something else"};
  }
  return c;
}

Result<std::vector<std::uint16_t>> parse_halves(const std::string& line, const std::string& file) {
  if (line.size() % 4 != 0) return Error{file, "", "four digits an output", std::to_string(line.size())};
  std::vector<std::uint16_t> halves(line.size() / 4);
  for (std::size_t i = 0; i < halves.size(); ++i) {
    const char* at = line.data() + 4 * i;
    if (std::from_chars(at, at + 4, halves[i], 16).ptr != at + 4) {
      return Error{file, "", "hexadecimal digits", line.substr(4 * i, 4)};
    }
  }
  return halves;
}

// FP16 or BF16, whichever the activations are.
float value_of(Dtype dtype, std::uint16_t bits) {
  return dtype == Dtype::bf16 ? from_bf16(bits) : from_fp16(bits);
}
std::uint16_t bits_of(Dtype dtype, float value) {
  return dtype == Dtype::bf16 ? to_bf16(value) : to_fp16(value);
}
float rounded(Dtype dtype, float value) { return value_of(dtype, bits_of(dtype, value)); }

float scale_of(const KernelCase& c, Index group, Index column) {
  const auto bits =
      assay_probe::scale(c.seed, static_cast<std::uint64_t>(group), static_cast<std::uint64_t>(column),
                         static_cast<std::uint64_t>(c.problem.outputs));
  return rounded(c.problem.dtype, from_fp16(bits));
}

float run_walk(const DotArithmetic& arithmetic, Operand operand, const Walk& walk, const float* x,
               const float* w) {
  float c = 0;
  for (Index j = 0; j < walk.count; ++j) {
    for (Index i = 0; i < walk.run; i += arithmetic.products) {
      const Index k = walk.first + j * walk.stride + i;
      c = fused_dot_add(arithmetic, operand, c, x + k, w + k, std::min(arithmetic.products, walk.run - i));
    }
  }
  return c;
}

float run_order(const DotArithmetic& arithmetic, Operand operand, const SumOrder& order, const float* x,
                const float* w) {
  std::vector<float> sums;
  for (const Walk& walk : order.walks) {
    const float sum = run_walk(arithmetic, operand, walk, x, w);
    sums.push_back(order.rounds_walks ? round_to_fp16(sum) : sum);
  }
  for (const Add& add : order.adds) {
    float& into = sums[static_cast<std::size_t>(add.into)];
    into += sums[static_cast<std::size_t>(add.from)];
    if (order.accumulator == Accumulator::fp16) into = round_to_fp16(into);
  }
  return sums[0];
}

std::uint16_t output_of(const KernelCase& c, std::size_t output, const SumOrder& order, Family family,
                        ScalePlace place) {
  const Dtype dtype = c.problem.dtype;
  const auto arithmetic = dot_arithmetic(family, operand_of(dtype), order.accumulator);
  require(arithmetic.has_value(), "the device multiplies this type");
  const auto x = operand_row(c, c.row(output));
  const auto w = weight_column(c, c.column(output), place);
  const float sum = run_order(*arithmetic, operand_of(dtype), order, x.data(), w.data());
  if (place == ScalePlace::weights) return bits_of(dtype, sum);
  return bits_of(dtype, rounded(dtype, sum) * scale_of(c, 0, c.column(output)));
}

struct IntegerColumn {
  std::vector<std::int8_t> q;  // [K], less the zero point
  std::vector<float> scales;   // [G]
};

IntegerColumn integer_column(const KernelCase& c, Index column, int zero) {
  const auto n = static_cast<std::uint64_t>(column);
  const auto outputs = static_cast<std::uint64_t>(c.problem.outputs);
  IntegerColumn made;
  for (Index k = 0; k < c.problem.inputs; ++k) {
    const auto q = assay_probe::nibble(c.seed, static_cast<std::uint64_t>(k), n, outputs);
    made.q.push_back(static_cast<std::int8_t>(static_cast<int>(q) - zero));
  }
  for (Index g = 0; g < ceil_div(c.problem.inputs, c.problem.group_size); ++g) {
    made.scales.push_back(scale_of(c, g, column));
  }
  return made;
}

// Of each 8 values the first four in the even places, the last four in the odd ones.
template <class T>
std::vector<T> halves_to_lanes(const std::vector<T>& values) {
  std::vector<T> moved(values.size());
  for (std::size_t k = 0; k < values.size(); ++k) {
    moved[k] = values[k / 8 * 8 + k % 8 / 2 + (k % 2 == 0 ? 0 : 4)];
  }
  return moved;
}

float block_result(const KernelCase& c, Index block, const std::vector<float>& x, const IntegerColumn& column,
                   Isa isa) {
  const IntegerMatrix w = pack_integers(column.q, column.scales, c.problem.inputs, 1, c.problem.group_size);
  const Index first = block * kExllamaBlock;
  std::array<float, kPanelColumns> out;
  ops_for(isa, Dtype::fp16)
      .half_dots({.x = x.data() + first,
                  .x_stride = 0,
                  .rows = 1,
                  .integers = w.panel(0) + first * kPanelColumns,
                  .scales = w.panel_scales(0),
                  .first = first,
                  .count = std::min(kExllamaBlock, c.problem.inputs - first),
                  .group_size = c.problem.group_size,
                  .out = out.data(),
                  .out_stride = kPanelColumns});
  return out[0];
}

const SumOrder* order_of(const Schedule& schedule, Index row, Index column) {
  for (const Region& r : schedule.regions) {
    if (row >= r.row && row < r.row + r.rows && column >= r.column && column < r.column + r.columns) {
      return &schedule.orders[static_cast<std::size_t>(r.order)];
    }
  }
  return nullptr;
}

}  // namespace

Index KernelCase::row(std::size_t output) const {
  const std::size_t j = sample(output);
  if (problem.rows * problem.outputs < kSamples) return static_cast<Index>(j) / problem.outputs;
  return static_cast<Index>(assay_probe::mix(77, 2 * j) % static_cast<std::uint64_t>(problem.rows));
}

Index KernelCase::column(std::size_t output) const {
  const std::size_t j = sample(output);
  if (problem.rows * problem.outputs < kSamples) return static_cast<Index>(j) % problem.outputs;
  return static_cast<Index>(assay_probe::mix(77, 2 * j + 1) % static_cast<std::uint64_t>(problem.outputs));
}

Result<std::vector<KernelCase>> read_kernel_cases(const std::filesystem::path& file) {
  std::ifstream stream(file);
  if (!stream) return Error{file.string(), "", "a readable file", "none"};
  std::vector<KernelCase> cases;
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with("#") || line.empty()) continue;
    if (line.starts_with("case ")) {
      auto head = parse_head(line, file.string());
      if (!head) return head.error();
      cases.push_back(*std::move(head));
      continue;
    }
    if (cases.empty()) return Error{file.string(), "", "a case before its outputs", line.substr(0, 20)};
    if (line.starts_with("samples ")) {
      std::istringstream numbers(line.substr(8));
      for (std::size_t j = 0; numbers >> j;) cases.back().samples.push_back(j);
      continue;
    }
    auto halves = parse_halves(line, file.string());
    if (!halves) return halves.error();
    if (!cases.back().samples.empty() && halves->size() != cases.back().samples.size()) {
      return Error{file.string(), "", "an output for each sample", std::to_string(halves->size())};
    }
    cases.back().parts.push_back(*std::move(halves));
  }
  return cases;
}

ScalePlace scale_place(const KernelCase& c, KernelName kernel) {
  const bool marlin = kernel == KernelName::marlin_a || kernel == KernelName::marlin_b;
  return marlin && c.problem.group_size == c.problem.inputs ? ScalePlace::outputs : ScalePlace::weights;
}

std::vector<float> operand_row(const KernelCase& c, Index row) {
  const auto m = static_cast<std::uint64_t>(row);
  const auto inputs = static_cast<std::uint64_t>(c.problem.inputs);
  std::vector<float> x;
  for (std::uint64_t k = 0; k < inputs; ++k) {
    const bool bf16 = c.problem.dtype == Dtype::bf16;
    const std::uint64_t from = c.fault == InputFault::shifted ? (k + 1) % inputs : k;
    x.push_back(value_of(c.problem.dtype, bf16 ? assay_probe::activation_bf16(c.seed, m, from, inputs)
                                               : assay_probe::activation(c.seed, m, from, inputs)));
  }
  return x;
}

std::vector<float> weight_column(const KernelCase& c, Index column, ScalePlace place) {
  const auto n = static_cast<std::uint64_t>(column);
  const auto outputs = static_cast<std::uint64_t>(c.problem.outputs);
  std::vector<float> w;
  for (Index k = 0; k < c.problem.inputs; ++k) {
    const auto own = static_cast<std::uint64_t>(k / c.problem.group_size);
    const std::uint64_t group = c.fault == InputFault::swapped_groups ? own ^ 1U : own;
    const auto q = static_cast<int>(assay_probe::nibble(c.seed, static_cast<std::uint64_t>(k), n, outputs));
    int zero =
        c.problem.zero_points ? static_cast<int>(assay_probe::zero_point(c.seed, group, n, outputs)) : 8;
    if (c.fault == InputFault::zero_point) ++zero;
    const float scale = place == ScalePlace::outputs ? 1.0F : scale_of(c, static_cast<Index>(group), column);
    w.push_back(rounded(c.problem.dtype, static_cast<float>(q - zero) * scale));
  }
  return w;
}

Result<std::vector<std::uint16_t>> replay(const KernelCase& c, const KernelChoice& kernel,
                                          const DeviceSpec& device, std::size_t count,
                                          std::optional<ScalePlace> place) {
  const ScalePlace scales = place.value_or(scale_place(c, kernel.kernel));
  const auto schedule = schedule_for(kernel, c.problem, device);
  if (!schedule) return schedule.error();
  std::vector<std::uint16_t> outputs;
  for (std::size_t j = 0; j < count; ++j) {
    const SumOrder* order = order_of(*schedule, c.row(j), c.column(j));
    require(order != nullptr, "the schedule covers every output");
    outputs.push_back(output_of(c, j, *order, device.family, scales));
  }
  return outputs;
}

std::vector<std::uint16_t> replay_order(const KernelCase& c, const SumOrder& order, Family family,
                                        std::size_t count) {
  std::vector<std::uint16_t> outputs;
  for (std::size_t j = 0; j < count; ++j) {
    outputs.push_back(output_of(c, j, order, family, ScalePlace::weights));
  }
  return outputs;
}

std::vector<std::vector<std::uint16_t>> replay_blocks(const KernelCase& c, Isa isa, std::size_t count,
                                                      BlockFault fault) {
  const Index blocks = ceil_div(c.problem.inputs, kExllamaBlock);
  std::vector<std::vector<std::uint16_t>> results(static_cast<std::size_t>(blocks));
  for (std::size_t j = 0; j < count; ++j) {
    auto x = operand_row(c, c.row(j));
    auto column = integer_column(c, c.column(j), fault == BlockFault::zero_point ? 7 : 8);
    if (fault == BlockFault::halves_as_lanes) x = halves_to_lanes(x), column.q = halves_to_lanes(column.q);
    for (Index block = 0; block < blocks; ++block) {
      const float result = block_result(c, block, x, column, isa);
      results[static_cast<std::size_t>(block)].push_back(to_fp16(result));
    }
  }
  return results;
}

}  // namespace assay
