// libFuzzer: parse_safetensors takes any bytes, and what it accepts is consistent.
// Input: an even first byte, then a whole file; or an odd one, whose upper bits say how many bytes of data
// follow the rest, which is the header.
#include "checkpoint/safetensors.h"

#include <cstdint>
#include <string>

#include "checkpoint/test_folder.h"

namespace {

void check(const std::string& file) {
  using namespace assay;
  const auto bytes = std::as_bytes(std::span(file));
  const auto tensors = parse_safetensors(bytes, "fuzz");
  if (!tensors) {
    require(!tensors.error().message().empty(), "an error says something");
    return;
  }
  std::size_t covered = 0;
  for (const Tensor& tensor : *tensors) {
    covered += tensor.bytes.size();
    unsigned sum = 0;
    for (std::byte byte : tensor.bytes)
      sum += std::to_integer<unsigned>(byte);  // the sanitizer checks the reads
    require(sum <= 255 * tensor.bytes.size(), "bytes are bytes");
    const auto type = stored_type(tensor);
    if (!type) continue;
    std::size_t count = 1;
    for (Index extent : tensor.shape) count *= static_cast<std::size_t>(extent);
    require(count * size_in_bytes(*type) == tensor.bytes.size(), "a tensor has dtype times shape bytes");
  }
  require(covered <= bytes.size(), "tensors do not overlap");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  check(data[0] % 2 == 0 ? rest : assay::testing::safetensors_text(rest, std::string(data[0] / 2, '\x11')));
  return 0;
}
