#include "checkpoint/quantized_matrix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

#include "checkpoint/test_folder.h"
#include "number/float16.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using testing::PlainMatrix;
using testing::safetensors_file;
using testing::TestFolder;
using testing::WrittenTensor;

// To the nearest of the target's values, ties to even, by scaling in double: not the project's conversion.
double rounded(double value, Dtype target) {
  if (value == 0) return value;
  const int digits = target == Dtype::fp16 ? 10 : 7;
  const int lowest = target == Dtype::fp16 ? -14 : -126;
  const double quantum = std::ldexp(1.0, std::max(std::ilogb(value), lowest) - digits);
  return std::nearbyint(value / quantum) * quantum;
}

double decoded(std::uint16_t bits, Dtype target) {
  return target == Dtype::fp16 ? from_fp16(bits) : from_bf16(bits);
}

// All values of q and of zeros occur; scales from 2^-9 to 2^-6.
PlainMatrix random_matrix(const Quantization& quantization, Index rows, Index columns, unsigned seed) {
  std::mt19937 random(seed);
  PlainMatrix m;
  m.rows = rows;
  m.columns = columns;
  m.groups = rows / quantization.group_size.value_or(rows);
  m.bits = quantization.bits;
  const auto below = [&](int limit) { return static_cast<int>(random() % static_cast<unsigned>(limit)); };
  for (Index i = 0; i < rows * columns; ++i) m.q.push_back(below(1 << m.bits));
  const int middle = (1 << (m.bits - 1)) - (quantization.version == GptqVersion::v1 ? 1 : 0);
  for (Index i = 0; i < m.groups * columns; ++i) {
    m.stored_zeros.push_back(quantization.symmetric ? middle : below(1 << m.bits));
    m.scales.push_back(static_cast<std::uint16_t>(0x1800 + below(0x0c00)));
  }
  if (quantization.method == QuantizationMethod::awq) return m;
  for (Index k = 0; k < rows; ++k) m.g_idx.push_back(static_cast<std::int32_t>(k / (rows / m.groups)));
  if (quantization.desc_act) std::shuffle(m.g_idx.begin(), m.g_idx.end(), random);
  return m;
}

std::vector<WrittenTensor> pack(const Quantization& quantization, const PlainMatrix& m) {
  return quantization.method == QuantizationMethod::awq ? testing::written_awq("layer", m)
                                                        : testing::written_gptq("layer", m);
}

Result<QuantizedMatrix> read(const Quantization& quantization, const std::vector<WrittenTensor>& tensors,
                             Index rows, Index columns) {
  const TestFolder folder;
  folder.write("model.safetensors", safetensors_file(tensors));
  const auto weights = Weights::open(folder.path());
  return read_quantized(*weights, quantization, "layer", rows, columns);
}

// How many of the matrix's values differ from the formula (q - z) s over `m`.
Index count_wrong(const Quantization& quantization, const PlainMatrix& m, const QuantizedMatrix& matrix,
                  Dtype target) {
  const auto values = *dequantize(matrix, target);
  const bool stores_less_one =
      quantization.method == QuantizationMethod::gptq && quantization.version == GptqVersion::v1;
  Index wrong = 0;
  for (Index k = 0; k < m.rows; ++k) {
    const Index g = m.g_idx.empty() ? k / (m.rows / m.groups) : m.g_idx[static_cast<std::size_t>(k)];
    for (Index n = 0; n < m.columns; ++n) {
      const auto i = static_cast<std::size_t>(k * m.columns + n);
      const auto j = static_cast<std::size_t>(g * m.columns + n);
      const int difference = m.q[i] - m.stored_zeros[j] - (stores_less_one ? 1 : 0);
      const double scale = rounded(from_fp16(m.scales[j]), target);
      wrong += decoded(values[i], target) == rounded(difference * scale, target) ? 0 : 1;
    }
  }
  return wrong;
}

std::vector<Quantization> all_kinds() {
  std::vector<Quantization> kinds;
  for (const std::optional<Index> group : {std::optional<Index>(32), std::optional<Index>(64),
                                           std::optional<Index>(128), std::optional<Index>()}) {
    Quantization awq;
    awq.group_size = group;
    kinds.push_back(awq);
    for (const int bits : {4, 8}) {
      for (const GptqVersion version : {GptqVersion::v1, GptqVersion::v2}) {
        for (const int flags : {0, 1, 2, 3}) {
          kinds.push_back({.method = QuantizationMethod::gptq,
                           .bits = bits,
                           .group_size = group,
                           .version = version,
                           .desc_act = (flags & 1) != 0,
                           .symmetric = (flags & 2) != 0,
                           .lm_head = false});
        }
      }
    }
  }
  return kinds;
}

TEST(QuantizedMatrix, EveryKindUnpacksToTheFormula) {
  unsigned seed = 0;
  for (const Quantization& kind : all_kinds()) {
    const PlainMatrix m = random_matrix(kind, 256, 64, ++seed);
    const auto matrix = read(kind, pack(kind, m), m.rows, m.columns);
    ASSERT_TRUE(matrix.ok()) << matrix.error().message();
    EXPECT_TRUE(std::equal(m.q.begin(), m.q.end(), matrix->q.begin(), matrix->q.end()));
    EXPECT_EQ(matrix->groups, m.groups);
    EXPECT_EQ(count_wrong(kind, m, *matrix, Dtype::fp16), 0) << seed;
    EXPECT_EQ(count_wrong(kind, m, *matrix, Dtype::bf16), 0) << seed;
  }
}

// q[k, n] of a packed layer, as the header describes its words.
int packed_q(const PackedQuantized& packed, Index k, Index n) {
  static constexpr Index kAwqPlace[] = {0, 4, 1, 5, 2, 6, 3, 7};
  const bool awq = packed.method == QuantizationMethod::awq;
  const Index word = awq ? k * (packed.columns / 8) + n / 8 : k / 8 * packed.columns + n;
  const Index nibble = awq ? kAwqPlace[n % 8] : k % 8;
  const auto byte = packed.qweight[static_cast<std::size_t>(4 * word + nibble / 2)];
  return std::to_integer<int>(byte >> (4 * (nibble % 2))) & 15;
}

TEST(QuantizedMatrix, ThePackedFormIsTheUnpackedOne) {
  unsigned seed = 100;
  for (const Quantization& kind : all_kinds()) {
    const PlainMatrix m = random_matrix(kind, 128, 24, ++seed);
    const TestFolder folder;
    folder.write("model.safetensors", safetensors_file(pack(kind, m)));
    const auto weights = Weights::open(folder.path());
    const auto packed = read_packed(*weights, kind, "layer", m.rows, m.columns);
    if (kind.bits != 4) {
      EXPECT_THAT(packed.error().message(),
                  HasSubstr("layer.qweight: expected integers of 4 bits, found 8 bits"));
      continue;
    }
    const auto matrix = *read_quantized(*weights, kind, "layer", m.rows, m.columns);
    EXPECT_EQ(packed->file, matrix.file);
    EXPECT_EQ(packed->name, "layer");
    EXPECT_EQ(packed->method, kind.method);
    EXPECT_EQ(packed->groups, m.groups);
    EXPECT_EQ(packed->scales, matrix.scales);
    EXPECT_EQ(packed->group_of_row, matrix.group_of_row);
    EXPECT_TRUE(
        std::equal(packed->zeros.begin(), packed->zeros.end(), matrix.zeros.begin(), matrix.zeros.end()));
    for (Index k = 0; k < m.rows; ++k) {
      for (Index n = 0; n < m.columns; ++n) {
        ASSERT_EQ(packed_q(*packed, k, n), m.q[static_cast<std::size_t>(k * m.columns + n)]) << k << ' ' << n;
      }
    }
  }
}

// Each planted fault is in one place of the file; the values that it touches must come out wrong, and no
// others. (A nibble changes by 8, so that a wrong value cannot be a right one.)
TEST(QuantizedMatrix, PlantedFaultsChangeExactlyTheirValues) {
  Quantization awq;
  awq.group_size = 32;
  Quantization gptq{.method = QuantizationMethod::gptq,
                    .bits = 4,
                    .group_size = 32,
                    .version = GptqVersion::v2,
                    .desc_act = true,
                    .symmetric = false,
                    .lm_head = false};
  for (const Quantization& kind : {awq, gptq}) {
    const PlainMatrix m = random_matrix(kind, 64, 8, 7);
    const auto wrong_after = [&](const std::function<void(PlainMatrix&)>& plant) {
      PlainMatrix faulty = m;
      plant(faulty);
      return count_wrong(kind, m, *read(kind, pack(kind, faulty), m.rows, m.columns), Dtype::fp16);
    };
    EXPECT_EQ(wrong_after([](PlainMatrix&) {}), 0);
    for (std::size_t i = 0; i < m.q.size(); ++i) {
      ASSERT_EQ(wrong_after([i](PlainMatrix& f) { f.q[i] ^= 8; }), 1) << i;
    }
    EXPECT_EQ(wrong_after([](PlainMatrix& f) { f.stored_zeros[9] ^= 1; }), 32);
    // Two scales of neighbouring groups exchanged: values of q = z stay right.
    EXPECT_GE(wrong_after([](PlainMatrix& f) { std::swap(f.scales[3], f.scales[11]); }), 48);
    EXPECT_GE(
        wrong_after([](PlainMatrix& f) { std::swap_ranges(f.q.begin(), f.q.begin() + 8, f.q.begin() + 8); }),
        10);
  }
  const PlainMatrix m = random_matrix(awq, 128, 16, 8);
  auto tensors = pack(awq, m);
  tensors[0] =
      testing::written("layer.qweight", "I32", {128, 2}, testing::pack_along_columns(m.q, 128, 16, 4));
  EXPECT_GT(count_wrong(awq, m, *read(awq, tensors, 128, 16), Dtype::fp16), 128 * 16 / 2) << "nibble order";
}

// (q - z) from -16 to 15, times every finite FP16 scale, both targets: every product that fits.
TEST(QuantizedMatrix, EveryProductIsRoundedOnce) {
  QuantizedMatrix matrix;
  matrix.rows = 16;
  matrix.columns = 2;
  matrix.groups = 1;
  matrix.group_of_row.assign(16, 0);
  matrix.zeros = {0, 16};
  for (int q = 0; q < 16; ++q) matrix.q.insert(matrix.q.end(), 2, static_cast<std::uint8_t>(q));
  for (const Dtype target : {Dtype::fp16, Dtype::bf16}) {
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
      const double scale = from_fp16(static_cast<std::uint16_t>(bits));
      if (!std::isfinite(scale)) continue;
      const double rounded_scale = rounded(scale, target);
      matrix.scales.assign(2, static_cast<float>(scale));
      const auto values = dequantize(matrix, target);
      ASSERT_EQ(values.ok(), target == Dtype::bf16 || std::fabs(16 * scale) < 65520) << bits;
      if (!values.ok()) continue;
      for (std::size_t i = 0; i < 32; ++i) {
        const double exact = (static_cast<int>(i / 2) - (i % 2 == 0 ? 0 : 16)) * rounded_scale;
        ASSERT_EQ(decoded((*values)[i], target), rounded(exact, target)) << bits << ' ' << i;
      }
    }
  }
}

TEST(QuantizedMatrix, AnOverflowIsNamedWithItsPlace) {
  Quantization kind;
  PlainMatrix m = random_matrix(kind, 8, 8, 3);
  m.q.assign(64, 0);
  m.stored_zeros.assign(8, 0);
  m.q[3 * 8 + 5] = 2;
  m.scales[5] = 0x7800;  // 32768
  const auto matrix = read(kind, pack(kind, m), 8, 8);
  EXPECT_THAT(dequantize(*matrix, Dtype::fp16).error().message(),
              HasSubstr("layer[3, 5]: expected a weight that fits float16, found 65536"));
  EXPECT_TRUE(dequantize(*matrix, Dtype::bf16).ok());
}

class Refused : public ::testing::Test {
 protected:
  Refused() {
    kind_.method = QuantizationMethod::gptq;
    kind_.group_size = 32;
    kind_.symmetric = true;
    m_ = random_matrix(kind_, 64, 16, 5);
  }
  // Of both readers, which must complain of the same.
  std::string error() {
    const TestFolder folder;
    folder.write("model.safetensors", safetensors_file(pack(kind_, m_)));
    const auto weights = Weights::open(folder.path());
    const auto matrix = read_quantized(*weights, kind_, "layer", 64, 16);
    const auto packed = read_packed(*weights, kind_, "layer", 64, 16);
    const std::string message = matrix ? "" : matrix.error().message();
    EXPECT_EQ(packed ? "" : packed.error().message(), message);
    return message;
  }
  Quantization kind_;
  PlainMatrix m_;
};

TEST_F(Refused, ZeroPointsThatBelieSymmetric) {
  EXPECT_EQ(error(), "");
  m_.stored_zeros[19] = 8;
  EXPECT_THAT(
      error(),
      HasSubstr("layer.qzeros[1, 3]: expected zero point 8 (the quantization is symmetric), found 9"));
}

TEST_F(Refused, GroupIndices) {
  m_.g_idx[9] = 2;
  EXPECT_THAT(error(), HasSubstr("layer.g_idx[9]: expected a group below 2, found 2"));
  m_.g_idx[9] = -1;
  EXPECT_THAT(error(), HasSubstr("layer.g_idx[9]: expected a group below 2, found -1"));
  m_.g_idx[9] = 1;
  EXPECT_THAT(error(), HasSubstr("layer.g_idx[9]: expected group 0 (desc_act is false), found 1"));
  kind_.desc_act = true;
  EXPECT_THAT(error(),
              HasSubstr("layer.g_idx[63]: expected 32 inputs in each group, found one more in group 1"));
  m_.g_idx.clear();
  EXPECT_THAT(error(), HasSubstr("layer.g_idx: expected a tensor of this name"));
  kind_.desc_act = false;
  EXPECT_EQ(error(), "");
}

TEST_F(Refused, ScalesThatAreNotFinite) {
  m_.scales[18] = 0x7e00;
  EXPECT_THAT(error(), HasSubstr("layer.scales[1, 2]: expected a finite value, found nan"));
}

TEST_F(Refused, ShapesThatDoNotFollowFromTheConfiguration) {
  const auto error_with = [&](const Quantization& kind, Index rows, Index columns) {
    const auto matrix = read(kind, pack(kind_, m_), rows, columns);
    return matrix ? "" : matrix.error().message();
  };
  EXPECT_THAT(error_with(kind_, 128, 16), HasSubstr("layer.qweight: expected shape [16, 16], found [8, 16]"));
  EXPECT_THAT(error_with(kind_, 64, 24), HasSubstr("layer.qweight: expected shape [8, 24]"));
  EXPECT_THAT(error_with(kind_, 64, 17), HasSubstr("outputs that are a multiple of 8, found 17"));
  EXPECT_THAT(error_with(kind_, 80, 16), HasSubstr("of the group size 32, found 80"));
  Quantization other = kind_;
  other.group_size = 64;
  EXPECT_THAT(error_with(other, 64, 16), HasSubstr("layer.qzeros: expected shape [1, 2], found [2, 2]"));
  other = kind_;
  other.bits = 8;
  EXPECT_THAT(error_with(other, 64, 16), HasSubstr("layer.qweight: expected shape [16, 16]"));
  other = kind_;
  other.method = QuantizationMethod::awq;
  EXPECT_THAT(error_with(other, 64, 16), HasSubstr("layer.qweight: expected shape [64, 2]"));
}

}  // namespace
}  // namespace assay
