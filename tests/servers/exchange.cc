#include "servers/exchange.h"

#include <fmt/format.h>

#include <cstdlib>

namespace assay {
namespace {

constexpr const char* kJson = "application/json";
constexpr float kMark = -98765.5F;  // a log-probability that no model gives
constexpr const char* kMarkText = "-98765.5";

void send_error(httplib::Response& response, int status, const std::string& message) {
  const char* type = status == 404 ? "NotFoundError" : "BadRequestError";
  const Json error = {{"message", message}, {"type", type}, {"param", nullptr}, {"code", status}};
  response.status = status;
  response.set_content(Json{{"error", error}}.dump(), kJson);
}

// Another prompt, and another trace: a reply to them is right, but not for the request.
Work mistaken(Work work, Index vocabulary) {
  const auto change = [&](std::vector<TokenId>& ids) {
    if (ids.empty()) return;
    TokenId& id = ids[ids.size() / 2];
    id = static_cast<TokenId>((id + 1) % vocabulary);
  };
  change(work.prompt);
  if (work.trace) change(*work.trace);
  return work;
}

// The positions that a fault damages: those of the prompt where they were asked for.
std::vector<PositionScores>& damaged(Answer& answer) {
  return answer.prompt_scores.empty() ? answer.generated_scores : answer.prompt_scores;
}

void damage(FaultKind fault, Index vocabulary, Answer& answer) {
  auto& scores = damaged(answer);
  if (scores.empty()) return;
  const auto middle = scores.begin() + static_cast<std::ptrdiff_t>(scores.size() / 2);
  if (fault == FaultKind::missing_position) scores.erase(middle);
  if (fault == FaultKind::nan || fault == FaultKind::null_number) middle->scores.front().logprob = kMark;
  if (fault == FaultKind::wrong_ids && !answer.generated.empty()) {
    answer.generated[0] = static_cast<TokenId>((answer.generated[0] + 1) % vocabulary);
  }
}

std::string with_marks_replaced(std::string text, const char* word) {
  for (auto at = text.find(kMarkText); at != std::string::npos; at = text.find(kMarkText, at)) {
    text.replace(at, std::string_view(kMarkText).size(), word);
  }
  return text;
}

// Sends `bytes` where `announced` ones are due.
void send_bytes(httplib::Response& response, std::size_t announced, const std::string& bytes) {
  response.set_content_provider(announced, kJson, [bytes](std::size_t, std::size_t, httplib::DataSink& sink) {
    sink.write(bytes.data(), bytes.size());
    return false;  // the connection ends here
  });
}

}  // namespace

Exchange::Exchange(const ServerOptions& options, ServedModel& model, Listener& listener)
    : options_(options), model_(model), listener_(listener), faults_(options.faults) {
  listener_.http().set_pre_routing_handler(
      [this](const httplib::Request& request, httplib::Response& response) {
        const bool open = options_.token.empty() || request.path == "/health" ||
                          request.get_header_value("Authorization") == "Bearer " + options_.token;
        if (open) return httplib::Server::HandlerResponse::Unhandled;
        response.status = 401;
        response.set_content(R"({"error":"Unauthorized"})", kJson);
        return httplib::Server::HandlerResponse::Handled;
      });
  listener_.http().Post("/mock/faults", [this](const httplib::Request& request, httplib::Response& response) {
    auto faults = parse_faults(request.body);
    if (!faults) return send_error(response, 400, faults.error().message());
    faults_.arm(*std::move(faults));
  });
  get("/mock/faults", [this] { return Json{{"counted", faults_.counted()}}; });
}

void Exchange::get(const std::string& path, const std::function<Json()>& content) {
  listener_.http().Get(path, [content](const httplib::Request&, httplib::Response& response) {
    response.set_content(content().dump(), kJson);
  });
}

void Exchange::post(const std::string& path, const Handler& handler) {
  listener_.http().Post(path, [handler](const httplib::Request& request, httplib::Response& response) {
    const auto body = parse_json(request.body, "body");
    if (!body) return send_error(response, 400, body.error().message());
    if (!body->is_object()) return send_error(response, 400, "the body must be an object");
    try {
      handler(*body, request, response);
    } catch (const Refusal& refusal) {
      send_error(response, refusal.status, refusal.message);
    }
  });
}

// Whether the fault leaves nothing to compute.
bool Exchange::withhold(FaultKind fault, const httplib::Request& request, httplib::Response& response) {
  switch (fault) {
    case FaultKind::refused:
      return listener_.pause(), true;
    case FaultKind::reset:
      return Listener::reset(request), true;
    case FaultKind::die:
      std::_Exit(3);
    case FaultKind::too_many:
      response.set_header("Retry-After", "1");
      return send_error(response, 429, "too many requests"), true;
    case FaultKind::server_error:
      return send_error(response, 500, "the engine is dead"), true;
    case FaultKind::slow:
      listener_.wait(options_.slow);
      return false;
    default:
      return false;
  }
}

void Exchange::reply(const Work& work, const Render& render, const httplib::Request& request,
                     httplib::Response& response) {
  const bool counts = static_cast<Index>(work.prompt.size()) >= options_.fault_min_tokens;
  const FaultKind fault = counts ? faults_.next() : FaultKind::none;
  if (withhold(fault, request, response)) return;
  if (options_.latency.count() > 0) listener_.wait(options_.latency);
  const Index vocabulary = model_.vocabulary_size();
  auto answer = model_.compute(fault == FaultKind::wrong_ids ? mistaken(work, vocabulary) : work);
  if (!answer) throw Refusal{400, answer.error().message()};
  damage(fault, vocabulary, *answer);
  std::string text = render(*answer).dump();
  if (fault == FaultKind::nan) text = with_marks_replaced(std::move(text), "NaN");
  if (fault == FaultKind::null_number) text = with_marks_replaced(std::move(text), "null");
  if (fault == FaultKind::cut) return send_bytes(response, text.size(), text.substr(0, text.size() / 2));
  if (fault == FaultKind::duplicate) {
    const std::string head =
        fmt::format("HTTP/1.1 200 OK\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n", kJson, text.size());
    return send_bytes(response, text.size(), text + head + text);
  }
  response.set_content(text, kJson);
}

}  // namespace assay
