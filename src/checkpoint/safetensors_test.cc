#include "checkpoint/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "checkpoint/test_folder.h"

namespace assay {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::safetensors_file;
using testing::safetensors_text;
using testing::written;

Result<std::vector<Tensor>> parse(std::string_view text) {
  return parse_safetensors(std::as_bytes(std::span(text.data(), text.size())), "f.safetensors");
}

TEST(Safetensors, ReadsNamesTypesShapesAndBytes) {
  const std::string file = safetensors_file({
      written("b", "F32", {2, 1}, std::vector<float>{1, 2}),
      written("empty", "I32", {0, 7}, std::vector<std::int32_t>{}),
      written("a", "BF16", {}, std::vector<std::uint16_t>{0x3f80}),
      written("odd", "F8_E4M3", {3}, std::vector<std::uint8_t>{1, 2, 3}),
      written("new", "F4", {2}, std::vector<std::uint8_t>{9}),
  });
  const auto tensors = parse(file);
  ASSERT_TRUE(tensors.ok()) << tensors.error().message();
  ASSERT_EQ(tensors->size(), 5U);
  const auto find = [&](const std::string& name) {
    for (const Tensor& tensor : *tensors) {
      if (tensor.name == name) return tensor;
    }
    throw Fault("no tensor " + name);
  };
  EXPECT_THAT(find("b").shape, ElementsAre(2, 1));
  EXPECT_EQ(find("b").bytes.size(), 8U);
  EXPECT_EQ(find("b").bytes.data(), reinterpret_cast<const std::byte*>(file.data()) + file.size() - 14);
  EXPECT_EQ(stored_type(find("b")), Dtype::fp32);
  EXPECT_EQ(stored_type(find("empty")), Dtype::int32);
  EXPECT_TRUE(find("empty").bytes.empty());
  EXPECT_TRUE(find("a").shape.empty());
  EXPECT_EQ(find("a").bytes.size(), 2U);
  EXPECT_EQ(stored_type(find("odd")), std::nullopt);
  EXPECT_EQ(find("new").dtype, "F4");  // listed, though its size is not known here
}

TEST(Safetensors, EveryCutOfAFileIsAnError) {
  const std::string file = safetensors_file({written("x", "F16", {2, 3}, std::vector<std::uint16_t>(6))});
  ASSERT_TRUE(parse(file).ok());
  for (std::size_t size = 0; size < file.size(); ++size) {
    const auto tensors = parse(std::string_view(file).substr(0, size));
    ASSERT_FALSE(tensors.ok()) << size;
    EXPECT_THAT(tensors.error().message(), HasSubstr("f.safetensors: ")) << size;
  }
  EXPECT_FALSE(parse(file + "x").ok()) << "a byte that no tensor owns";
}

struct Lie {
  const char* header;
  std::size_t data;  // bytes
  const char* message;
};

// Each header is right but for one thing; "x" of F16 [2] has 4 bytes.
TEST(Safetensors, LyingHeadersAreErrorsThatNameTheTensor) {
  const Lie lies[] = {
      {R"({"x":{"dtype":"F16","shape":[2],"data_offsets":[0,6]}})", 4,
       "x.data_offsets: expected a range in the 4"},
      {R"({"x":{"dtype":"F16","shape":[2],"data_offsets":[4,0]}})", 4, "x.data_offsets"},
      {R"({"x":{"dtype":"F16","shape":[2],"data_offsets":[18446744073709551612,18446744073709551616]}})", 4,
       "x.data_offsets"},
      {R"({"x":{"dtype":"F16","shape":[2],"data_offsets":[9223372036854775804,9223372036854775807]}})", 4,
       "x.data_offsets"},
      {R"({"x":{"dtype":"F16","shape":[2],"data_offsets":[18446744073709551612,0]}})", 4, "x.data_offsets"},
      {R"({"x":{"dtype":"F16","shape":[2],"data_offsets":[-4,0]}})", 4, "x.data_offsets"},
      {R"({"x":{"dtype":"F16","shape":[2],"data_offsets":[0.0,4.0]}})", 4, "x.data_offsets"},
      {R"({"x":{"dtype":"F16","shape":[2],"data_offsets":[0]}})", 4, "x.data_offsets"},
      {R"({"x":{"dtype":"F16","shape":[2],"data_offsets":[0,4,4]}})", 4, "x.data_offsets"},
      {R"({"x":{"dtype":"F16","shape":[3],"data_offsets":[0,4]}})", 4,
       "x: expected F16 [3] = 6 bytes, found 4 bytes"},
      {R"({"x":{"dtype":"F16","shape":[4294967296,4294967296,2],"data_offsets":[0,4]}})", 4,
       "more than 2^64 bytes"},
      {R"({"x":{"dtype":"F16","shape":[9223372036854775807,2],"data_offsets":[0,4]}})", 4,
       "more than 2^64 bytes"},
      {R"({"x":{"dtype":"F16","shape":[-2],"data_offsets":[0,4]}})", 4, "x.shape"},
      {R"({"x":{"dtype":"F16","shape":[2.0],"data_offsets":[0,4]}})", 4, "x.shape"},
      {R"({"x":{"dtype":"F16","shape":2,"data_offsets":[0,4]}})", 4, "x.shape"},
      {R"({"x":{"dtype":16,"shape":[2],"data_offsets":[0,4]}})", 4, "x.dtype"},
      {R"({"x":{"shape":[2],"data_offsets":[0,4]}})", 4, "x.dtype: expected a value, found nothing"},
      {R"({"x":{"dtype":"F16","shape":[2],"data_offsets":[0,4],"stride":[1]}})", 4, "x.stride"},
      {R"({"x":[]})", 0, "x: expected an object"},
      {R"({"x":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"x":{"dtype":"F16","shape":[2],"data_offsets":[4,8]}})",
       8, "x: expected each key once"},
      {R"({"x":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"y":{"dtype":"F16","shape":[2],"data_offsets":[2,6]}})",
       6, "y.data_offsets: expected data that begins where the data before it ends, at 4, found 2"},
      {R"({"x":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"y":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})",
       4, "y.data_offsets"},
      {R"({"x":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"y":{"dtype":"F16","shape":[2],"data_offsets":[6,10]}})",
       10, "y.data_offsets: expected data that begins where the data before it ends, at 4, found 6"},
      {R"({"x":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})", 6, "cover the 6 bytes"},
      {R"({"e":{"dtype":"F16","shape":[0],"data_offsets":[2,2]},"x":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})",
       4, "e.data_offsets"},
      {R"([1,2])", 0, "header: expected a JSON object"},
      {R"({"x":)", 0, "expected JSON"},
  };
  for (const Lie& lie : lies) {
    const auto tensors = parse(safetensors_text(lie.header, std::string(lie.data, '\0')));
    ASSERT_FALSE(tensors.ok()) << lie.header;
    EXPECT_THAT(tensors.error().message(), HasSubstr(lie.message)) << lie.header;
    EXPECT_THAT(tensors.error().message(), HasSubstr("f.safetensors: "));
  }
}

TEST(Safetensors, HeaderLengthIsHeldAgainstTheFile) {
  std::string file = safetensors_text("{}", "");
  EXPECT_TRUE(parse(file).ok());
  for (int top : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
    for (int low : {0x00, 0x01, 0x03, 0xff}) {
      std::string lying = file;
      lying[0] = static_cast<char>(low);
      lying[7] = static_cast<char>(top);
      const auto tensors = parse(lying);
      ASSERT_FALSE(tensors.ok());
      EXPECT_THAT(tensors.error().message(), HasSubstr("header length: expected 2 to 2 bytes, found "));
    }
  }
}

TEST(Safetensors, AWrittenHeaderReadsBack) {
  for (const char* name : {"a", "ab", "abc", "abcdefgh"}) {  // every padding
    const std::vector<TensorEntry> entries = {
        {name, "F16", {2, 3}}, {"empty", "F32", {0, 7}}, {"words", "I32", {5}}, {"scalar", "BF16", {}}};
    std::string text = safetensors_header(entries);
    EXPECT_EQ(text.size() % 8, 0U);
    text += std::string(12 + 20 + 2, '\1');
    const auto tensors = parse_safetensors(std::as_bytes(std::span(text)), "file");
    ASSERT_TRUE(tensors.ok()) << tensors.error().message();
    ASSERT_EQ(tensors->size(), 4U);
    for (const Tensor& tensor : *tensors) {
      const auto entry = std::find_if(entries.begin(), entries.end(),
                                      [&](const TensorEntry& e) { return e.name == tensor.name; });
      ASSERT_NE(entry, entries.end());
      EXPECT_EQ(tensor.shape, entry->shape);
      EXPECT_EQ(tensor.dtype, entry->dtype);
      EXPECT_EQ(tensor.bytes.size(), size_in_bytes(*entry));
    }
  }
}

}  // namespace
}  // namespace assay
