#include "engine/sglang/sglang_reply.h"

#include "engine/remote/json_values.h"

namespace assay {
namespace {

namespace ondemand = simdjson::ondemand;

// [log-probability, id, text or null]; a later release may have more behind them.
ToldScore read_triple(ondemand::value value) {
  ToldScore score;
  int at = 0;
  for (auto element : value.get_array()) {
    if (at == 0) score.logprob = told_logprob(element.value());
    if (at == 1) score.id = told_id(element.value());
    ++at;
  }
  if (at < 2) throw simdjson::simdjson_error(simdjson::INDEX_OUT_OF_BOUNDS);
  return score;
}

std::vector<ToldScore> read_tokens(ondemand::value value) {
  std::vector<ToldScore> tokens;
  if (value.is_null()) return tokens;
  for (auto element : value.get_array()) tokens.push_back(read_triple(element.value()));
  return tokens;
}

ToldRows read_rows(ondemand::value value) {
  ToldRows rows;
  if (value.is_null()) return rows;
  for (auto row : value.get_array()) {
    ondemand::value triples = row.value();
    if (!triples.is_null()) {
      for (auto triple : triples.get_array()) rows.add(read_triple(triple.value()));
    }
    rows.end_row();
  }
  return rows;
}

void read_finish(ondemand::value value, SglangReply& into) {
  if (value.is_null()) return;
  for (auto field : value.get_object()) {
    const std::string_view key = field.unescaped_key();
    if (key == "type") into.finish = told_text(field.value());
    if (key == "message") into.finish_message = told_text(field.value());
  }
}

void read_meta(ondemand::value value, SglangReply& into) {
  for (auto field : value.get_object()) {
    const std::string_view key = field.unescaped_key();
    if (key == "id") into.id = told_text(field.value());
    if (key == "finish_reason") read_finish(field.value(), into);
    if (key == "weight_version") into.weight_version = told_text(field.value());
    if (key == "prompt_tokens") into.prompt_tokens = told_count(field.value());
    if (key == "completion_tokens") into.completion_tokens = told_count(field.value());
    if (key == "cached_tokens") into.cached_tokens = told_count(field.value());
    if (key == "input_token_logprobs") into.input.tokens = read_tokens(field.value());
    if (key == "input_top_logprobs") into.input.top = read_rows(field.value());
    if (key == "input_token_ids_logprobs") into.input.of_interest = read_rows(field.value());
    if (key == "output_token_logprobs") into.output.tokens = read_tokens(field.value());
    if (key == "output_top_logprobs") into.output.top = read_rows(field.value());
    if (key == "output_token_ids_logprobs") into.output.of_interest = read_rows(field.value());
  }
}

}  // namespace

Result<SglangReply> read_sglang_reply(const HttpReply& reply) {
  SglangReply read;
  const auto told = told_object(reply, [&](ondemand::object object) {
    for (auto field : object) {
      const std::string_view key = field.unescaped_key();
      if (key == "meta_info") read_meta(field.value(), read);
      if (key == "output_ids") read.output_ids = told_ids(field.value());
    }
  });
  if (!told) return told.error();
  return read;
}

}  // namespace assay
