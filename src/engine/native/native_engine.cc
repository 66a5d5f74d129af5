// The engine that computes everything itself.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "checkpoint/config.h"
#include "checkpoint/model_files.h"
#include "checkpoint/weights.h"
#include "engine/engine.h"
#include "engine/native/decoder.h"
#include "engine/native/decoder_weights.h"
#include "engine/native/quantization_name.h"
#include "engine/native/score_logits.h"

namespace assay {
namespace {

class NativeEngine : public Engine {
 public:
  NativeEngine(std::string model, ModelConfig config, DecoderWeights weights, const Compute& compute)
      : model_(std::move(model)),
        config_(std::move(config)),
        weights_(std::move(weights)),
        compute_(compute),
        decoder_(config_, weights_, compute_) {}

  Index vocabulary_size() const override { return config_.vocabulary_size; }
  Index context_length() const override { return config_.context_length; }
  Index tokens_computed() const override { return tokens_computed_; }
  void forget() override { state_.tokens.clear(); }

  Result<std::vector<PositionScores>> score(const ScoreRequest& request) override;
  Result<Generation> generate(const GenerateRequest& request) override;

 private:
  std::optional<Error> check_tokens(std::span<const TokenId> tokens, Index capacity) const;
  std::optional<Error> check_asked(const ScoreRequest& request) const;

  // Makes the state hold a prefix of `tokens` of at most `limit` tokens, with room for `capacity`; returns
  // its length.
  Index reuse_prefix(std::span<const TokenId> tokens, Index limit, Index capacity);
  // Forwards tokens; their hidden states are appended to `hidden`.
  void forward(std::span<const TokenId> tokens, std::vector<float>& hidden);
  // Scores for asked positions whose hidden states begin at token `first`.
  Result<std::vector<PositionScores>> read_scores(std::span<const AskedPosition> asked,
                                                  const std::vector<float>& hidden, Index first) const;

  std::string model_;
  ModelConfig config_;
  DecoderWeights weights_;
  Compute compute_;
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

Index NativeEngine::reuse_prefix(std::span<const TokenId> tokens, Index limit, Index capacity) {
  if (state_.layers.empty() || state_.layers[0].capacity() < capacity) state_ = decoder_.reserve(capacity);
  const auto differ = std::mismatch(tokens.begin(), tokens.end(), state_.tokens.begin(), state_.tokens.end());
  const Index common = std::min(static_cast<Index>(differ.first - tokens.begin()), limit);
  state_.tokens.resize(static_cast<std::size_t>(common));
  return common;
}

void NativeEngine::forward(std::span<const TokenId> tokens, std::vector<float>& hidden) {
  const std::size_t before = hidden.size();
  hidden.resize(before + tokens.size() * static_cast<std::size_t>(config_.hidden_size));
  decoder_.forward(tokens, state_, hidden.data() + before);
  tokens_computed_ += static_cast<Index>(tokens.size());
}

Result<std::vector<PositionScores>> NativeEngine::read_scores(std::span<const AskedPosition> asked,
                                                              const std::vector<float>& hidden,
                                                              Index first) const {
  constexpr std::size_t kRows = 32;  // logits that exist at one time
  const auto h = static_cast<std::size_t>(config_.hidden_size);
  const auto vocabulary = static_cast<std::size_t>(config_.vocabulary_size);
  std::vector<PositionScores> scores(asked.size());
  std::vector<float> rows(kRows * h);
  std::vector<float> logits(kRows * vocabulary);
  for (std::size_t start = 0; start < asked.size(); start += kRows) {
    const std::size_t count = std::min(kRows, asked.size() - start);
    for (std::size_t i = 0; i < count; ++i) {
      const auto row = static_cast<std::size_t>(asked[start + i].position - 1 - first);
      std::copy_n(hidden.begin() + static_cast<Index>(row * h), h, rows.begin() + static_cast<Index>(i * h));
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

  const std::span<const TokenId> tokens = request.tokens;
  const Index end = request.asked.back().position;  // tokens from here on predict nothing that is asked
  const Index first =
      reuse_prefix(tokens, request.asked.front().position - 1, static_cast<Index>(tokens.size()));
  std::vector<float> hidden;
  auto forward_to = [&, at = first](Index to) mutable {
    forward(tokens.subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(to - at)), hidden);
    at = to;
  };
  if (request.replay == Replay::decode) {
    const Index prompt_end = std::clamp(request.prompt_length, first, end);
    forward_to(prompt_end);
    for (Index at = prompt_end; at < end; ++at) forward_to(at + 1);
  } else {
    forward_to(end);
  }
  return read_scores(request.asked, hidden, first);
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
  const Index limit = asked.empty() ? prompt_length - 1 : asked.front().position - 1;
  const Index first = reuse_prefix(request.prompt, limit, prompt_length + request.max_new_tokens);
  std::vector<float> hidden;
  forward(std::span(request.prompt).subspan(static_cast<std::size_t>(first)), hidden);
  auto prefill = read_scores(asked, hidden, first);
  if (!prefill) return prefill.error();
  made.prefill = *std::move(prefill);

  std::vector<float> last(hidden.end() - config_.hidden_size, hidden.end());
  while (static_cast<Index>(made.generated_ids.size()) < request.max_new_tokens) {
    const Index position = prompt_length + static_cast<Index>(made.generated_ids.size());
    auto scores = read_scores(std::vector<AskedPosition>{{position, {}, std::max(request.top_k, Index{1})}},
                              last, position - 1);
    if (!scores) return scores.error();
    const TokenId token = scores->front().scores.front().id;
    made.generated_ids.push_back(token);
    made.decode.push_back(std::move(scores->front()));
    if (static_cast<Index>(made.decode.size()) > recorded) made.decode.erase(made.decode.begin());
    const auto& eos = config_.eos_token_ids;
    if (!request.ignore_eos && std::find(eos.begin(), eos.end(), token) != eos.end()) break;
    if (static_cast<Index>(made.generated_ids.size()) == request.max_new_tokens) break;
    last.clear();
    forward(std::span(&token, 1), last);
  }
  return made;
}

}  // namespace

Result<std::unique_ptr<Engine>> open_engine(const Setup& setup, ThreadPool& pool, Isa isa) {
  const auto device = device_named(setup.device);
  if (!device) {
    std::vector<std::string_view> names;
    for (const Device known : kDevices) names.push_back(name_of(known));
    return Error{"", "device", fmt::format("one of {}", fmt::join(names, ", ")), setup.device};
  }
  const auto dtype = dtype_named(setup.dtype);
  if (dtype != Dtype::fp16 && dtype != Dtype::bf16)
    return Error{"", "dtype", "float16 or bfloat16", setup.dtype};

  auto folder = find_model(setup.model);
  if (!folder) return folder.error();
  auto config = read_config(*folder);
  if (!config) return config.error();
  if (auto checked =
          check_quantization(setup.quantization, *config, *dtype, (*folder / "config.json").string());
      !checked) {
    return checked.error();
  }
  auto files = Weights::open(*folder);
  if (!files) return files.error();
  auto weights = load_decoder(*files, *config, *dtype, pool);
  if (!weights) return weights.error();
  return std::unique_ptr<Engine>(std::make_unique<NativeEngine>(
      setup.model, *std::move(config), *std::move(weights), Compute{pool, ops_for(isa, *dtype), *device}));
}

}  // namespace assay
