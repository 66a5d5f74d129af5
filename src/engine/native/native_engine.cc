// The engine that computes everything itself.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "checkpoint/config.h"
#include "checkpoint/model_files.h"
#include "checkpoint/weights.h"
#include "emulator/arithmetic.h"
#include "engine/engine.h"
#include "engine/native/decoder.h"
#include "engine/native/decoder_weights.h"
#include "engine/native/quantization_name.h"
#include "engine/native/score_logits.h"
#include "kernels/recipes/half_gemm.h"

namespace assay {
namespace {

// The linear layers of a decoder layer, with their names.
std::vector<std::pair<const Linear*, const char*>> linears_of(const DecoderLayer& layer) {
  return {{&layer.qkv, "self_attn.qkv_proj"},
          {&layer.output, "self_attn.o_proj"},
          {&layer.gate_up, "mlp.gate_up_proj"},
          {&layer.down, "mlp.down_proj"}};
}

bool any_row_changes_bits(const DecoderWeights& weights, const LinearProduct& product) {
  const auto linears = linears_of(weights.layers.at(0));  // every layer has the same shapes
  return std::any_of(linears.begin(), linears.end(),
                     [&](const auto& linear) { return product.rows_change_bits(*linear.first); });
}

class NativeEngine : public Engine {
 public:
  NativeEngine(std::string model, ModelConfig config, DecoderWeights weights, const Compute& compute,
               const KernelChoice& kernel, Index prefill_tokens)
      : model_(std::move(model)),
        config_(std::move(config)),
        weights_(std::move(weights)),
        compute_(compute),
        kernel_(kernel),
        prefill_tokens_(prefill_tokens),
        rows_change_bits_(any_row_changes_bits(weights_, LinearProduct(kernel, compute))),
        decoder_(config_, weights_, compute_, kernel_) {}

  Index vocabulary_size() const override { return config_.vocabulary_size; }
  Index context_length() const override { return config_.context_length; }
  Index tokens_computed() const override { return tokens_computed_; }
  void forget() override { state_.keep(0, config_.hidden_size); }
  Environment describe() const override;

  Result<std::vector<PositionScores>> score(const ScoreRequest& request) override;
  Result<Generation> generate(const GenerateRequest& request) override;

 private:
  std::optional<Error> check_tokens(std::span<const TokenId> tokens, Index capacity) const;
  std::optional<Error> check_asked(const ScoreRequest& request) const;

  // The passes of `prompt` tokens as the engine would cut them.
  std::vector<Pass> prefill_passes(Index prompt) const;
  // Makes the state hold the first `count` of `tokens`, as rows of `passes`, with room for `capacity`; what
  // it holds already, in passes that give the same bits, is not computed again.
  void advance(std::span<const TokenId> tokens, Index count, std::span<const Pass> passes, Index capacity);
  // Before advance(): forgets what was computed under another seed, where that can change a bit.
  void use_noise(std::uint64_t seed);
  std::string_view half_gemm_evidence() const;
  Index reusable(std::span<const TokenId> tokens, std::span<const Pass> passes) const;
  // From the state's hidden states.
  Result<std::vector<PositionScores>> read_scores(std::span<const AskedPosition> asked);

  std::string model_;
  ModelConfig config_;
  DecoderWeights weights_;
  Compute compute_;
  KernelChoice kernel_;
  Index prefill_tokens_;
  bool rows_change_bits_;
  Decoder decoder_;
  DecoderState state_;
  Index tokens_computed_ = 0;
};

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

Result<std::vector<PositionScores>> NativeEngine::read_scores(std::span<const AskedPosition> asked) {
  constexpr std::size_t kRows = 32;  // logits that exist at one time
  const auto h = static_cast<std::size_t>(config_.hidden_size);
  const auto vocabulary = static_cast<std::size_t>(config_.vocabulary_size);
  std::vector<PositionScores> scores(asked.size());
  std::vector<float> rows(kRows * h);
  std::vector<float> logits(kRows * vocabulary);
  for (std::size_t start = 0; start < asked.size(); start += kRows) {
    const std::size_t count = std::min(kRows, asked.size() - start);
    for (std::size_t i = 0; i < count; ++i) {
      const auto row = static_cast<std::size_t>(asked[start + i].position - 1);
      std::copy_n(state_.hidden.begin() + static_cast<Index>(row * h), h,
                  rows.begin() + static_cast<Index>(i * h));
    }
    decoder_.logits(rows.data(), static_cast<Index>(count), logits.data());
    for (std::size_t i = 0; i < count; ++i) {
      const auto bad = std::find_if(logits.begin() + static_cast<Index>(i * vocabulary),
                                    logits.begin() + static_cast<Index>((i + 1) * vocabulary),
                                    [](float x) { return !std::isfinite(x); });
      if (bad != logits.begin() + static_cast<Index>((i + 1) * vocabulary)) {
        return Error{model_, fmt::format("logits of position {}", asked[start + i].position), "finite values",
                     std::to_string(*bad)};
      }
    }
    compute_.pool.parallel_for(static_cast<Index>(count), [&](Index i) {
      const AskedPosition& want = asked[start + static_cast<std::size_t>(i)];
      const std::span row(logits.data() + static_cast<std::size_t>(i) * vocabulary, vocabulary);
      scores[start + static_cast<std::size_t>(i)] = {want.position,
                                                     score_logits(compute_.ops, row, want.ids, want.top_k)};
    });
  }
  return scores;
}

Result<std::vector<PositionScores>> NativeEngine::score(const ScoreRequest& request) {
  if (auto error = check_tokens(request.tokens, static_cast<Index>(request.tokens.size()))) return *error;
  if (auto error = check_asked(request)) return *error;
  if (request.asked.empty()) return std::vector<PositionScores>{};

  const auto length = static_cast<Index>(request.tokens.size());
  const Index end = request.asked.back().position;  // tokens from here on predict nothing that is asked
  std::vector<Pass> passes =
      prefill_passes(request.replay == Replay::decode ? request.prompt_length : length);
  for (Index at = request.prompt_length; request.replay == Replay::decode && at < length; ++at) {
    passes.push_back({at, 1});
  }
  use_noise(request.noise_seed);
  advance(request.tokens, end, passes, length);
  return read_scores(request.asked);
}

Result<Generation> NativeEngine::generate(const GenerateRequest& request) {
  const auto prompt_length = static_cast<Index>(request.prompt.size());
  if (auto error = check_tokens(request.prompt, prompt_length + request.max_new_tokens)) return *error;
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
    auto scores = read_scores(std::vector<AskedPosition>{{position, {}, std::max(request.top_k, Index{1})}});
    if (!scores) return scores.error();
    const TokenId token = scores->front().scores.front().id;
    made.generated_ids.push_back(token);
    made.decode.push_back(std::move(scores->front()));
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

// Whether what passes of more than kExllamaMostRows rows run is cublasHgemm's recipe or an approximation.
std::string_view NativeEngine::half_gemm_evidence() const {
  const DecoderLayer& layer = weights_.layers.at(0);
  std::vector<LinearProblem> problems;
  for (const Linear* linear : {&layer.qkv, &layer.output, &layer.gate_up, &layer.down}) {
    problems.push_back({.outputs = linear->weight.columns, .inputs = linear->weight.rows});
  }
  return assay::half_gemm_evidence(problems, spec_of(compute_.device));
}

Environment NativeEngine::describe() const {
  const DeviceSpec& spec = spec_of(compute_.device);
  Environment ran = {{"device", std::string(spec.name)},
                     {"family", std::string(name_of(spec.family))},
                     {"sm_count", std::to_string(spec.sm_count)},
                     {"isa", std::string(name_of(compute_.ops.isa))},
                     {"kernel", kernel_.name},
                     {"lm_head_kernel", KernelChoice{}.name},
                     {"rows_change_bits", rows_change_bits_ ? "yes" : "no"},
                     {"deterministic", kernel_.deterministic() ? "yes" : "no"}};
  if (kernel_.kernel == KernelName::exllama) ran.push_back({"half_gemm", std::string(half_gemm_evidence())});
  return ran;
}

WeightForm form_for(const KernelChoice& kernel) {
  const bool marlin = kernel.kernel == KernelName::marlin_a || kernel.kernel == KernelName::marlin_b;
  return {.sorts_by_group = marlin || kernel.kernel == KernelName::machete,
          .scales_columns_outside = marlin,
          .keeps_integers = kernel.kernel == KernelName::exllama};
}

Result<void> check_layers(const DecoderWeights& weights, const LinearProduct& product,
                          const std::string& file) {
  for (const auto& [linear, name] : linears_of(weights.layers.at(0))) {
    if (auto checked = product.check(*linear, file, name); !checked) return checked;
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Engine>> open_engine(const Setup& setup, ThreadPool& pool, Isa isa) {
  const auto device = device_named(setup.device);
  if (!device) {
    std::vector<std::string_view> names;
    for (const DeviceSpec& known : device_table()) names.push_back(known.name);
    return Error{"", "device", fmt::format("one of {}", fmt::join(names, ", ")), setup.device};
  }
  const auto dtype = dtype_named(setup.dtype);
  if (dtype != Dtype::fp16 && dtype != Dtype::bf16)
    return Error{"", "dtype", "float16 or bfloat16", setup.dtype};
  if (setup.prefill_tokens < 1) {
    return Error{"", "prefill_tokens", "at least 1", std::to_string(setup.prefill_tokens)};
  }
  const DeviceSpec& spec = spec_of(*device);
  if (is_gpu(*device) && !dot_arithmetic(spec.family, operand_of(*dtype))) {
    return Error{"", "dtype", fmt::format("a type that the tensor cores of {} multiply", spec.name),
                 setup.dtype};
  }

  auto folder = find_model(setup.model);
  if (!folder) return folder.error();
  auto config = read_config(*folder);
  if (!config) return config.error();
  const std::string config_file = (*folder / "config.json").string();
  if (auto checked = check_quantization(setup.quantization, *config, *dtype, config_file); !checked) {
    return checked.error();
  }
  const auto kernel = choose_kernel(setup.quantization, setup.profile, spec,
                                    setup.kernel.empty() ? std::nullopt : std::optional(setup.kernel));
  if (!kernel) return kernel.error();
  if (kernel->kernel != KernelName::chain && config->quantization && config->quantization->bits != 4) {
    return Error{config_file, "quantization_config.bits", fmt::format("4 for kernel {}", kernel->name),
                 std::to_string(config->quantization->bits)};
  }
  auto files = Weights::open(*folder);
  if (!files) return files.error();
  auto weights = load_decoder(*files, *config, *dtype, form_for(*kernel), pool);
  if (!weights) return weights.error();
  const Compute compute{pool, ops_for(isa, *dtype), *device};
  if (auto checked = check_layers(*weights, LinearProduct(*kernel, compute), config_file); !checked) {
    return checked.error();
  }
  return std::unique_ptr<Engine>(std::make_unique<NativeEngine>(
      setup.model, *std::move(config), *std::move(weights), compute, *kernel, setup.prefill_tokens));
}

}  // namespace assay
