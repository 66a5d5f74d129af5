#include "engine/sglang/sglang_dialect.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/remote/wanted_scores.h"
#include "engine/sglang/sglang_check.h"
#include "engine/sglang/sglang_probe.h"
#include "engine/sglang/sglang_reply.h"
#include "engine/sglang/sglang_request.h"

namespace assay {
namespace {

Environment served_by(const SglangReply& reply) {
  Environment served;
  if (!reply.weight_version.empty()) served.push_back({"weight_version", reply.weight_version});
  if (reply.cached_tokens) served.push_back({"cached_tokens", std::to_string(*reply.cached_tokens)});
  return served;
}

class SglangDialect final : public Dialect {
 public:
  SglangDialect(std::string model, Index vocabulary) : model_(std::move(model)), vocabulary_(vocabulary) {}

  const char* name() const override { return "sglang"; }
  const char* health_path() const override { return "/health"; }
  Result<Probe> probe(const Ask& ask) override { return probe_sglang(*this, model_, ask); }

  Result<void> allows(const GenerateRequest& request, const Probe&) const override {
    const double temperature = request.sampling.temperature;
    if (temperature == 0 || temperature == 1) return {};
    return Error{"", "temperature",
                 "0 or 1: SGLang scales the log-probabilities of what it generates by others",
                 fmt::format("{}", temperature)};
  }

  HttpRequest score_request(const ScoreRequest& request, const Probe& probe,
                            const std::string& id) const override {
    return sglang_request(sglang_asked(request, probe.capabilities), {}, id);
  }

  Result<Scores> read_scores(const ScoreRequest& request, const Probe& probe, const std::string& id,
                             const HttpReply& http) const override {
    const SglangAsked asked = sglang_asked(request, probe.capabilities);
    auto reply = checked_reply(http, asked, id);
    if (!reply) return reply.error();
    return gather_scores(request, served_by(*reply), [&](Index position, TokenId) {
      return sglang_position(reply->input, asked, position - asked.start, position);
    });
  }

  HttpRequest generate_request(const GenerateRequest& request, const Probe& probe,
                               const std::string& id) const override {
    return sglang_request(sglang_asked(request, probe.capabilities), request.sampling, id);
  }

  Result<Generation> read_generation(const GenerateRequest& request, const Probe& probe,
                                     const std::string& id, const HttpReply& http) const override {
    const SglangAsked asked = sglang_asked(request, probe.capabilities);
    auto reply = checked_reply(http, asked, id);
    if (!reply) return reply.error();
    Generation made;
    made.prompt_ids = request.prompt;
    made.served = served_by(*reply);
    for (const ToldScore& token : reply->output.tokens) made.generated_ids.push_back(token.id);
    const auto prompt = static_cast<Index>(request.prompt.size());
    const auto count = static_cast<Index>(made.generated_ids.size());
    const PositionRange prefill = recorded_range(0, prompt, request.last_positions);
    const PositionRange decode = recorded_range(prompt, count, request.last_positions);
    const AskedPosition top{.position = 0, .ids = {}, .top_k = request.top_k};
    for (Index position = prefill.begin; position < prefill.end; ++position) {
      auto all = sglang_position(reply->input, asked, position - asked.start, position);
      if (!all) return all.error();
      made.prefill.push_back(asked_of(*all, top, request.prompt[static_cast<std::size_t>(position)]));
    }
    for (Index position = decode.begin; position < decode.end; ++position) {
      auto all = sglang_position(reply->output, asked, position - prompt, position);
      if (!all) return all.error();
      made.decode.push_back(
          asked_of(*all, top, made.generated_ids[static_cast<std::size_t>(position - prompt)]));
    }
    return made;
  }

 private:
  Result<SglangReply> checked_reply(const HttpReply& http, const SglangAsked& asked,
                                    const std::string& id) const {
    auto reply = read_sglang_reply(http);
    if (!reply) return reply;
    restore_last_id(reply->input, asked, vocabulary_);
    if (auto checked = check_sglang_reply(*reply, asked, id); !checked) return checked.error();
    return reply;
  }

  std::string model_;
  Index vocabulary_;
};

}  // namespace

std::unique_ptr<Dialect> make_sglang_dialect(std::string model, Index vocabulary) {
  return std::make_unique<SglangDialect>(std::move(model), vocabulary);
}

}  // namespace assay
