// Which requests a server is sent for one ScoreRequest, and how their scores become one.
#pragma once

#include <vector>

#include "engine/engine.h"

namespace assay {

// A server that forces tokens through says nothing about the prompt before them, so that decode replay of positions
// in both takes two requests.
enum class ScorePart : std::uint8_t {
  whole,   // prefill replay
  prompt,  // the prompt alone, as prefill replay
  forced   // the generated tokens, as decode replay
};

// What is needed of a request, in the order of positions; none where nothing is asked.
std::vector<ScorePart> parts_of(const ScoreRequest& request);
ScoreRequest part_of(ScoreRequest request, ScorePart part);

// `parts` in the order of parts_of. Of two, what the first was served by has keys that begin with "prompt_".
Scores join_parts(std::vector<Scores> parts);

}  // namespace assay
