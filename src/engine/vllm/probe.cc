#include "engine/vllm/probe.h"

#include <fmt/format.h>

#include <charconv>

#include "engine/remote/masked.h"
#include "engine/vllm/completion_reply.h"
#include "engine/vllm/identity.h"
#include "engine/vllm/ids_reply.h"
#include "engine/vllm/requests.h"
#include "engine/vllm/trace_reply.h"

namespace assay {
namespace {

// Ids that every vocabulary has, in no order that a text has them in.
constexpr TokenId kPrompt[] = {9, 3, 7, 5, 8, 2, 6, 4};
constexpr TokenId kTrace[] = {5, 9};
constexpr Index kTooMany = 1000;  // ids at a position: beyond most servers' limit

constexpr const char* kRequestId = "request_id";
constexpr const char* kEchoed = "echoed";

std::string said(const HttpReply& reply) { return masked_words_of(reply); }

constexpr int kTries = 3;

Result<CompletionReply> read(const HttpReply& reply, std::optional<Index> prompt_k, Index k) {
  return read_completion(reply, {.prompt = {.tokens = kPrompt,
                                            .rules = {.top_k = prompt_k.value_or(0)},
                                            .wanted = std::vector<bool>(std::size(kPrompt), true)},
                                 .prompt_logprobs = prompt_k.has_value(),
                                 .logprobs = true,
                                 .generated = {.top_k = k}});
}

// What came of a request. `read` is an Error where the reply is not of status 200 or cannot be read.
template <class Reply>
struct Answer {
  HttpReply http;
  Result<Reply> read;
  bool echoed = false;  // the request's id stands in it
  bool ok() const { return http.transport == Transport::ok && http.status == 200; }
  std::string trouble() const { return ok() ? read.error().message() : said(http); }
  bool refused() const { return http.transport == Transport::ok && http.status >= 400 && http.status < 500; }
};

// Asks one endpoint; every request has an id of its own. A reply of status 200 that cannot be read or is another
// request's is asked for again, so that one bad reply does not stand for the server.
class Prober {
 public:
  Prober(const Ask& ask, const std::string& model, const std::string& salt)
      : ask_(ask), model_(model), salt_(salt) {}

  // The top 1 of what is generated, and the top `prompt_k` of the prompt.
  Answer<CompletionReply> completion(std::optional<Index> prompt_k) {
    return ask_for<CompletionReply>(
        [&](const Addressed& to) {
          return completion_request(to, {.prompt = kPrompt, .prompt_logprobs = prompt_k, .logprobs = 1});
        },
        [&](const HttpReply& reply) { return read(reply, prompt_k, 1); });
  }
  Answer<TraceReply> trace(Index k) {
    return ask_for<TraceReply>([&](const Addressed& to) { return trace_request(to, kPrompt, kTrace, k); },
                               [&](const HttpReply& reply) {
                                 return read_trace(reply,
                                                   {.trace = kTrace,
                                                    .first = std::size(kPrompt),
                                                    .rules = {.top_k = k, .form = ListForm::k_at_most}});
                               });
  }
  // The own token of each position, which prompt_logprobs has as well: a row that is about another is noticed.
  Answer<IdsReply> ids() {
    IdRows rows;
    for (const TokenId own : std::span(kPrompt).subspan(1)) rows.ids.push_back({own});
    return ask_for<IdsReply>([&](const Addressed& to) { return ids_request(to, kPrompt, 1, rows); },
                             [&](const HttpReply& reply) {
                               return read_ids_reply(
                                   reply, {.prompt = {.place = "prompt_logprobs",
                                                      .tokens = kPrompt,
                                                      .rules = {.top_k = 1},
                                                      .wanted = std::vector<bool>(std::size(kPrompt), true)},
                                           .rows = rows});
                             });
  }

 private:
  template <class Reply, class Make, class Read>
  Answer<Reply> ask_for(const Make& make, const Read& read_reply) {
    for (int tries = 1;; ++tries) {
      const std::string id = fmt::format("{}-probe-{}", salt_, ++asked_);
      HttpReply http = ask_(make({model_, id, salt_}));
      if (http.transport != Transport::ok || http.status != 200) {
        return {std::move(http), Error{"", "", "a reply of status 200", "another"}};
      }
      Result<Reply> reply = read_reply(http);
      const bool echoed = reply && carries_id(reply->id, id);
      if (echoed || tries == kTries) return {std::move(http), std::move(reply), echoed};
    }
  }

  const Ask& ask_;
  const std::string& model_;
  const std::string& salt_;
  int asked_ = 0;
};

void add_missing(Probe& probe, const std::string& what) {
  if (!probe.missing.empty()) probe.missing += "; ";
  probe.missing += what;
}

// What the ranks of tokens outside the top k are.
struct RankEvidence {
  bool real = false;     // one beyond k + 1
  bool counted = false;  // one of k + 1, as old releases call every such token
  bool unknown = false;  // one without
};

void weigh_ranks(const CompletionReply& reply, Index k, RankEvidence& evidence) {
  for (const PositionScores& position : reply.prompt) {
    const TokenScore* own = find_score(position.scores, kPrompt[position.position]);
    if (own == nullptr || (own->rank >= 1 && own->rank <= k)) continue;
    evidence.real = evidence.real || own->rank > k + 1;
    evidence.counted = evidence.counted || own->rank == k + 1;
    evidence.unknown = evidence.unknown || own->rank == 0;
  }
}

void identify(const CompletionReply& reply, bool echoed, Probe& probe) {
  if (!reply.fingerprint.empty()) probe.identity.emplace_back("fingerprint", reply.fingerprint);
  probe.identity.emplace_back(kRequestId, echoed ? kEchoed : "not_echoed");
}

void probe_generation(Prober& prober, Probe& probe) {
  const auto plain = prober.completion(std::nullopt);
  probe.capabilities.generates = probe.capabilities.token_ids = plain.read.ok();
  if (!plain.read) return add_missing(probe, fmt::format("logprobs: {}", plain.trouble()));
  identify(*plain.read, plain.echoed, probe);
}

void probe_ranks(Prober& prober, const CompletionReply& top_1, Probe& probe) {
  RankEvidence evidence;
  weigh_ranks(top_1, 1, evidence);
  if (const auto third = prober.completion(3); third.read) weigh_ranks(*third.read, 3, evidence);
  probe.capabilities.ranks = evidence.real || (!evidence.counted && !evidence.unknown);
  if (!probe.capabilities.ranks) {
    add_missing(probe, "ranks: tokens outside the top k have none, or rank k + 1 whatever k is");
  }
}

// Prompt log-probabilities, generation and ranks, from requests for the top 1 and the top 3.
Result<void> probe_completions(Prober& prober, Probe& probe) {
  const auto first = prober.completion(1);
  if (first.refused()) {
    add_missing(probe, fmt::format("prompt_logprobs: {}", said(first.http)));
    probe_generation(prober, probe);
    return {};
  }
  if (!first.read) {
    if (!first.ok()) return Error{"", kCompletionsPath, "an answer of a vLLM server", first.trouble()};
    add_missing(probe, fmt::format("{}: {}", kCompletionsPath, first.trouble()));
    return {};
  }
  probe.capabilities.generates = probe.capabilities.token_ids = probe.capabilities.prompt_logprobs = true;
  identify(*first.read, first.echoed, probe);
  probe_ranks(prober, *first.read, probe);
  return {};
}

Result<void> probe_limit(Prober& prober, Probe& probe) {
  const auto many = prober.completion(kTooMany);
  if (many.read) return {};
  if (!many.refused()) return Error{"", kCompletionsPath, "an answer of a vLLM server", many.trouble()};
  if (const auto allowed = allowed_in(many.http.body); allowed && *allowed >= 1 && *allowed < kTooMany) {
    probe.capabilities.most_top_k = *allowed;
    return {};
  }
  Index taken = 1;
  for (Index refused = kTooMany; refused - taken > 1;) {
    const Index middle = (taken + refused) / 2;
    (prober.completion(middle).read ? taken : refused) = middle;
  }
  probe.capabilities.most_top_k = taken;
  return {};
}

void probe_trace(Prober& prober, Probe& probe) {
  const Index k = probe.capabilities.most_top_k == 0 ? 3 : std::min(probe.capabilities.most_top_k, Index{3});
  const auto answer = prober.trace(k);
  probe.capabilities.forced_decode = answer.read.ok();
  if (answer.read) return;
  const int status = answer.http.status;
  const std::string trouble = answer.trouble();
  const bool told = trouble.find("--enable-trace-replay") != std::string::npos;
  const char* hint = told ? "" : " (the server needs --enable-trace-replay)";
  const bool closed = answer.http.transport == Transport::ok && (status == 404 || status == 405);
  add_missing(probe, closed ? fmt::format("forced decode: HTTP {} on {}: the server was started without "
                                          "--enable-scale-out; it also needs --enable-trace-replay",
                                          status, kTokensPath)
                            : fmt::format("forced decode: {}{}", trouble, hint));
}

void probe_ids(Prober& prober, Probe& probe) {
  const auto answer = prober.ids();
  probe.capabilities.ids_of_interest = probe.capabilities.ids_by_position = answer.read.ok();
  if (answer.read) return;
  const std::string trouble = answer.trouble();
  const bool told = trouble.find("V2 model runner") != std::string::npos;
  add_missing(probe, fmt::format("ids of interest: {}{}", trouble,
                                 told ? "" : " (the server needs --enable-scale-out and Model Runner V2)"));
}

}  // namespace

std::optional<Index> allowed_in(std::string_view message) {
  constexpr std::string_view kBefore = "allowed";
  std::size_t at = message.find(kBefore);
  if (at == std::string_view::npos) return std::nullopt;
  at = message.find_first_of("0123456789", at);
  if (at == std::string_view::npos) return std::nullopt;
  Index number = 0;
  const auto [end, error] = std::from_chars(message.data() + at, message.data() + message.size(), number);
  return error == std::errc() ? std::optional(number) : std::nullopt;
}

bool carries_id(std::string_view found, std::string_view id) {
  const std::size_t at = found.find(id);
  if (at == std::string_view::npos) return false;
  const std::string_view rest = found.substr(at + id.size());
  return rest.empty() || rest.front() < '0' || rest.front() > '9';
}

bool echoes_ids(const Probe& probe) { return lookup(probe.identity, kRequestId) == kEchoed; }

Result<Probe> probe_vllm(const Ask& ask, const std::string& model, const std::string& salt) {
  auto probe = read_identity(ask, model);
  if (!probe) return probe.error();
  Prober prober(ask, model, salt);
  if (auto done = probe_completions(prober, *probe); !done) return done.error();
  if (probe->capabilities.prompt_logprobs) {
    if (auto done = probe_limit(prober, *probe); !done) return done.error();
  }
  probe_trace(prober, *probe);
  if (probe->capabilities.prompt_logprobs) probe_ids(prober, *probe);
  return probe;
}

}  // namespace assay
