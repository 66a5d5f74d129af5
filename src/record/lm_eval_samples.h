// Reads samples_*.jsonl of EleutherAI's lm-evaluation-harness (--log_samples; since 0.4.4, which writes arguments as
// gen_args_N and responses as texts). A line is a document under one filter; the responses in `resps` are those
// before the filter.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/index.h"

namespace assay {

// How likely a continuation is after a context: one request of a document.
struct Likelihood {
  std::string context;
  std::string continuation;
  double logprob = 0;   // the sum over the continuation's tokens; minus infinity too
  bool greedy = false;  // each of its tokens is the most likely one
  bool operator==(const Likelihood&) const = default;
};

struct LmEvalDocument {
  Index line = 0;  // from 1
  Index id = 0;
  std::vector<Likelihood> likelihoods;
};

struct LmEvalSamples {
  std::vector<LmEvalDocument> documents;  // those with likelihoods, each once
  // Requests that hold no likelihood of a continuation.
  Index rolling = 0;    // one sum over a whole text
  Index generated = 0;  // texts, cut at a stop word, without log-probabilities
  Index repeated = 0;   // lines of a document that came before, under another filter
};

// Error names the line: no JSON object, unknown or missing keys, requests and responses that differ in number or in
// kind, a document that comes again with other requests.
Result<LmEvalSamples> read_lm_eval_samples(std::string_view text, const std::string& file);

}  // namespace assay
