// Whether a reply of /generate belongs to its request, and the scores in it.
#pragma once

#include <string>

#include "base/error.h"
#include "engine/sglang/sglang_reply.h"
#include "engine/sglang/sglang_request.h"

namespace assay {

// SGLang echoes 0 for the last id of the vocabulary (seen of 0.5.23: its clip of image tokens takes that one too). Where
// it was sent and 0 came back, it stands in `input` again.
void restore_last_id(SglangSide& input, const SglangAsked& asked, Index vocabulary);

// Error: another rid, other prompt ids or another number of them, counts that do not fit, an aborted request, too few
// generated tokens for its finish_reason.
Result<void> check_sglang_reply(const SglangReply& reply, const SglangAsked& asked, const std::string& id);

// The scores at position `position`, whose token is tokens[at] of `side`; `first` as SglangSide's first row. Error:
// fewer alternatives than asked, other ids of interest, what put_in_order refuses.
Result<PositionScores> sglang_position(const SglangSide& side, const SglangAsked& asked, Index at,
                                       Index position);

}  // namespace assay
