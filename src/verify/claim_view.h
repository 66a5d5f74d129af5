// One claim of a verification: its prompts, its words, and what each verifier setup gave for it.
#pragma once

#include <string>
#include <vector>

#include "record/record.h"
#include "verify/calibration.h"

namespace assay {

struct ClaimView {
  const Verification& verification;
  std::string claimed;
  const Setup* words = nullptr;            // of the record; null where it has none
  std::vector<const Generation*> prompts;  // by reference; empty where the claims are not recorded

  // Null where it was not run.
  const Reexecution* run_by(const std::string& verifier, Index reference) const;
  // The record and what its re-execution says must be of one program for bits to be owed: of this one, or of a server's
  // (engine and server_version in Setup::ran), seen from this one.
  bool same_program_as(const Setup& verifier) const;
};

ClaimView view_of(const Verification& verification, const std::string& claimed);

// The positions that a record with these settings has of the prompt: the last so many of the prompt and of what
// was generated, in order.
std::vector<Index> promised_positions(const Generation& prompt, const GenerationSettings& settings);

// Whether the verifier gives its own bits again whenever it replays a record of its own. It says so itself
// (Setup::ran); what the record says of this is the prover's word. Missing words are from before there were
// such devices.
bool bits_are_promised(const Verification& verification, const Setup& verifier);

}  // namespace assay
