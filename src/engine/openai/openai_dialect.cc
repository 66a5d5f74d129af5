#include "engine/openai/openai_dialect.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/openai/openai_check.h"
#include "engine/openai/openai_probe.h"
#include "engine/openai/openai_reply.h"
#include "engine/openai/openai_request.h"
#include "engine/openai/token_texts.h"
#include "engine/remote/wanted_scores.h"

namespace assay {
namespace {

Environment served_by(const OpenaiReply& reply) {
  Environment served;
  if (!reply.fingerprint.empty()) served.push_back({"fingerprint", reply.fingerprint});
  return served;
}

Generation dropped(const GenerateRequest& request, Environment served, const std::string& reason) {
  Generation made;
  made.prompt_ids = request.prompt;
  made.served = std::move(served);
  made.served.push_back({"dropped", reason});
  return made;
}

class OpenaiDialect final : public Dialect {
 public:
  OpenaiDialect(std::string model, Tokenizer tokenizer)
      : model_(std::move(model)), texts_(std::move(tokenizer)) {}

  const char* name() const override { return "openai"; }
  const char* health_path() const override { return "/v1/models"; }  // providers have no /health
  Result<Probe> probe(const Ask& ask) override { return probe_openai(*this, model_, texts_, ask); }

  Result<void> allows(const GenerateRequest& request, const Probe& probe) const override {
    const double temperature = request.sampling.temperature;
    if (temperature != 0 && temperature != 1) {
      return Error{"", "temperature",
                   "0 or 1: whether this server scales its log-probabilities by others is not known",
                   fmt::format("{}", temperature)};
    }
    if (request.ignore_eos && !ways_of(probe).extended) {
      return Error{"", "ignore_eos", "false: this server takes OpenAI's fields alone", "true"};
    }
    return {};
  }

  HttpRequest score_request(const ScoreRequest& request, const Probe& probe,
                            const std::string&) const override {
    return openai_request(model_, openai_asked(request, probe.capabilities), ways_of(probe), {},
                          texts_.tokenizer());
  }

  Result<Scores> read_scores(const ScoreRequest& request, const Probe& probe, const std::string&,
                             const HttpReply& http) const override {
    const OpenaiAsked asked = openai_asked(request, probe.capabilities);
    auto reply = checked_reply(http, asked, probe);
    if (!reply) return reply.error();
    if (const auto checked = check_prompt(*reply, asked); !checked) return checked.error();
    return gather_scores(request, served_by(*reply), [&](Index position, TokenId own) {
      return position_of(*reply, own, position, position, asked);
    });
  }

  HttpRequest generate_request(const GenerateRequest& request, const Probe& probe,
                               const std::string&) const override {
    return openai_request(model_, openai_asked(request, probe.capabilities), ways_of(probe), request.sampling,
                          texts_.tokenizer());
  }

  Result<Generation> read_generation(const GenerateRequest& request, const Probe& probe, const std::string&,
                                     const HttpReply& http) const override {
    const OpenaiAsked asked = openai_asked(request, probe.capabilities);
    const OpenaiWays ways = ways_of(probe);
    auto reply = checked_reply(http, asked, probe);
    if (!reply) return reply.error();
    if (const auto checked = check_prompt(*reply, asked); !checked) {
      if (ways.prompt_as_ids) return checked.error();
      return dropped(request, served_by(*reply), "the server makes other tokens of the prompt's text");
    }
    auto ids = generated_ids(*reply, asked, ways, texts_);
    if (!ids) return ids.error();
    if (!ways.prompt_as_ids && !is_its_text(request.prompt)) ids->dropped = "the prompt's text has other ids";
    if (!ids->dropped.empty()) return dropped(request, served_by(*reply), ids->dropped);
    return recorded(request, asked, *reply, std::move(ids->ids));
  }

 private:
  Result<OpenaiReply> checked_reply(const HttpReply& http, const OpenaiAsked& asked,
                                    const Probe& probe) const {
    auto reply = read_openai_reply(http);
    if (!reply) return reply;
    const auto checked = check_openai_reply(*reply, asked, lookup(probe.identity, "model"), texts_);
    if (!checked) return checked.error();
    return reply;
  }

  static Result<void> check_prompt(const OpenaiReply& reply, const OpenaiAsked& asked) {
    if (reply.prompt_ids && *reply.prompt_ids != *asked.prompt) {
      return Error{"", "prompt_token_ids", "the ids that were sent", "others"};
    }
    const auto sent = static_cast<Index>(asked.prompt->size());
    if (!reply.prompt_tokens || *reply.prompt_tokens == sent) return {};
    return Error{"", "usage.prompt_tokens", std::to_string(sent), std::to_string(*reply.prompt_tokens)};
  }

  bool is_its_text(const std::vector<TokenId>& prompt) const {
    const Tokenizer& tokenizer = texts_.tokenizer();
    const auto again = tokenizer.encode(tokenizer.decode(prompt), SpecialTokens::none);
    return again.ok() && *again == prompt;
  }

  Result<PositionScores> position_of(const OpenaiReply& reply, TokenId own, Index step, Index position,
                                     const OpenaiAsked& asked) const {
    return openai_position(reply.steps[static_cast<std::size_t>(step)], own, position, asked.top_k, texts_);
  }

  Result<Generation> recorded(const GenerateRequest& request, const OpenaiAsked& asked,
                              const OpenaiReply& reply, std::vector<TokenId> ids) const {
    Generation made;
    made.prompt_ids = request.prompt;
    made.generated_ids = std::move(ids);
    made.served = served_by(reply);
    const auto prompt = static_cast<Index>(request.prompt.size());
    const auto count = static_cast<Index>(made.generated_ids.size());
    const AskedPosition top{.position = 0, .ids = {}, .top_k = request.top_k};
    const PositionRange prefill = recorded_range(0, prompt, request.last_positions);
    for (Index position = prefill.begin; asked.echo && position < prefill.end; ++position) {
      const TokenId own = request.prompt[static_cast<std::size_t>(position)];
      auto all = position_of(reply, own, position, position, asked);
      if (!all) return all.error();
      made.prefill.push_back(asked_of(*all, top, own));
    }
    const PositionRange decode = recorded_range(prompt, count, request.last_positions);
    for (Index position = decode.begin; position < decode.end; ++position) {
      const TokenId own = made.generated_ids[static_cast<std::size_t>(position - prompt)];
      auto all = position_of(reply, own, asked.echo ? position : position - prompt, position, asked);
      if (!all) return all.error();
      made.decode.push_back(asked_of(*all, top, own));
    }
    return made;
  }

  std::string model_;
  TokenTexts texts_;
};

}  // namespace

std::unique_ptr<Dialect> make_openai_dialect(std::string model, Tokenizer tokenizer) {
  return std::make_unique<OpenaiDialect>(std::move(model), std::move(tokenizer));
}

}  // namespace assay
