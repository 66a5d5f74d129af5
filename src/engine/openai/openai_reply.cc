#include "engine/openai/openai_reply.h"

#include <charconv>
#include <string_view>

#include "engine/remote/json_values.h"

namespace assay {
namespace {

namespace ondemand = simdjson::ondemand;

// N of "token_id:N".
std::optional<TokenId> id_in(std::string_view text) {
  if (!text.starts_with(kTokenPrefix)) return std::nullopt;
  text.remove_prefix(kTokenPrefix.size());
  TokenId id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size() || id < 0) return std::nullopt;
  return id;
}

void name_token(std::string_view text, ToldToken& into) {
  if (into.exact) return;
  into.text = text;
  if (const auto id = id_in(text)) into.id = id;
}

std::string read_bytes(ondemand::value value) {
  std::string bytes;
  for (auto element : value.get_array()) {
    const std::uint64_t byte = element.get_uint64();
    if (byte > 255) throw simdjson::simdjson_error(simdjson::NUMBER_OUT_OF_RANGE);
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

std::vector<ToldToken> read_top(ondemand::value value);

// {"token": " the", "bytes": [32, ...], "id": 17, "logprob": -0.5, "top_logprobs": [...]}; `top` may be null.
ToldToken read_named(ondemand::value value, std::vector<ToldToken>* top) {
  ToldToken token;
  bool named = false;
  bool valued = false;
  for (auto field : value.get_object()) {
    const std::string_view key = field.unescaped_key();
    if (key == "token") {
      name_token(std::string_view(field.value().get_string()), token);
      named = true;
    } else if (key == "bytes") {
      ondemand::value bytes = field.value();
      if (bytes.is_null()) continue;
      token.text = read_bytes(bytes);
      token.exact = true;
    } else if (key == "id" || key == "token_id") {
      token.id = told_id(field.value());
    } else if (key == "logprob") {
      token.logprob = told_logprob(field.value());
      valued = true;
    } else if (key == "top_logprobs" && top != nullptr) {
      *top = read_top(field.value());
    }
  }
  if (!named || !valued) throw simdjson::simdjson_error(simdjson::NO_SUCH_FIELD);
  return token;
}

// {text: value, ...}, a list of named tokens, or null.
std::vector<ToldToken> read_top(ondemand::value value) {
  std::vector<ToldToken> top;
  if (value.is_null()) return top;
  if (value.type() == ondemand::json_type::array) {
    for (auto element : value.get_array()) top.push_back(read_named(element.value(), nullptr));
    return top;
  }
  for (auto field : value.get_object()) {
    ToldToken& token = top.emplace_back();
    name_token(std::string_view(field.unescaped_key()), token);
    token.logprob = told_logprob(field.value());
  }
  return top;
}

// The lists of the older shape; those that are not there stay empty.
struct Lists {
  std::vector<std::string> tokens;
  std::vector<float> logprobs;
  std::vector<std::vector<ToldToken>> top;
};

void join(Lists lists, OpenaiReply& into) {
  const std::size_t count = lists.tokens.size();
  if (lists.logprobs.size() != count || (!lists.top.empty() && lists.top.size() != count)) {
    throw simdjson::simdjson_error(simdjson::INDEX_OUT_OF_BOUNDS);
  }
  for (std::size_t i = 0; i < count; ++i) {
    ToldStep& step = into.steps.emplace_back();
    name_token(lists.tokens[i], step.own);
    step.own.logprob = lists.logprobs[i];
    if (!lists.top.empty()) step.top = std::move(lists.top[i]);
  }
}

void read_logprobs(ondemand::value value, OpenaiReply& into) {
  if (value.is_null()) return;
  Lists lists;
  for (auto field : value.get_object()) {
    const std::string_view key = field.unescaped_key();
    ondemand::value list = field.value();
    if (key != "tokens" && key != "token_logprobs" && key != "top_logprobs" && key != "content" &&
        key != "token_ids") {
      continue;
    }
    if (list.is_null()) continue;
    if (key == "token_ids") {
      into.token_ids = told_ids(list);
      continue;
    }
    for (auto element : list.get_array()) {
      if (key == "tokens") lists.tokens.emplace_back(std::string_view(element.get_string()));
      if (key == "token_logprobs") lists.logprobs.push_back(told_logprob(element.value()));
      if (key == "top_logprobs") lists.top.push_back(read_top(element.value()));
      if (key == "content") {
        ToldStep step;
        step.own = read_named(element.value(), &step.top);
        into.steps.push_back(std::move(step));
      }
    }
  }
  if (!into.steps.empty() && !lists.tokens.empty()) throw simdjson::simdjson_error(simdjson::INCORRECT_TYPE);
  if (into.steps.empty()) join(std::move(lists), into);
}

void read_choice(ondemand::value value, OpenaiReply& into) {
  for (auto field : value.get_object()) {
    const std::string_view key = field.unescaped_key();
    if (key == "text") into.text = told_text(field.value());
    if (key == "finish_reason") into.finish = told_text(field.value());
    if (key == "logprobs") read_logprobs(field.value(), into);
    if (key == "token_ids" || key == "prompt_token_ids") {
      ondemand::value ids = field.value();
      if (!ids.is_null()) (key == "token_ids" ? into.token_ids : into.prompt_ids) = told_ids(ids);
    }
  }
}

void read_usage(ondemand::value value, OpenaiReply& into) {
  if (value.is_null()) return;
  for (auto field : value.get_object()) {
    const std::string_view key = field.unescaped_key();
    if (key == "prompt_tokens") into.prompt_tokens = told_count(field.value());
    if (key == "completion_tokens") into.completion_tokens = told_count(field.value());
  }
}

}  // namespace

Result<OpenaiReply> read_openai_reply(const HttpReply& reply) {
  OpenaiReply read;
  int choices = 0;
  const auto told = told_object(reply, [&](ondemand::object object) {
    for (auto field : object) {
      const std::string_view key = field.unescaped_key();
      if (key == "model") read.model = told_text(field.value());
      if (key == "system_fingerprint") read.fingerprint = told_text(field.value());
      if (key == "usage") read_usage(field.value(), read);
      if (key != "choices") continue;
      for (auto choice : field.value().get_array()) {
        if (choices++ == 0) read_choice(choice.value(), read);
      }
    }
  });
  if (!told) return told.error();
  if (choices != 1) return Error{"", "choices", "one", std::to_string(choices)};
  return read;
}

}  // namespace assay
