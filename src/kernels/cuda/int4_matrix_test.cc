#include "kernels/cuda/int4_matrix.h"

#include <algorithm>
#include <numeric>

#include "kernels/cuda/gpu_test.h"

namespace assay {
namespace {

constexpr std::array<int, 8> kAwqOrder = {0, 2, 4, 6, 1, 3, 5, 7};

// A file's tensors of one part of the columns, with random content.
struct File {
  Index inputs, columns, group_size;
  bool awq;
  std::vector<std::uint32_t> qweight;
  std::vector<std::uint16_t> scales;
  std::vector<std::uint8_t> zeros;

  File(Index k, Index n, Index group, bool is_awq, Dtype dtype, unsigned seed)
      : inputs(k), columns(n), group_size(group), awq(is_awq) {
    std::mt19937 random(seed);
    qweight.resize(static_cast<std::size_t>(k * n / 8));
    for (std::uint32_t& word : qweight) word = static_cast<std::uint32_t>(random());
    scales = random16(dtype, k / group * n, 0.01F, seed + 1);
    zeros.resize(scales.size());
    for (std::uint8_t& zero : zeros) zero = static_cast<std::uint8_t>(random() % 17);
    // Subnormal and large products.
    scales[0] = encode16(dtype, 3.1e-7F);
    scales[1] = encode16(dtype, 1000.0F);
  }

  int q(Index k, Index n) const {
    if (!awq)
      return static_cast<int>(qweight[static_cast<std::size_t>(k / 8 * columns + n)] >> (4 * (k % 8)) & 15);
    const auto nibble =
        std::find(kAwqOrder.begin(), kAwqOrder.end(), static_cast<int>(n % 8)) - kAwqOrder.begin();
    return static_cast<int>(qweight[static_cast<std::size_t>((k * columns + n) / 8)] >> (4 * nibble) & 15);
  }
  // Row k of W is row row_order[k] here.
  std::uint16_t weight(Dtype dtype, const std::vector<std::int32_t>& row_order, Index k, Index n) const {
    const Index row = row_order.empty() ? k : row_order[static_cast<std::size_t>(k)];
    const auto at = static_cast<std::size_t>(k / group_size * columns + n);
    return encode16(dtype, static_cast<float>(q(row, n) - zeros[at]) * decode16(dtype, scales[at]));
  }
};

struct Case {
  Index inputs;
  std::vector<Index> columns;  // of the parts
  Index group_size;
  bool awq, reorders;
};

void check(const Case& shape, Dtype dtype) {
  SCOPED_TRACE(testing::Message() << "K " << shape.inputs << " group " << shape.group_size << " awq "
                                  << shape.awq << " order " << shape.reorders << " " << name_of(dtype));
  const Index outputs = std::accumulate(shape.columns.begin(), shape.columns.end(), Index{0});
  Int4Matrix matrix(shape.inputs, outputs, shape.group_size, dtype);
  check_cuda(cudaMemset(const_cast<std::uint32_t*>(matrix.view().nibbles), 0xff,
                        static_cast<std::size_t>(shape.inputs * outputs / 2)),
             "cudaMemset");
  std::vector<std::int32_t> row_order;
  if (shape.reorders) {
    row_order.resize(static_cast<std::size_t>(shape.inputs));
    std::iota(row_order.begin(), row_order.end(), 0);
    std::shuffle(row_order.begin(), row_order.end(), std::mt19937(7));
  }
  const auto device_order = uploaded(row_order);
  std::vector<std::uint16_t> expected;
  Index column = 0;
  for (const Index columns : shape.columns) {
    const File file(shape.inputs, columns, shape.group_size, shape.awq, dtype,
                    static_cast<unsigned>(column + 1));
    const auto qweight = uploaded(file.qweight);
    const auto scales = uploaded(file.scales);
    const auto zeros = uploaded(file.zeros);
    const PackedColumns part = {column,        columns,      qweight.data(),
                                scales.data(), zeros.data(), shape.reorders ? device_order.data() : nullptr};
    shape.awq ? matrix.fill_awq(part, nullptr) : matrix.fill_gptq(part, nullptr);
    wait(nullptr);
    for (Index n = 0; n < columns; ++n)
      for (Index k = 0; k < shape.inputs; ++k) expected.push_back(file.weight(dtype, row_order, k, n));
    column += columns;
  }
  const auto out = poisoned<std::uint16_t>(outputs * shape.inputs);
  dequantize(matrix.view(), out.data(), nullptr);
  const std::vector<std::uint16_t> found = downloaded(out);
  const auto [a, b] = std::mismatch(expected.begin(), expected.end(), found.begin());
  if (a == expected.end()) return;
  const Index at = a - expected.begin();
  ADD_FAILURE() << "output " << at / shape.inputs << " k " << at % shape.inputs << " expected " << *a
                << " found " << *b << " of "
                << std::inner_product(expected.begin(), expected.end(), found.begin(), 0, std::plus<>(),
                                      std::not_equal_to<>())
                << " different";
}

TEST(Int4Matrix, HasTheWeightsOfAwqFiles) {
  ASSAY_NEEDS_GPU(80);
  for (const Dtype dtype : {Dtype::fp16, Dtype::bf16}) {
    for (const Index group : {32, 64, 128, 256}) check({256, {64, 32, 96}, group, true, false}, dtype);
    check({1024, {256}, 128, true, true}, dtype);
    check({4096, {256}, 128, true, false}, dtype);
    check({32, {32}, 32, true, false}, dtype);
  }
}

TEST(Int4Matrix, HasTheWeightsOfGptqFilesInAnyOrder) {
  ASSAY_NEEDS_GPU(80);
  for (const Dtype dtype : {Dtype::fp16, Dtype::bf16}) {
    for (const Index group : {32, 64, 128, 256}) {
      check({256, {32, 64}, group, false, false}, dtype);
      check({256, {32, 64}, group, false, true}, dtype);
    }
    check({352, {32}, 352, false, true}, dtype);
    check({12288, {32}, 128, false, true}, dtype);
  }
}

TEST(Int4Matrix, IsAsLargeAsItsWeightsAndGroups) {
  ASSAY_NEEDS_GPU(80);
  EXPECT_EQ(Int4Matrix(4096, 1024, 128, Dtype::fp16).bytes(), 4096U * 1024 / 2 + 32 * 1024 * 4);
}

}  // namespace
}  // namespace assay
