// One request and its reply: what all dialects share, the faults among it.
#pragma once

#include <httplib.h>

#include <functional>
#include <string>

#include "base/json.h"
#include "servers/faults.h"
#include "servers/listener.h"
#include "servers/options.h"
#include "servers/served_model.h"

namespace assay {

// Thrown by handlers: the reply is an error.
struct Refusal {
  int status = 400;
  std::string message;
};

class Exchange {
 public:
  using Handler = std::function<void(const Json& body, const httplib::Request&, httplib::Response&)>;
  using Render = std::function<Json(const Answer& answer)>;

  // All of them must outlive it. Sets what every dialect has: the token, and /mock/faults (POST: arms a list of
  // --fault, GET: how many requests were counted).
  Exchange(const ServerOptions& options, ServedModel& model, Listener& listener);

  const ServerOptions& options() const { return options_; }
  ServedModel& model() { return model_; }

  void get(const std::string& path, const std::function<Json()>& content);
  // The body is an object.
  void post(const std::string& path, const Handler& handler);
  // Computes `work` and replies with it, or with the fault that is due. Refusal: what the engine refuses.
  void reply(const Work& work, const Render& render, const httplib::Request& request,
             httplib::Response& response);

 private:
  bool withhold(FaultKind fault, const httplib::Request& request, httplib::Response& response);

  const ServerOptions& options_;
  ServedModel& model_;
  Listener& listener_;
  FaultPlan faults_;
};

}  // namespace assay
