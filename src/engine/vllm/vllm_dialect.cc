#include "engine/vllm/vllm_dialect.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "engine/remote/wanted_scores.h"
#include "engine/vllm/completion_reply.h"
#include "engine/vllm/identity.h"
#include "engine/vllm/ids_reply.h"
#include "engine/vllm/probe.h"
#include "engine/vllm/requests.h"
#include "engine/vllm/trace_reply.h"

namespace assay {
namespace {

std::vector<bool> wanted_positions(const ScoreRequest& request) {
  std::vector<bool> wanted(request.tokens.size(), false);
  for (const AskedPosition& asked : request.asked) wanted[static_cast<std::size_t>(asked.position)] = true;
  if (checks_greedy(request)) std::fill(wanted.begin() + request.prompt_length, wanted.end(), true);
  return wanted;
}

std::span<const TokenId> prompt_of(const ScoreRequest& request) {
  return std::span(request.tokens).first(static_cast<std::size_t>(request.prompt_length));
}
std::span<const TokenId> generated_of(const ScoreRequest& request) {
  return std::span(request.tokens).subspan(static_cast<std::size_t>(request.prompt_length));
}

PositionRange recorded_prompt(const GenerateRequest& request) {
  return recorded_range(0, std::ssize(request.prompt), request.last_positions);
}

Environment served_by(const std::string& fingerprint) {
  if (fingerprint.empty()) return {};
  return {{"fingerprint", fingerprint}};
}

// No rows: the server does not score ids of interest, or none are asked.
IdRows rows_of(const ScoreRequest& request, const Probe& probe) {
  if (!probe.capabilities.ids_of_interest) return {};
  return id_rows(request, probe.capabilities.most_top_k);
}

// `read` holds every position that the request wants, ascending.
Result<Scores> scores_of(const ScoreRequest& request, std::vector<PositionScores> read,
                         const std::string& fingerprint) {
  auto next = read.begin();
  return gather_scores(request, served_by(fingerprint),
                       [&](Index position, TokenId) -> Result<PositionScores> {
                         while (next != read.end() && next->position < position) ++next;
                         if (next == read.end() || next->position != position) {
                           return Error{"", fmt::format("position {}", position), "its scores", "none"};
                         }
                         return std::move(*next);
                       });
}

class VllmDialect : public Dialect {
 public:
  explicit VllmDialect(std::string model) : model_(std::move(model)) {
    std::random_device random;
    salt_ = fmt::format("assay-{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
  }

  const char* name() const override { return "vllm"; }
  const char* health_path() const override { return "/health"; }
  Result<Probe> probe(const Ask& ask) override { return probe_vllm(ask, model_, salt_); }

  HttpRequest score_request(const ScoreRequest& request, const Probe& probe,
                            const std::string& id) const override {
    const Index k = widened_top_k(request, probe.capabilities.most_top_k);
    if (request.replay == Replay::decode) {
      return trace_request({model_, id, salt_}, prompt_of(request), generated_of(request), k);
    }
    const IdRows rows = rows_of(request, probe);
    if (!rows.ids.empty()) return ids_request({model_, id, salt_}, request.tokens, k, rows);
    return completion_request({model_, id, salt_}, {.prompt = request.tokens, .prompt_logprobs = k});
  }

  Result<Scores> read_scores(const ScoreRequest& request, const Probe& probe, const std::string& id,
                             const HttpReply& reply) const override {
    const Index k = widened_top_k(request, probe.capabilities.most_top_k);
    if (request.replay == Replay::decode) {
      auto read = read_trace(reply, {.trace = generated_of(request),
                                     .first = request.prompt_length,
                                     .rules = {.top_k = k, .form = ListForm::k_at_most}});
      if (!read) return read.error();
      if (auto own = check_id(read->id, probe, id); !own) return own.error();
      return scores_of(request, std::move(read->positions), read->fingerprint);
    }
    PromptLists prompt{.tokens = request.tokens,
                       .rules = {.top_k = k, .own_ranks = probe.capabilities.ranks},
                       .wanted = wanted_positions(request)};
    if (const IdRows rows = rows_of(request, probe); !rows.ids.empty()) {
      prompt.place = "prompt_logprobs";
      auto read = read_ids_reply(reply, {.prompt = std::move(prompt),
                                         .rows = rows,
                                         .most_apart = probe.capabilities.batch_invariant ? 0 : kMostApart});
      if (!read) return read.error();
      if (auto own = check_id(read->id, probe, id); !own) return own.error();
      if (auto same = check_model(read->model); !read->model.empty() && !same) return same.error();
      return scores_of(request, std::move(read->prompt), "");
    }
    auto read = read_completion(reply, {.prompt = std::move(prompt), .prompt_logprobs = true});
    if (!read) return read.error();
    if (auto own = check_reply(*read, probe, id); !own) return own.error();
    return scores_of(request, std::move(read->prompt), read->fingerprint);
  }

  Result<void> allows(const GenerateRequest& request, const Probe& probe) const override {
    const double temperature = request.sampling.temperature;
    if (temperature == 0 || temperature == 1) return {};
    if (lookup(probe.identity, kLogprobsMode) != kProcessedLogprobs) return {};
    return Error{"", "temperature",
                 "0 or 1: this server scales the log-probabilities of what it generates by others",
                 fmt::format("{}", temperature)};
  }

  HttpRequest generate_request(const GenerateRequest& request, const Probe&,
                               const std::string& id) const override {
    CompletionText text{.prompt = request.prompt,
                        .max_tokens = request.max_new_tokens,
                        .sampling = request.sampling,
                        .ignore_eos = request.ignore_eos,
                        .logprobs = request.top_k};
    if (records_prompt(request)) text.prompt_logprobs = request.top_k;
    return completion_request({model_, id, salt_}, text);
  }

  Result<Generation> read_generation(const GenerateRequest& request, const Probe& probe,
                                     const std::string& id, const HttpReply& reply) const override {
    CompletionAsked asked{.prompt = {.tokens = request.prompt,
                                     .rules = {.top_k = request.top_k, .own_ranks = probe.capabilities.ranks},
                                     .wanted = std::vector<bool>(request.prompt.size(), false)},
                          .prompt_logprobs = records_prompt(request),
                          .most_tokens = request.max_new_tokens,
                          .ignore_eos = request.ignore_eos,
                          .logprobs = true,
                          .generated = {.top_k = request.top_k}};
    std::fill(asked.prompt.wanted.begin() + recorded_prompt(request).begin, asked.prompt.wanted.end(), true);
    auto read = read_completion(reply, asked);
    if (!read) return read.error();
    if (auto own = check_reply(*read, probe, id); !own) return own.error();
    Generation made{.setup = {},
                    .reference = 0,
                    .prompt_ids = request.prompt,
                    .generated_ids = std::move(read->generated_ids),
                    .prefill = std::move(read->prompt),
                    .decode = std::move(read->generated),
                    .served = served_by(read->fingerprint)};
    const auto prompt = std::ssize(request.prompt);
    const PositionRange decode =
        recorded_range(prompt, std::ssize(made.generated_ids), request.last_positions);
    made.decode.erase(made.decode.begin(), made.decode.begin() + (decode.begin - prompt));
    return made;
  }

 private:
  static bool records_prompt(const GenerateRequest& request) {
    const PositionRange recorded = recorded_prompt(request);
    return recorded.begin < recorded.end;
  }

  Result<void> check_id(const std::string& found, const Probe& probe, const std::string& id) const {
    if (!echoes_ids(probe) || carries_id(found, id)) return {};
    return reply_error({"id"}, "the request's id " + id, found);
  }
  Result<void> check_model(const std::string& found) const {
    if (found == model_) return {};
    return reply_error({"model"}, model_, found);
  }
  Result<void> check_reply(const CompletionReply& reply, const Probe& probe, const std::string& id) const {
    if (auto same = check_model(reply.model); !same) return same;
    return check_id(reply.id, probe, id);
  }

  std::string model_;
  std::string salt_;  // of this run
};

}  // namespace

std::unique_ptr<Dialect> make_vllm_dialect(std::string model) {
  return std::make_unique<VllmDialect>(std::move(model));
}

}  // namespace assay
