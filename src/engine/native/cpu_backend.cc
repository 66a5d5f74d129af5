#include "engine/native/cpu_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace assay {

CpuBackend::CpuBackend(std::string model, const ModelConfig& config, DecoderWeights weights,
                       const Compute& compute, const KernelChoice& kernel)
    : model_(std::move(model)),
      config_(config),
      weights_(std::move(weights)),
      compute_(compute),
      decoder_(config_, weights_, compute_, kernel) {}

Index CpuBackend::capacity() const { return state_.layers.empty() ? 0 : state_.layers[0].capacity(); }

void CpuBackend::forward(std::span<const std::int32_t> tokens, Index position, const Pass& pass,
                         std::uint64_t noise_seed) {
  state_.keep(position, config_.hidden_size);
  state_.noise_seed = noise_seed;
  decoder_.forward(tokens, pass, state_);
}

Result<void> CpuBackend::visit_logits(std::span<const Index> positions, const Visit& visit) {
  constexpr std::size_t kRows = 32;  // logits that exist at one time
  const auto h = static_cast<std::size_t>(config_.hidden_size);
  const auto vocabulary = static_cast<std::size_t>(config_.vocabulary_size);
  std::vector<float> rows(kRows * h);
  std::vector<float> logits(kRows * vocabulary);
  const auto row_of = [&](std::size_t i) { return std::span(logits).subspan(i * vocabulary, vocabulary); };
  for (std::size_t start = 0; start < positions.size(); start += kRows) {
    const std::size_t count = std::min(kRows, positions.size() - start);
    for (std::size_t i = 0; i < count; ++i) {
      const auto row = static_cast<std::size_t>(positions[start + i] - 1);
      std::copy_n(state_.hidden.begin() + static_cast<Index>(row * h), h,
                  rows.begin() + static_cast<Index>(i * h));
    }
    decoder_.logits(rows.data(), static_cast<Index>(count), logits.data());
    for (std::size_t i = 0; i < count; ++i) {
      const auto row = row_of(i);
      const auto bad = std::find_if(row.begin(), row.end(), [](float x) { return !std::isfinite(x); });
      if (bad == row.end()) continue;
      return Error{model_, fmt::format("logits of position {}", positions[start + i]), "finite values",
                   std::to_string(*bad)};
    }
    compute_.pool.parallel_for(static_cast<Index>(count), [&](Index i) {
      const auto at = static_cast<std::size_t>(i);
      visit(start + at, row_of(at));
    });
  }
  return {};
}

Result<std::vector<PositionScores>> CpuBackend::score(std::span<const AskedPosition> asked) {
  return score_by_visiting(*this, compute_.ops, asked);
}

Environment CpuBackend::describe() const {
  return {{"processor", "cpu"}, {"isa", std::string(name_of(compute_.ops.isa))}};
}

}  // namespace assay
