#include "engine/native/native_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/native/score_logits.h"
#include "kernels/recipes/cublas.h"
#include "kernels/recipes/half_gemm.h"

namespace assay {
namespace {

bool any_row_changes_bits(const DecoderWeights& weights, const LinearProduct& product) {
  const auto linears = linears_of(weights.layers.at(0));  // every layer has the same shapes
  return std::any_of(linears.begin(), linears.end(),
                     [&](const auto& linear) { return product.rows_change_bits(*linear.first); });
}

}  // namespace

NativeEngine::NativeEngine(std::string model, ModelConfig config, DecoderWeights weights,
                           const Compute& compute, const KernelChoice& kernel, Index prefill_tokens)
    : model_(std::move(model)),
      config_(std::move(config)),
      weights_(std::move(weights)),
      compute_(compute),
      kernel_(kernel),
      prefill_tokens_(prefill_tokens),
      rows_change_bits_(any_row_changes_bits(weights_, LinearProduct(kernel, compute))),
      decoder_(config_, weights_, compute_, kernel_) {}

std::optional<Error> NativeEngine::check_tokens(std::span<const TokenId> tokens, Index capacity) const {
  if (tokens.empty()) return Error{model_, "tokens", "at least one token", "none"};
  if (capacity > config_.context_length) {
    return Error{model_, "tokens", fmt::format("at most the context of {}", config_.context_length),
                 std::to_string(capacity)};
  }
  for (const TokenId token : tokens) {
    if (token < 0 || token >= config_.vocabulary_size) {
      return Error{model_, "tokens", fmt::format("ids below {}", config_.vocabulary_size),
                   std::to_string(token)};
    }
  }
  return std::nullopt;
}

std::optional<Error> NativeEngine::check_asked(const ScoreRequest& request) const {
  const auto length = static_cast<Index>(request.tokens.size());
  if (request.prompt_length < 1 || request.prompt_length > length) {
    return Error{model_, "prompt_length", fmt::format("1 to {}", length),
                 std::to_string(request.prompt_length)};
  }
  Index previous = 0;
  for (const AskedPosition& asked : request.asked) {
    if (asked.position <= previous || asked.position >= length) {
      return Error{model_, "position", fmt::format("ascending, 1 to {}", length - 1),
                   std::to_string(asked.position)};
    }
    previous = asked.position;
    for (const TokenId id : asked.ids) {
      if (id >= 0 && id < config_.vocabulary_size) continue;
      return Error{model_, "ids", fmt::format("ids below {}", config_.vocabulary_size), std::to_string(id)};
    }
    if (asked.top_k < 0 || asked.top_k > config_.vocabulary_size) {
      return Error{model_, "top_k", fmt::format("0 to {}", config_.vocabulary_size),
                   std::to_string(asked.top_k)};
    }
  }
  return std::nullopt;
}

std::optional<Error> NativeEngine::check_sampling(const Sampling& sampling) const {
  const bool greedy = sampling.sampler == Sampler::greedy;
  const double t = sampling.temperature;
  if (greedy ? t == 0 : t >= kLeastTemperature && t <= kMostTemperature) return std::nullopt;
  return Error{
      model_, "temperature",
      greedy ? std::string("0 (greedy)") : fmt::format("{} to {}", kLeastTemperature, kMostTemperature),
      fmt::format("{}", t)};
}

std::vector<Pass> NativeEngine::prefill_passes(Index prompt) const {
  std::vector<Pass> passes;
  for (Index first = 0; first < prompt; first += prefill_tokens_) {
    passes.push_back({first, std::min(prefill_tokens_, prompt - first)});
  }
  return passes;
}

Index NativeEngine::reusable(std::span<const TokenId> tokens, std::span<const Pass> passes) const {
  const auto differ = std::mismatch(tokens.begin(), tokens.end(), state_.tokens.begin(), state_.tokens.end());
  const auto common = static_cast<Index>(differ.first - tokens.begin());
  if (!rows_change_bits_) return common;
  const auto other = std::mismatch(passes.begin(), passes.end(), state_.passes.begin(), state_.passes.end());
  return other.first == passes.end() ? common : std::min(common, other.first->first);
}

void NativeEngine::use_noise(std::uint64_t seed) {
  if (!kernel_.deterministic() && state_.noise_seed != seed) forget();
  state_.noise_seed = seed;
}

void NativeEngine::advance(std::span<const TokenId> tokens, Index count, std::span<const Pass> passes,
                           Index capacity) {
  if (state_.layers.empty() || state_.layers[0].capacity() < capacity) {
    const std::uint64_t seed = state_.noise_seed;
    state_ = decoder_.reserve(capacity);
    state_.noise_seed = seed;
  }
  Index at = std::min(reusable(tokens, passes), count);
  state_.keep(at, config_.hidden_size);
  tokens_computed_ += count - at;
  for (const Pass& pass : passes) {
    const Index end = std::min(pass.first + pass.rows, count);
    if (end <= at) continue;
    decoder_.forward(tokens.subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(end - at)), pass,
                     state_);
    at = end;
  }
}

Result<void> NativeEngine::read_logits(
    std::span<const Index> positions, const std::function<void(std::size_t, std::span<const float>)>& visit) {
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

Result<std::vector<PositionScores>> NativeEngine::read_scores(std::span<const AskedPosition> asked) {
  std::vector<Index> positions;
  for (const AskedPosition& want : asked) positions.push_back(want.position);
  std::vector<PositionScores> scores(asked.size());
  const auto read = read_logits(positions, [&](std::size_t i, std::span<const float> logits) {
    scores[i] = {asked[i].position, score_logits(compute_.ops, logits, asked[i].ids, asked[i].top_k)};
  });
  if (!read) return read.error();
  return scores;
}

Draw NativeEngine::draw(const Sampling& sampling, Index step) const {
  return {sampling, step, noise_threads(spec_of(compute_.device), config_.vocabulary_size)};
}

Result<Scores> NativeEngine::score(const ScoreRequest& request) {
  const auto length = static_cast<Index>(request.tokens.size());
  if (auto error = check_tokens(request.tokens, length)) return *error;
  if (auto error = check_asked(request)) return *error;
  if (auto error = check_sampling(request.sampling)) return *error;

  // The rows to read: the asked positions, and those of the generated tokens.
  std::vector<Index> positions;
  for (const AskedPosition& asked : request.asked) positions.push_back(asked.position);
  const Index first_checked = request.check_tokens ? request.prompt_length : length;
  std::erase_if(positions, [&](Index position) { return position >= first_checked; });
  for (Index position = first_checked; position < length; ++position) positions.push_back(position);
  if (positions.empty()) return Scores{};

  std::vector<Pass> passes =
      prefill_passes(request.replay == Replay::decode ? request.prompt_length : length);
  for (Index at = request.prompt_length; request.replay == Replay::decode && at < length; ++at) {
    passes.push_back({at, 1});
  }
  use_noise(request.noise_seed);
  advance(request.tokens, positions.back(), passes, length);  // tokens from there on predict nothing

  Scores scores{.positions = std::vector<PositionScores>(request.asked.size()),
                .tokens = std::vector<TokenCheck>(static_cast<std::size_t>(length - first_checked))};
  const auto read = read_logits(positions, [&](std::size_t i, std::span<const float> logits) {
    const Index position = positions[i];
    const auto asked =
        std::lower_bound(request.asked.begin(), request.asked.end(), position,
                         [](const AskedPosition& a, Index wanted) { return a.position < wanted; });
    if (asked != request.asked.end() && asked->position == position) {
      scores.positions[static_cast<std::size_t>(asked - request.asked.begin())] = {
          position, score_logits(compute_.ops, logits, asked->ids, asked->top_k)};
    }
    if (position < first_checked) return;
    TokenCheck& check = scores.tokens[static_cast<std::size_t>(position - first_checked)];
    check = check_token(compute_.ops, logits, request.tokens[static_cast<std::size_t>(position)],
                        draw(request.sampling, position - request.prompt_length));
    check.position = position;
  });
  if (!read) return read.error();
  return scores;
}

Result<Generation> NativeEngine::generate(const GenerateRequest& request) {
  const auto prompt_length = static_cast<Index>(request.prompt.size());
  if (auto error = check_tokens(request.prompt, prompt_length + request.max_new_tokens)) return *error;
  if (auto error = check_sampling(request.sampling)) return *error;
  const Index recorded = request.last_positions == 0 ? config_.context_length : request.last_positions;

  Generation made;
  made.prompt_ids = request.prompt;
  std::vector<AskedPosition> asked;
  for (Index position = std::max(Index{1}, prompt_length - recorded); position < prompt_length; ++position) {
    asked.push_back({position, {request.prompt[static_cast<std::size_t>(position)]}, request.top_k});
  }
  std::vector<TokenId> tokens = request.prompt;
  std::vector<Pass> passes = prefill_passes(prompt_length);
  const Index capacity = prompt_length + request.max_new_tokens;
  use_noise(request.noise_seed);
  advance(tokens, prompt_length, passes, capacity);
  auto prefill = read_scores(asked);
  if (!prefill) return prefill.error();
  made.prefill = *std::move(prefill);

  while (static_cast<Index>(made.generated_ids.size()) < request.max_new_tokens) {
    const Index position = prompt_length + static_cast<Index>(made.generated_ids.size());
    TokenId token = 0;
    const auto read = read_logits(std::vector{position}, [&](std::size_t, std::span<const float> logits) {
      token = choose_token(logits, draw(request.sampling, position - prompt_length));
      made.decode.push_back({position, score_logits(compute_.ops, logits, {&token, 1}, request.top_k)});
    });
    if (!read) return read.error();
    made.generated_ids.push_back(token);
    if (static_cast<Index>(made.decode.size()) > recorded) made.decode.erase(made.decode.begin());
    const auto& eos = config_.eos_token_ids;
    if (!request.ignore_eos && std::find(eos.begin(), eos.end(), token) != eos.end()) break;
    if (static_cast<Index>(made.generated_ids.size()) == request.max_new_tokens) break;
    tokens.push_back(token);
    passes.push_back({position, 1});
    advance(tokens, position + 1, passes, capacity);
  }
  return made;
}

// Products of the shapes of the layers' linears.
std::vector<LinearProblem> NativeEngine::problems() const {
  std::vector<LinearProblem> problems;
  for (const auto& [linear, name] : linears_of(weights_.layers.at(0))) {
    problems.push_back(
        {.outputs = linear->weight.columns, .inputs = linear->weight.rows, .dtype = compute_.ops.dtype});
  }
  return problems;
}

Environment NativeEngine::describe() const {
  const DeviceSpec& spec = spec_of(compute_.device);
  const Index most_rows = std::min(prefill_tokens_, config_.context_length);
  Environment ran = {{"device", std::string(spec.name)},
                     {"family", std::string(name_of(spec.family))},
                     {"sm_count", std::to_string(spec.sm_count)},
                     {"isa", std::string(name_of(compute_.ops.isa))},
                     {"kernel", kernel_.name},
                     {"lm_head_kernel", KernelChoice{}.name},
                     {"rows_change_bits", rows_change_bits_ ? "yes" : "no"},
                     {"determinism", kernel_.deterministic() ? "deterministic" : "not_deterministic"}};
  if (kernel_.kernel == KernelName::exllama) {
    ran.push_back({"half_gemm", std::string(half_gemm_evidence(problems(), spec, most_rows))});
  }
  if (kernel_.kernel == KernelName::cublas) {
    ran.push_back({"cublas_splits",
                   std::string(split_evidence(problems(), spec, WeightLayout::transposed, most_rows))});
  }
  if (kernel_.kernel == KernelName::awq) {
    ran.push_back(
        {"cublas_splits", std::string(split_evidence(problems(), spec, WeightLayout::plain, most_rows))});
  }
  return ran;
}

}  // namespace assay
