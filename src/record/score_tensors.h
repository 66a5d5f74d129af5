// logprobs.safetensors: three tensors of one length, `ids` I32, `logprob` F32, `rank` I32. Internal to
// record.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "record/record.h"

namespace assay {

// All scores of a record, in file order.
using FlatScores = std::vector<TokenScore>;

std::string encode_scores(const FlatScores& scores);

// Error: anything but exactly these three tensors, back to back, of one length, filling the file.
Result<FlatScores> decode_scores(std::span<const std::byte> bytes, const std::string& file);

}  // namespace assay
