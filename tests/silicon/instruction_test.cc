// The model of one step, and every instruction set's chains, against the bits that the matrix instructions of
// an H200 gave (tests/golden/instructions, written by tools/probe/mma_probe).
#include <gtest/gtest.h>

#include <bit>
#include <fstream>
#include <map>

#include "emulator/chain.h"
#include "number/float16.h"
#include "probe/golden.h"

namespace assay {
namespace {

using assay_probe::InstructionSpec;
using assay_probe::Sample;

std::vector<std::pair<InstructionSpec, Sample>> load() {
  std::ifstream file(ASSAY_SOURCE_DIR "/tests/golden/instructions/h200.txt");
  auto lines = assay_probe::read_golden(file);
  if (!lines) throw Fault(lines.error().message());
  return *std::move(lines);
}

std::vector<float> decoded(const InstructionSpec& spec, const std::array<std::uint16_t, 32>& bits) {
  std::vector<float> values;
  for (std::size_t i = 0; i < static_cast<std::size_t>(spec.k); ++i) {
    values.push_back(assay_probe::decode(spec.operand, bits[i]));
  }
  return values;
}

// NaN comes in one form from the hardware, and from the model.
TEST(Instructions, TheModelGivesTheBitsOfTheHardware) {
  std::map<std::string, int> outputs;
  for (const auto& [spec, sample] : load()) {
    const auto a = decoded(spec, sample.a);
    const auto b = decoded(spec, sample.b);
    ASSERT_EQ(assay_probe::expected_bits(spec, sample.c, a.data(), b.data()), sample.d)
        << spec.name << " c " << std::hex << sample.c;
    ++outputs[std::string(spec.name)];
  }
  EXPECT_EQ(outputs.size(), 14U);
  for (const auto& [name, count] : outputs) EXPECT_GE(count, 100) << name;
}

TEST(Instructions, EveryInstructionSetGivesTheBitsOfTheHardware) {
  int compared = 0;
  for (const auto& [spec, sample] : load()) {
    if (spec.half_accumulator || (spec.operand != Operand::fp16 && spec.operand != Operand::bf16)) continue;
    const auto a = decoded(spec, sample.a);
    std::vector<std::uint16_t> panel(static_cast<std::size_t>(spec.k * kPanelColumns));
    for (std::size_t k = 0; k < static_cast<std::size_t>(spec.k); ++k) panel[k * kPanelColumns] = sample.b[k];
    for (const Isa isa : available_isas()) {
      float c = std::bit_cast<float>(sample.c);
      emulate_chain(
          isa, Family::hopper, spec.operand == Operand::fp16 ? Dtype::fp16 : Dtype::bf16,
          {a.data(), spec.k, 1, panel.data(), spec.k * kPanelColumns, 1, {.run = spec.k}, &c, 1, true});
      ASSERT_EQ(std::bit_cast<std::uint32_t>(c), sample.d) << spec.name << " " << name_of(isa);
      ++compared;
    }
  }
  EXPECT_GE(compared, 2000);
}

// The same operands under another family: the difference must show.
TEST(Instructions, AnotherFamilyIsNotTakenForIt) {
  int different = 0;
  int compared = 0;
  for (const auto& [spec, sample] : load()) {
    if (spec.name != "mma.m16n8k16.f32.f16") continue;
    const auto a = decoded(spec, sample.a);
    std::vector<std::uint16_t> panel(static_cast<std::size_t>(spec.k * kPanelColumns));
    for (std::size_t k = 0; k < static_cast<std::size_t>(spec.k); ++k) panel[k * kPanelColumns] = sample.b[k];
    float c = std::bit_cast<float>(sample.c);
    emulate_chain(
        fastest_isa(), Family::ampere, Dtype::fp16,
        {a.data(), spec.k, 1, panel.data(), spec.k * kPanelColumns, 1, {.run = spec.k}, &c, 1, true});
    different += std::bit_cast<std::uint32_t>(c) != sample.d ? 1 : 0;
    ++compared;
  }
  EXPECT_GT(different, compared / 10);  // many of these operands are zeros or specials
}

}  // namespace
}  // namespace assay
