#include "record/lm_eval_samples.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>

#include "base/json.h"
#include "record/json_codec.h"

namespace assay {
namespace {

enum class Kind : std::uint8_t { likelihood, rolling, generated };

struct Request {
  Kind kind = Kind::likelihood;
  std::string context;
  std::string continuation;
};

// Keys but those of metrics, which the line lists.
Result<void> check_keys(const Json& line, const std::string& place) {
  const auto metrics = json_get_array<std::string>(line, place, "metrics");
  if (!metrics) return metrics.error();
  std::vector<std::string_view> known = {"doc_id",   "doc",         "target",     "arguments",
                                         "resps",    "filter",      "metrics",    "filtered_resps",
                                         "doc_hash", "prompt_hash", "target_hash"};
  known.insert(known.end(), metrics->begin(), metrics->end());
  return refuse_unknown_keys(line, place, known);
}

Result<Request> read_request(const Json& arguments, const std::string& place, const std::string& key) {
  const Error wrong{place, key, "{arg_0: a text} or {arg_0: a text, arg_1: a text or an object}",
                    describe(arguments)};
  if (!arguments.is_object() || !arguments.contains("arg_0") || !arguments.at("arg_0").is_string())
    return wrong;
  const std::string first = arguments.at("arg_0").get<std::string>();
  if (arguments.size() == 1) return Request{Kind::rolling, first, ""};
  if (arguments.size() != 2 || !arguments.contains("arg_1")) return wrong;
  const Json& second = arguments.at("arg_1");
  if (second.is_object()) return Request{Kind::generated, first, ""};
  if (!second.is_string()) return wrong;
  return Request{Kind::likelihood, first, second.get<std::string>()};
}

Result<double> read_number(const Json& text, const std::string& place, const std::string& key) {
  const Error wrong{place, key, "a log-probability <= 0 as a text", describe(text)};
  if (!text.is_string()) return wrong;
  const auto word = text.get<std::string>();
  if (word == "-inf") return -std::numeric_limits<double>::infinity();
  double value = 0;
  const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (problem != std::errc() || end != word.data() + word.size() || !(value <= 0)) return wrong;
  return value;
}

// resps[i]: a list with one response, ["-1.5", "False"].
Result<Likelihood> read_likelihood(const Request& request, const Json& responses, const std::string& place,
                                   const std::string& key) {
  const bool good = responses.is_array() && responses.size() == 1 && responses[0].is_array() &&
                    responses[0].size() == 2 && (responses[0][1] == "True" || responses[0][1] == "False");
  if (!good) {
    return Error{place, key, R"(one response [log-probability, "True" or "False"])", describe(responses)};
  }
  const auto logprob = read_number(responses[0][0], place, key + "[0][0]");
  if (!logprob) return logprob.error();
  return Likelihood{request.context, request.continuation, *logprob, responses[0][1] == "True"};
}

// Adds what the line holds to `samples`.
Result<void> read_line(const Json& line, const std::string& place, LmEvalDocument& document,
                       LmEvalSamples& samples) {
  if (!line.is_object()) return Error{place, "", "an object", describe(line)};
  if (auto checked = check_keys(line, place); !checked) return checked;
  const auto id = json_get<Index>(line, place, "doc_id");
  if (!id) return id.error();
  document.id = *id;
  const auto arguments = json_get_object(line, place, "arguments");
  if (!arguments) return arguments.error();
  const auto responses = json_get_list(line, place, "resps");
  if (!responses) return responses.error();
  if ((*arguments)->size() != (*responses)->size()) {
    return Error{place, "resps", fmt::format("{} responses, one for each request", (*arguments)->size()),
                 std::to_string((*responses)->size())};
  }
  for (std::size_t i = 0; i < (*responses)->size(); ++i) {
    const std::string name = fmt::format("gen_args_{}", i);
    if (!(*arguments)->contains(name)) return Error{place, "arguments", name, describe(**arguments)};
    const auto request = read_request((*arguments)->at(name), place, "arguments." + name);
    if (!request) return request.error();
    samples.rolling += request->kind == Kind::rolling ? 1 : 0;
    samples.generated += request->kind == Kind::generated ? 1 : 0;
    if (request->kind != Kind::likelihood) continue;
    auto read = read_likelihood(*request, (**responses)[i], place, json_element("resps", i));
    if (!read) return read.error();
    document.likelihoods.push_back(*std::move(read));
  }
  return {};
}

}  // namespace

Result<LmEvalSamples> read_lm_eval_samples(std::string_view text, const std::string& file) {
  LmEvalSamples samples;
  std::map<Index, std::vector<Likelihood>> seen;
  Index number = 0;
  while (!text.empty()) {
    const auto newline = text.find('\n');
    const std::string_view content = text.substr(0, newline);
    text = newline == std::string_view::npos ? std::string_view() : text.substr(newline + 1);
    const std::string place = fmt::format("{}, line {}", file, ++number);
    const auto line = parse_json(content, place);
    if (!line) return line.error();
    LmEvalDocument document{number, 0, {}};
    LmEvalSamples found;
    if (auto read = read_line(*line, place, document, found); !read) return read.error();
    const auto [before, is_new] = seen.emplace(document.id, document.likelihoods);
    if (!is_new) {
      if (before->second != document.likelihoods)
        return Error{place, "doc_id", "each document with one set of requests",
                     fmt::format("document {} with another", document.id)};
      ++samples.repeated;
      continue;
    }
    samples.rolling += found.rolling;
    samples.generated += found.generated;
    if (!document.likelihoods.empty()) samples.documents.push_back(std::move(document));
  }
  return samples;
}

}  // namespace assay
