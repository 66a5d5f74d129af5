#include "record/score_tensors.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <string_view>

#include "base/json.h"
#include "record/json_codec.h"

namespace assay {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors are little-endian");
static_assert(sizeof(TokenId) == 4 && sizeof(float) == 4);

struct TensorInfo {
  std::string_view name;
  std::string_view dtype;
};
constexpr TensorInfo kTensors[] = {{"ids", "I32"}, {"logprob", "F32"}, {"rank", "I32"}};
constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kElementBytes = 4;
constexpr std::size_t kMaxHeaderBytes = 1 << 16;

template <class T>
void append(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <class T>
T load(std::span<const std::byte> bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.subspan(offset, sizeof(T)).data(), sizeof(T));
  return value;
}

// The header's text, or why there is none.
Result<std::string> header_text(std::span<const std::byte> bytes, const std::string& file) {
  if (bytes.size() < kLengthBytes) {
    return Error{file, "header", "8 bytes of length", fmt::format("a file of {} bytes", bytes.size())};
  }
  const auto length = load<std::uint64_t>(bytes, 0);
  if (length > bytes.size() - kLengthBytes || length > kMaxHeaderBytes) {
    return Error{file, "header", fmt::format("at most {} bytes", bytes.size() - kLengthBytes),
                 std::to_string(length)};
  }
  return std::string(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, length);
}

// Checks one tensor's entry against the place that it must have: element `count` at byte `begin`.
Result<void> check_tensor(const Json& header, const TensorInfo& tensor, std::size_t begin, std::size_t count,
                          const std::string& file) {
  const std::string where = file + ": " + std::string(tensor.name);
  const auto entry = json_get_object(header, file, std::string(tensor.name));
  if (!entry) return entry.error();
  const auto dtype = json_get<std::string>(**entry, where, "dtype");
  const auto shape = json_get_array<Index>(**entry, where, "shape");
  const auto offsets = json_get_array<Index>(**entry, where, "data_offsets");
  if (!dtype) return dtype.error();
  if (!shape) return shape.error();
  if (!offsets) return offsets.error();
  if (*dtype != tensor.dtype) return Error{where, "dtype", std::string(tensor.dtype), *dtype};
  const auto expected = static_cast<Index>(count);
  if (shape->size() != 1 || shape->front() != expected) {
    return Error{where, "shape", fmt::format("[{}]", expected), describe((**entry).at("shape"))};
  }
  const std::vector<Index> place = {static_cast<Index>(begin),
                                    static_cast<Index>(begin + count * kElementBytes)};
  if (*offsets != place) {
    return Error{where, "data_offsets", fmt::format("{} to {}", place[0], place[1]), "others"};
  }
  return {};
}

}  // namespace

std::string encode_scores(const FlatScores& scores) {
  const std::size_t tensor_bytes = scores.size() * kElementBytes;
  Json header = Json::object();
  std::size_t begin = 0;
  for (const TensorInfo& tensor : kTensors) {
    header[std::string(tensor.name)] = {{"dtype", tensor.dtype},
                                        {"shape", Json::array({scores.size()})},
                                        {"data_offsets", Json::array({begin, begin + tensor_bytes})}};
    begin += tensor_bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the format wants the data aligned to 8 bytes
  std::string bytes;
  append(bytes, static_cast<std::uint64_t>(text.size()));
  bytes += text;
  for (const TokenScore& score : scores) append(bytes, score.id);
  for (const TokenScore& score : scores) append(bytes, score.logprob);
  for (const TokenScore& score : scores) append(bytes, score.rank);
  return bytes;
}

Result<FlatScores> decode_scores(std::span<const std::byte> bytes, const std::string& file) {
  const auto text = header_text(bytes, file);
  if (!text) return text.error();
  const auto header = parse_json(*text, file);
  if (!header) return header.error();
  static constexpr std::string_view kKnown[] = {"ids", "logprob", "rank"};
  if (!header->is_object()) return Error{file, "header", "an object", describe(*header)};
  if (const auto known = refuse_unknown_keys(*header, file, kKnown); !known) return known.error();

  const auto data = bytes.subspan(kLengthBytes + text->size());
  const std::size_t tensor_bytes = data.size() / std::size(kTensors);
  if (data.size() % (std::size(kTensors) * kElementBytes) != 0) {
    return Error{file, "data", "three tensors of one length", fmt::format("{} bytes", data.size())};
  }
  const std::size_t count = tensor_bytes / kElementBytes;
  for (std::size_t t = 0; t < std::size(kTensors); ++t) {
    const auto checked = check_tensor(*header, kTensors[t], t * tensor_bytes, count, file);
    if (!checked) return checked.error();
  }
  FlatScores scores(count);
  for (std::size_t i = 0; i < count; ++i) {
    scores[i] = {.id = load<TokenId>(data, i * kElementBytes),
                 .logprob = load<float>(data, tensor_bytes + i * kElementBytes),
                 .rank = load<std::int32_t>(data, 2 * tensor_bytes + i * kElementBytes)};
  }
  return scores;
}

}  // namespace assay
