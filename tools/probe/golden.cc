#include "golden.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <array>
#include <charconv>
#include <istream>
#include <sstream>

namespace assay_probe {
namespace {

int digits_of(const InstructionSpec& spec) { return 2 * bytes_of(spec.operand); }
int accumulator_digits(const InstructionSpec& spec) { return spec.half_accumulator ? 4 : 8; }

std::string elements(const InstructionSpec& spec, const std::array<std::uint16_t, 32>& bits) {
  std::string text;
  for (std::size_t i = 0; i < static_cast<std::size_t>(spec.k); ++i) {
    text += fmt::format("{:0{}x}", bits[i], digits_of(spec));
  }
  return text;
}

// Whether `text` is `digits` hex digits.
template <class Bits>
bool read_hex(std::string_view text, int digits, Bits& bits) {
  if (text.size() != static_cast<std::size_t>(digits)) return false;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), bits, 16);
  return status == std::errc() && end == text.data() + text.size();
}

bool read_elements(std::string_view text, const InstructionSpec& spec, std::array<std::uint16_t, 32>& bits) {
  const auto digits = static_cast<std::size_t>(digits_of(spec));
  if (text.size() != digits * static_cast<std::size_t>(spec.k)) return false;
  for (std::size_t i = 0; i < static_cast<std::size_t>(spec.k); ++i) {
    if (!read_hex(text.substr(i * digits, digits), digits_of(spec), bits[i])) return false;
  }
  return true;
}

}  // namespace

void write_golden_header(std::ostream& out, const std::string& device) {
  fmt::print(out, "# Outputs of the matrix instructions of: {}\n", device);
  fmt::print(out, "# instruction c a b d, in hex; format: tools/probe/golden.h\n");
}

void write_golden(std::ostream& out, const InstructionSpec& spec, std::string_view family,
                  std::span<const Sample> samples) {
  fmt::print(out, "# {}\n", family);
  for (const Sample& sample : samples) {
    fmt::print(out, "{} {:0{}x} {} {} {:0{}x}\n", spec.name, sample.c, accumulator_digits(spec),
               elements(spec, sample.a), elements(spec, sample.b), sample.d, accumulator_digits(spec));
  }
}

assay::Result<std::vector<std::pair<InstructionSpec, Sample>>> read_golden(std::istream& in) {
  std::vector<std::pair<InstructionSpec, Sample>> lines;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (line.empty() || line.front() == '#') continue;
    std::istringstream fields(line);
    std::string name;
    std::array<std::string, 4> words;
    fields >> name >> words[0] >> words[1] >> words[2] >> words[3];
    const auto spec = instruction_named(name);
    Sample sample;
    if (!spec || !read_hex(words[0], accumulator_digits(*spec), sample.c) ||
        !read_elements(words[1], *spec, sample.a) || !read_elements(words[2], *spec, sample.b) ||
        !read_hex(words[3], accumulator_digits(*spec), sample.d)) {
      return assay::Error{"mma_golden.txt", fmt::format("line {}", number), "instruction c a b d", line};
    }
    lines.emplace_back(*spec, sample);
  }
  return lines;
}

}  // namespace assay_probe
