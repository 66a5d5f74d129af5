#include "engine/native/native_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/native/score_logits.h"
#include "kernels/recipes/cublas.h"
#include "kernels/recipes/half_gemm.h"

namespace assay {
namespace {

bool any_row_changes_bits(const std::vector<LayerProblem>& problems, const NativeSetup& setup) {
  return std::any_of(problems.begin(), problems.end(), [&](const LayerProblem& layer) {
    return rows_change_bits(setup.kernel, layer.problem, setup.device);
  });
}

}  // namespace

NativeEngine::NativeEngine(std::string model, ModelConfig config, const NativeSetup& setup, const Ops& ops,
                           std::unique_ptr<DecoderBackend> backend)
    : model_(std::move(model)),
      config_(std::move(config)),
      setup_(setup),
      ops_(ops),
      problems_(layer_problems(config_, ops.dtype)),
      rows_change_bits_(any_row_changes_bits(problems_, setup_)),
      backend_(std::move(backend)) {}

void NativeEngine::forget() {
  tokens_.clear();
  passes_.clear();
}

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
  for (Index first = 0; first < prompt; first += setup_.prefill_tokens) {
    passes.push_back({first, std::min(setup_.prefill_tokens, prompt - first)});
  }
  return passes;
}

Index NativeEngine::reusable(std::span<const TokenId> tokens, std::span<const Pass> passes) const {
  const auto differ = std::mismatch(tokens.begin(), tokens.end(), tokens_.begin(), tokens_.end());
  const auto common = static_cast<Index>(differ.first - tokens.begin());
  if (!rows_change_bits_) return common;
  const auto other = std::mismatch(passes.begin(), passes.end(), passes_.begin(), passes_.end());
  return other.first == passes.end() ? common : std::min(common, other.first->first);
}

void NativeEngine::use_noise(std::uint64_t seed) {
  if (!setup_.kernel.deterministic() && noise_seed_ != seed) forget();
  noise_seed_ = seed;
}

void NativeEngine::advance(std::span<const TokenId> tokens, Index count, std::span<const Pass> passes,
                           Index capacity) {
  if (backend_->capacity() < capacity) {
    backend_->reserve(capacity);
    forget();
  }
  Index at = std::min(reusable(tokens, passes), count);
  tokens_.resize(static_cast<std::size_t>(at));
  while (!passes_.empty() && passes_.back().first >= at) passes_.pop_back();
  tokens_computed_ += count - at;
  for (const Pass& pass : passes) {
    const Index end = std::min(pass.first + pass.rows, count);
    if (end <= at) continue;
    const auto rows = tokens.subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(end - at));
    backend_->forward(rows, at, pass, noise_seed_);
    tokens_.insert(tokens_.end(), rows.begin(), rows.end());
    if (passes_.empty() || passes_.back() != pass) passes_.push_back(pass);
    at = end;
  }
}

Draw NativeEngine::draw(const Sampling& sampling, Index step) const {
  return {sampling, step, noise_threads(setup_.device, config_.vocabulary_size)};
}

// What a request wants to be read: generated tokens that are checked need all their logits; of the other positions the
// scores do.
struct NativeEngine::Reading {
  explicit Reading(const ScoreRequest& request) {
    const auto length = static_cast<Index>(request.tokens.size());
    const Index first_checked = request.check_tokens ? request.prompt_length : length;
    const auto first_too =
        std::lower_bound(request.asked.begin(), request.asked.end(), first_checked,
                         [](const AskedPosition& a, Index wanted) { return a.position < wanted; });
    only_asked = {request.asked.begin(), first_too};
    asked_too = {first_too, request.asked.end()};
    for (Index position = first_checked; position < length; ++position) checked.push_back(position);
  }

  // Tokens that must be known.
  Index last() const {
    if (!checked.empty()) return checked.back();
    return only_asked.empty() ? 0 : only_asked.back().position;
  }

  std::span<const AskedPosition> only_asked;
  std::span<const AskedPosition> asked_too;  // among the checked
  std::vector<Index> checked;
};

std::optional<Error> NativeEngine::check(const ScoreRequest& request) const {
  if (auto error = check_tokens(request.tokens, static_cast<Index>(request.tokens.size()))) return error;
  if (auto error = check_asked(request)) return error;
  return check_sampling(request.sampling);
}

Result<Scores> NativeEngine::read(const ScoreRequest& request, const Reading& reading) {
  auto asked_scores = backend_->score(reading.only_asked);
  if (!asked_scores) return asked_scores.error();
  Scores scores{.positions = *std::move(asked_scores),
                .tokens = std::vector<TokenCheck>(reading.checked.size())};
  scores.positions.resize(request.asked.size());
  const auto visited =
      backend_->visit_logits(reading.checked, [&](std::size_t i, std::span<const float> logits) {
        const Index position = reading.checked[i];
        const auto asked = std::find_if(reading.asked_too.begin(), reading.asked_too.end(),
                                        [&](const AskedPosition& a) { return a.position == position; });
        if (asked != reading.asked_too.end()) {
          const auto at =
              reading.only_asked.size() + static_cast<std::size_t>(asked - reading.asked_too.begin());
          scores.positions[at] = {position, score_logits(ops_, logits, asked->ids, asked->top_k)};
        }
        scores.tokens[i] = check_token(ops_, logits, request.tokens[static_cast<std::size_t>(position)],
                                       draw(request.sampling, position - request.prompt_length));
        scores.tokens[i].position = position;
      });
  if (!visited) return visited.error();
  return scores;
}

Result<Scores> NativeEngine::score(const ScoreRequest& request) {
  if (auto error = check(request)) return *error;
  const Reading reading(request);
  if (reading.last() == 0) return Scores{};
  const auto length = static_cast<Index>(request.tokens.size());
  std::vector<Pass> passes =
      prefill_passes(request.replay == Replay::decode ? request.prompt_length : length);
  for (Index at = request.prompt_length; request.replay == Replay::decode && at < length; ++at) {
    passes.push_back({at, 1});
  }
  use_noise(request.noise_seed);
  advance(request.tokens, reading.last(), passes, length);  // tokens from there on predict nothing
  return read(request, reading);
}

bool NativeEngine::can_branch(std::span<const ScoreRequest> requests) const {
  if (requests.size() < 2 || static_cast<Index>(requests.size()) > backend_->most_branches()) return false;
  const auto prompt_of = [](const ScoreRequest& request) {
    return std::span(request.tokens).first(static_cast<std::size_t>(request.prompt_length));
  };
  return std::all_of(requests.begin(), requests.end(), [&](const ScoreRequest& request) {
    const auto prompt = prompt_of(request);
    const auto first = prompt_of(requests.front());
    return request.replay == Replay::decode && Reading(request).last() > request.prompt_length &&
           std::equal(prompt.begin(), prompt.end(), first.begin(), first.end());
  });
}

Result<std::vector<Scores>> NativeEngine::score_together(std::span<const ScoreRequest> requests) {
  for (const ScoreRequest& request : requests) {
    if (auto error = check(request)) return *error;
  }
  if (!can_branch(requests)) return Engine::score_together(requests);
  const Index prompt = requests.front().prompt_length;
  std::vector<std::span<const TokenId>> branches;
  Index longest = 0;
  for (const ScoreRequest& request : requests) {
    const Index steps = Reading(request).last() - prompt;
    branches.push_back(
        std::span(request.tokens).subspan(static_cast<std::size_t>(prompt), static_cast<std::size_t>(steps)));
    longest = std::max(longest, steps);
    tokens_computed_ += steps;
  }
  advance(requests.front().tokens, prompt, prefill_passes(prompt),
          prompt + longest * static_cast<Index>(requests.size()));
  backend_->forward_branches(prompt, branches);
  std::vector<Scores> all;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    backend_->select_branch(static_cast<Index>(i));
    auto scores = read(requests[i], Reading(requests[i]));
    if (!scores) return scores.error();
    all.push_back(*std::move(scores));
  }
  return all;
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
  auto prefill = backend_->score(asked);
  if (!prefill) return prefill.error();
  made.prefill = *std::move(prefill);

  while (static_cast<Index>(made.generated_ids.size()) < request.max_new_tokens) {
    const Index position = prompt_length + static_cast<Index>(made.generated_ids.size());
    TokenId token = 0;
    const auto read =
        backend_->visit_logits(std::vector{position}, [&](std::size_t, std::span<const float> logits) {
          token = choose_token(logits, draw(request.sampling, position - prompt_length));
          made.decode.push_back({position, score_logits(ops_, logits, {&token, 1}, request.top_k)});
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

Environment NativeEngine::describe() const {
  const DeviceSpec& spec = setup_.device;
  const Index most_rows = std::min(setup_.prefill_tokens, config_.context_length);
  std::vector<LinearProblem> problems;
  for (const LayerProblem& layer : problems_) problems.push_back(layer.problem);
  Environment ran = {{"device", std::string(spec.name)},
                     {"family", std::string(name_of(spec.family))},
                     {"sm_count", std::to_string(spec.sm_count)}};
  for (auto& entry : backend_->describe()) ran.push_back(std::move(entry));
  ran.insert(ran.end(),
             {{"kernel", setup_.kernel.name},
              {"lm_head_kernel", KernelChoice{}.name},
              {"rows_change_bits", rows_change_bits_ ? "yes" : "no"},
              {"determinism", setup_.kernel.deterministic() ? "deterministic" : "not_deterministic"}});
  if (setup_.kernel.kernel == KernelName::exllama) {
    ran.push_back({"half_gemm", std::string(half_gemm_evidence(problems, spec, most_rows))});
  }
  if (setup_.kernel.kernel == KernelName::cublas) {
    ran.push_back(
        {"cublas_splits", std::string(split_evidence(problems, spec, WeightLayout::transposed, most_rows))});
  }
  if (setup_.kernel.kernel == KernelName::awq) {
    ran.push_back(
        {"cublas_splits", std::string(split_evidence(problems, spec, WeightLayout::plain, most_rows))});
  }
  return ran;
}

}  // namespace assay
