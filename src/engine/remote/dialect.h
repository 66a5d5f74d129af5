// How one kind of server is spoken to. A dialect makes requests and reads replies; it opens no socket
// (engine/remote/remote_engine.h does). Facts: docs/remote.md.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "engine/engine.h"
#include "http/client.h"

namespace assay {

// What a server was seen to do, by asking it, never by its version.
struct Capabilities {
  bool generates = false;        // with the log-probabilities of what it generated
  bool token_ids = false;        // takes a prompt as ids and returns ids; else texts
  bool prompt_logprobs = false;  // prefill replay
  bool forced_decode = false;    // decode replay
  bool ranks = false;            // of the position's own token, whatever its rank
  bool ids_of_interest = false;  // scores any ids that are asked for, in prefill replay
  bool ids_by_position = false;  // for each position others of interest, most_top_k at most
  // The server says that equal requests give equal bits, whatever else it computes.
  bool batch_invariant = false;
  Index most_top_k = 0;  // 0: no limit was met
};

// What a server says of itself; all of it its own claim.
struct Probe {
  Capabilities capabilities;
  Environment identity;      // version, model, system_fingerprint, ...: keys as in docs/remote.md
  Index context_length = 0;  // 0 = not told
  // Why a capability is not there, in words ("HTTP 404 on /inference/v1/generate: ...").
  std::string missing = {};
};

// One exchange with the endpoint that is probed; `url` of the request is a path.
using Ask = std::function<HttpReply(HttpRequest)>;

// Of requests and replies: one id for each try, so that a reply meant for another request is noticed.
class Dialect {
 public:
  virtual ~Dialect() = default;

  virtual const char* name() const = 0;         // "vllm"
  virtual const char* health_path() const = 0;  // answers 2xx once the server can work

  // Error: no server of this dialect answers there.
  virtual Result<Probe> probe(const Ask& ask) = 0;

  // `request` is one that `probe` allows. `id` is unique in the run and stands in the reply again where the server
  // echoes it.
  virtual HttpRequest score_request(const ScoreRequest& request, const Probe& probe,
                                    const std::string& id) const = 0;
  // Everything is checked: the echoed ids, positions, finite values, sums, order. Error: what was wrong with the reply.
  virtual Result<Scores> read_scores(const ScoreRequest& request, const Probe& probe, const std::string& id,
                                     const HttpReply& reply) const = 0;

  // Error: what servers of this dialect do not do in a way that a record could say; asked before anything is generated.
  virtual Result<void> allows(const GenerateRequest&, const Probe&) const { return {}; }

  virtual HttpRequest generate_request(const GenerateRequest& request, const Probe& probe,
                                       const std::string& id) const = 0;
  virtual Result<Generation> read_generation(const GenerateRequest& request, const Probe& probe,
                                             const std::string& id, const HttpReply& reply) const = 0;
};

}  // namespace assay
