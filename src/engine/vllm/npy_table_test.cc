#include "engine/vllm/npy_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/splitmix.h"
#include "engine/vllm/test_npy.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<float> kValues = {-1, -2.5F, -std::numeric_limits<float>::infinity(), -0.0F, -1e-30F, -7};

std::string refusal(const std::string& bytes) {
  const auto table = read_npy(bytes);
  return table ? "no error" : table.error().message();
}

std::string with_header(const std::string& dictionary) {
  return npy_header(dictionary) + std::string(24, '\0');
}

TEST(NpyTable, EveryVersionIsRead) {
  for (const char version : {'\1', '\2', '\3'}) {
    const auto table = read_npy(npy_of(2, 3, kValues, version));
    ASSERT_TRUE(table) << table.error().message();
    EXPECT_EQ(table->rows, 2);
    EXPECT_EQ(table->columns, 3);
    EXPECT_EQ(table->values, kValues);
    EXPECT_THAT(table->row(1), ElementsAre(-0.0F, -1e-30F, -7));
  }
}

TEST(NpyTable, OtherMagicOrVersion) {
  EXPECT_THAT(refusal(""), HasSubstr("npy magic"));
  EXPECT_THAT(refusal("NUMPY"), HasSubstr("npy magic"));
  std::string bytes = npy_of(2, 3, kValues);
  bytes[0] = 'x';
  EXPECT_THAT(refusal(bytes), HasSubstr("npy magic: expected \\x93NUMPY, found xNUMPY"));
  for (const char version : {'\0', '\4'}) {
    bytes = npy_of(2, 3, kValues);
    bytes[6] = version;
    EXPECT_THAT(refusal(bytes), HasSubstr("npy version: expected 1 to 3"));
  }
}

TEST(NpyTable, OtherTypesOrdersAndShapes) {
  const auto header = [](const char* type, const char* order, const char* shape) {
    return with_header(
        fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': ({}), }}", type, order, shape));
  };
  EXPECT_EQ(refusal(header("<f4", "False", "2, 3")), "no error");
  for (const char* type : {">f4", "<f8", "<f2", "|O", "<i4"}) {
    EXPECT_THAT(refusal(header(type, "False", "2, 3")), HasSubstr("npy descr: expected <f4, found ")) << type;
  }
  EXPECT_THAT(refusal(header("<f4", "True", "2, 3")),
              HasSubstr("npy fortran_order: expected False, found True"));
  for (const char* shape :
       {"", "6,", "6", "2, 3, 1", "-2, -3", "2, x", "2,3", "99999999999999999999999, 1"}) {
    EXPECT_THAT(refusal(header("<f4", "False", shape)), HasSubstr("npy shape: expected two sizes")) << shape;
  }
  for (const char* shape : {"2, 4", "1, 3", "0, 3", "4611686018427387905, 4"}) {
    EXPECT_THAT(refusal(header("<f4", "False", shape)), HasSubstr("found 24 bytes")) << shape;
  }
  EXPECT_THAT(refusal(npy_of(9'000'000'000, 0, {})), HasSubstr("sizes of 1 at least"));
}

TEST(NpyTable, HeadersAreWhole) {
  EXPECT_THAT(refusal(with_header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 3), }")),
              HasSubstr("'descr' first"));
  EXPECT_THAT(refusal(with_header("{'descr': '<f4', 'shape': (2, 3), }")),
              HasSubstr("'fortran_order' second"));
  EXPECT_THAT(refusal(with_header("{'descr': '<f4', 'fortran_order': False, }")), HasSubstr("'shape' last"));
  EXPECT_THAT(refusal(with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }x")),
              HasSubstr("nothing behind it"));
}

TEST(NpyTable, EveryTruncationIsAnError) {
  const std::string bytes = npy_of(2, 3, kValues);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(read_npy(bytes.substr(0, size))) << size;
  EXPECT_FALSE(read_npy(bytes + "1234"));
}

TEST(NpyTable, ChangedBytesNeverCrash) {
  const std::string bytes = npy_of(2, 3, kValues);
  SplitMix64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string changed = bytes;
    for (std::uint64_t n = random.next() % 3 + 1; n > 0; --n) {
      changed[random.next() % changed.size()] = static_cast<char>(random.next());
    }
    const auto table = read_npy(changed);
    EXPECT_TRUE(!table || table->rows * table->columns == std::ssize(table->values));
  }
}

}  // namespace
}  // namespace assay
