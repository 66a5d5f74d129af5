// The `cublas` recipe against products that cuBLASLt ran on an H200 (tests/golden/cublas, written by
// tools/probe/gemm_probe): half of the outputs at random, half where a wrong order would show most.
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <sstream>

#include "base/thread_pool.h"
#include "emulator/dot_model.h"
#include "kernels/recipes/cublas.h"
#include "number/float16.h"
#include "probe/inputs.h"

namespace assay {
namespace {

struct Output {
  std::uint64_t row;
  std::uint64_t column;
  std::uint16_t bits;
};

struct Product {
  LinearProblem problem;
  WeightLayout layout = WeightLayout::transposed;
  std::vector<Output> outputs;
};

std::uint64_t number(std::string_view text, int base = 10) {
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (parsed.ptr != text.data() + text.size()) throw Fault("not a number: " + std::string(text));
  return value;
}

// The products with FP32 accumulators; those with FP16 ones belong to the exllama recipe.
std::vector<Product> load() {
  std::ifstream file(ASSAY_SOURCE_DIR "/tests/golden/cublas/h200.txt");
  std::vector<Product> products;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#') || line.find("compute=f32") == std::string::npos) continue;
    std::istringstream words(line);
    std::string call, seed, type, layout, word;
    words >> call >> seed >> type >> layout;
    if (call != "lt") continue;
    std::map<std::string, std::string> fields;
    while (words >> word && word != "|")
      fields[word.substr(0, word.find('='))] = word.substr(word.find('=') + 1);
    Product product;
    product.problem = {.rows = static_cast<Index>(number(fields.at("m"))),
                       .outputs = static_cast<Index>(number(fields.at("n"))),
                       .inputs = static_cast<Index>(number(fields.at("k"))),
                       .dtype = type == "fp16" ? Dtype::fp16 : Dtype::bf16};
    product.layout = layout == "TN" ? WeightLayout::transposed : WeightLayout::plain;
    while (words >> word) {
      const std::size_t first = word.find(':');
      const std::size_t second = word.find(':', first + 1);
      product.outputs.push_back({number(word.substr(0, first)),
                                 number(word.substr(first + 1, second - first - 1)),
                                 static_cast<std::uint16_t>(number(word.substr(second + 1), 16))});
    }
    products.push_back(std::move(product));
  }
  return products;
}

std::uint16_t replay(const Product& product, const SumOrder& order, const Output& output) {
  const bool fp16 = product.problem.dtype == Dtype::fp16;
  const auto inputs = static_cast<std::uint64_t>(product.problem.inputs);
  const auto outputs = static_cast<std::uint64_t>(product.problem.outputs);
  std::vector<float> x;
  std::vector<float> w;
  for (std::uint64_t k = 0; k < inputs; ++k) {
    x.push_back(fp16 ? from_fp16(assay_probe::activation(1, output.row, k, inputs))
                     : from_bf16(assay_probe::activation_bf16(1, output.row, k, inputs)));
    w.push_back(fp16 ? from_fp16(assay_probe::dense_weight(1, k, output.column, outputs))
                     : from_bf16(assay_probe::dense_weight_bf16(1, k, output.column, outputs)));
  }
  const DotArithmetic arithmetic = *dot_arithmetic(Family::hopper, operand_of(product.problem.dtype));
  std::vector<float> sums;
  for (const Walk& walk : order.walks) {
    float c = 0;
    for (Index k = walk.first; k < walk.first + walk.run; k += 16) {
      c = fused_dot_add(arithmetic, operand_of(product.problem.dtype), c, x.data() + k, w.data() + k, 16);
    }
    sums.push_back(c);
  }
  for (const Add& add : order.adds) {
    sums[static_cast<std::size_t>(add.into)] += sums[static_cast<std::size_t>(add.from)];
  }
  return fp16 ? to_fp16(sums[0]) : to_bf16(sums[0]);
}

std::size_t equal_outputs(const Product& product, const Schedule& schedule) {
  std::size_t equal = 0;
  for (const Output& output : product.outputs) {
    equal += replay(product, schedule.orders.at(0), output) == output.bits ? 1 : 0;
  }
  return equal;
}

TEST(CublasOnSilicon, EveryProductIsReproduced) {
  const auto products = load();
  ASSERT_EQ(products.size(), 240U);
  std::vector<std::size_t> equal(products.size());
  ThreadPool pool(2);
  pool.parallel_for(static_cast<Index>(products.size()), [&](Index i) {
    const Product& product = products[static_cast<std::size_t>(i)];
    equal[static_cast<std::size_t>(i)] =
        equal_outputs(product, cublas_schedule(product.problem, spec_of(Device::h200), product.layout));
  });
  for (std::size_t i = 0; i < products.size(); ++i) {
    EXPECT_GE(products[i].outputs.size(), 64U);
    EXPECT_EQ(equal[i], products[i].outputs.size())
        << products[i].problem.rows << " x " << products[i].problem.outputs << " x "
        << products[i].problem.inputs;
  }
}

TEST(CublasOnSilicon, TheChainIsNotTakenForASplit) {
  int split = 0;
  for (const Product& product : load()) {
    const auto splits = measured_splits(product.problem, spec_of(Device::h200), product.layout);
    if (splits.value_or(1) == 1) continue;
    ++split;
    const Schedule wrong = cublas_schedule(product.problem, spec_of(Device::a100), product.layout);
    EXPECT_LT(equal_outputs(product, wrong), product.outputs.size() * 9 / 10);
  }
  EXPECT_GE(split, 30);
}

}  // namespace
}  // namespace assay
