// A vLLM server made of functions, for tests: the numbers are a fixed function of the tokens before a position.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "base/base64.h"
#include "base/json.h"
#include "base/splitmix.h"
#include "engine/vllm/test_npy.h"
#include "engine/vllm/test_reply.h"

namespace assay {

struct FakeVllm {
  // What it was started with.
  std::string model = "m";
  Index max_logprobs = 20;  // -1: no limit
  bool scale_out = true;
  bool trace_replay = true;
  bool prompt_ids = true;       // prompt_logprob_token_ids: Model Runner V2
  bool old_ranks = false;       // k + 1 for all outside the top k
  bool ids_as_texts = false;    // return_tokens_as_token_ids is not known
  bool prompt_logprobs = true;  // else 400
  bool echoes_id = true;
  bool raw_logits = false;
  float apart = 0;  // of the two values of an id that is in both lists
  bool tells_info = false;
  std::string logprobs_mode = "raw_logprobs";  // that it tells
  std::string fingerprint = "vllm-0.30.0-tp1-0123abcd";
  std::string limit_words = "Requested prompt logprobs of {}, which is greater than max allowed: {}";
  std::vector<std::string> asked = {};  // paths, in order
  Json last = {};                       // the last body

  static constexpr Index kVocabulary = 4096;

  // Scores of every id after these tokens, best first.
  static std::vector<TokenScore> scores_after(std::span<const TokenId> tokens) {
    std::uint64_t seed = 1;
    for (const TokenId token : tokens) seed = seed_of_part(seed, static_cast<std::uint64_t>(token));
    SplitMix64 random(seed);
    std::vector<TokenScore> scores(kVocabulary);
    for (Index i = 0; i < kVocabulary; ++i) {
      const double u = (static_cast<double>(random.next() >> 11) + 0.5) * 0x1p-53;
      scores[static_cast<std::size_t>(i)] = {static_cast<TokenId>(i), static_cast<float>(8 * u - 8), 0};
    }
    std::sort(scores.begin(), scores.end(), [](const TokenScore& a, const TokenScore& b) {
      return a.logprob != b.logprob ? a.logprob > b.logprob : a.id < b.id;
    });
    double sum = 0;
    for (const TokenScore& score : scores) sum += std::exp(static_cast<double>(score.logprob));
    for (std::size_t i = 0; i < scores.size(); ++i) {
      scores[i].logprob = static_cast<float>(static_cast<double>(scores[i].logprob) - std::log(sum));
      scores[i].rank = static_cast<std::int32_t>(i + 1);
    }
    return scores;
  }

  // The position's own token first, then the top k without it.
  std::vector<TokenScore> list(std::span<const TokenId> before, TokenId own, Index k) const {
    const auto all = scores_after(before);
    std::vector<TokenScore> some = {
        *std::find_if(all.begin(), all.end(), [&](auto& s) { return s.id == own; })};
    if (old_ranks && some[0].rank > k) some[0].rank = static_cast<std::int32_t>(k + 1);
    for (Index i = 0; i < k; ++i) {
      if (all[static_cast<std::size_t>(i)].id != own) some.push_back(all[static_cast<std::size_t>(i)]);
    }
    if (raw_logits) {
      for (TokenScore& score : some) score.logprob += 30;
    }
    return some;
  }

  HttpReply refuse(int status, const std::string& words) const {
    return reply_with(
        Json{{"error", {{"message", words}, {"type", "BadRequestError"}, {"code", status}}}}.dump(), status);
  }
  static bool refuses_salt(std::string_view salt) {
    return salt.size() > 128 || salt.find_first_of(std::string_view("@/\\\0", 4)) != salt.npos;
  }
  bool too_many(Index k) const { return max_logprobs >= 0 && k > max_logprobs; }

  HttpReply answer(const HttpRequest& request) {
    asked.push_back(request.url);
    if (request.url == "/health") return reply_with("");
    if (request.url == "/version") return reply_with(R"({"version":"0.30.0"})");
    if (request.url == "/v1/models") {
      return reply_with(
          Json{{"data", {{{"id", "other"}}, {{"id", model}, {"root", "org/m"}, {"max_model_len", 512}}}}}
              .dump());
    }
    if (request.url.starts_with("/server_info") && tells_info) {
      return reply_with(
          R"({"vllm_config":{"model_config":{"dtype":"float16","logprobs_mode":")" + logprobs_mode +
          R"("},"mamba_config":{"backend":"triton"},"attention_config":{"backend":"FLASH_ATTN"},)"
          R"("api_key":["server-secret"]},"vllm_env":{"VLLM_API_KEY":"hf_abcdefghijkl"}})");
    }
    const Json body = request.body.empty() ? Json() : Json::parse(request.body);
    last = body;
    if (!body.is_null() && refuses_salt(body.value("cache_salt", ""))) {
      return refuse(400,
                    "Parameter 'cache_salt' must be at most 128 characters and must not contain '@', '/', "
                    "'\\\\', or NUL. (parameter=cache_salt)");
    }
    if (request.url == "/v1/completions") return complete(body);
    if (request.url == "/inference/v1/generate" && scale_out) return replay(body);
    return refuse(404, "Not Found");
  }

  Json prompt_lists(const std::vector<TokenId>& prompt, Index k) const {
    Json lists = Json::array({nullptr});
    for (std::size_t i = 1; i < prompt.size(); ++i) {
      Json entries = Json::object();
      for (const TokenScore& s : list(std::span(prompt).first(i), prompt[i], k)) {
        entries[std::to_string(s.id)] = {{"logprob", s.logprob}, {"rank", s.rank}, {"decoded_token", "x"}};
      }
      lists.push_back(std::move(entries));
    }
    return lists;
  }

  HttpReply score_ids(const Json& body) const {
    if (!prompt_ids) {
      return refuse(400,
                    "prompt_logprob_token_ids requires the V2 model runner (VLLM_USE_V2_MODEL_RUNNER=1). "
                    "(parameter=prompt_logprob_token_ids)");
    }
    const Json& sampling = body["sampling_params"];
    const std::vector<TokenId> prompt = body["token_ids"];
    const std::vector<std::vector<TokenId>> rows = sampling["prompt_logprob_token_ids"];
    const auto start = sampling["prompt_logprob_start"].get<std::size_t>();
    std::size_t width = 0;
    for (const auto& row : rows) width = std::max(width, row.size());
    if (width == 0 || rows.size() != prompt.size() - 1 - start || too_many(static_cast<Index>(width))) {
      return refuse(400, "prompt_logprob_token_ids has another form");
    }
    std::vector<float> values;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto all = scores_after(std::span(prompt).first(start + i + 1));
      for (const TokenId id : rows[i]) values.push_back(find_score(all, id)->logprob + apart);
      values.resize((i + 1) * width, -std::numeric_limits<float>::infinity());
    }
    const Json choice = {
        {"index", 0}, {"finish_reason", "length"}, {"token_ids", {7}}, {"logprobs", nullptr}};
    const std::string id = echoes_id ? body["request_id"].get<std::string>() : "router-made";
    return reply_with(Json{
        {"request_id", "generate-tokens-" + id},
        {"model", model},
        {"prompt_logprobs", prompt_lists(prompt, sampling["prompt_logprobs"].get<Index>())},
        {"prompt_token_id_logprobs", base64_of(npy_of(rows.size(), width, values))},
        {"prompt_token_ids", prompt},
        {"choices",
         {choice}}}.dump());
  }

  HttpReply complete(const Json& body) const {
    const bool scores = body.contains("prompt_logprobs");
    const Index k = body.value("prompt_logprobs", Index{0});
    if (scores && !prompt_logprobs) return refuse(400, "prompt_logprobs is not supported");
    if (scores && too_many(k)) return refuse(400, fmt::format(fmt::runtime(limit_words), k, max_logprobs));
    std::vector<TokenId> tokens = body["prompt"];
    const std::vector<TokenId> prompt = tokens;
    const Json lists = scores ? prompt_lists(prompt, k) : Json();
    std::vector<TokenId> made;
    Json logprobs = {
        {"tokens", Json::array()}, {"token_logprobs", Json::array()}, {"top_logprobs", Json::array()}};
    const auto named = [&](TokenId id) {
      return ids_as_texts ? "t" + std::to_string(id % 7) : "token_id:" + std::to_string(id);
    };
    for (Index step = 0; step < body["max_tokens"].get<Index>(); ++step) {
      const TokenId next = scores_after(tokens).front().id;
      const auto some = list(tokens, next, body.value("logprobs", Index{1}));
      Json top = Json::object();
      for (const TokenScore& s : some) top[named(s.id)] = s.logprob;
      logprobs["tokens"].push_back(named(next));
      logprobs["token_logprobs"].push_back(some[0].logprob);
      logprobs["top_logprobs"].push_back(std::move(top));
      made.push_back(next);
      tokens.push_back(next);
    }
    const Json choice = {{"index", 0},
                         {"text", ""},
                         {"logprobs", body.contains("logprobs") ? logprobs : Json()},
                         {"finish_reason", "length"},
                         {"token_ids", made},
                         {"prompt_logprobs", lists},
                         {"prompt_token_ids", prompt}};
    const std::string id = echoes_id ? body["request_id"].get<std::string>() : "router-made";
    return reply_with(Json{
        {"id", "cmpl-" + id}, {"model", model}, {"choices", {choice}}, {"system_fingerprint", fingerprint}}
                          .dump());
  }

  HttpReply replay(const Json& body) const {
    const Json& sampling = body["sampling_params"];
    if (sampling.contains("prompt_logprob_token_ids")) return score_ids(body);
    if (sampling.contains("trace_decode_token_ids") && !trace_replay) {
      return refuse(400,
                    "trace_decode_token_ids is set but trace replay is not enabled. Start the engine "
                    "with --enable-trace-replay to use it.");
    }
    std::vector<TokenId> tokens = body["token_ids"];
    const std::vector<TokenId> trace = sampling["trace_decode_token_ids"];
    const auto k = sampling["logprobs"].get<Index>();
    Json content = Json::array();
    std::vector<TokenId> made;
    for (Index i = 0; i < std::min(sampling.value("max_tokens", Index{16}), std::ssize(trace)); ++i) {
      const TokenId own = trace[static_cast<std::size_t>(i)];
      auto some = list(tokens, own, k);
      some.resize(static_cast<std::size_t>(std::max(k, Index{1})));
      Json top = Json::array();
      for (const TokenScore& s : some)
        top.push_back({{"token_id", s.id}, {"logprob", s.logprob}, {"rank", s.rank}});
      content.push_back(
          {{"token_id", own}, {"logprob", some[0].logprob}, {"rank", some[0].rank}, {"top_logprobs", top}});
      made.push_back(own);
      tokens.push_back(own);
    }
    const Json choice = {
        {"index", 0}, {"finish_reason", "length"}, {"token_ids", made}, {"logprobs", {{"content", content}}}};
    return reply_with(Json{
        {"request_id", "generate-tokens-" + body["request_id"].get<std::string>()},
        {"choices",
         {choice}}}.dump());
  }
};

}  // namespace assay
