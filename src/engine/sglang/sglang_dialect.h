// SGLang's own protocol: POST /generate with token ids. Source: SGLang's python/sglang/srt/managers (io_struct,
// tokenizer_manager, scheduler_output_processor_mixin).
#pragma once

#include <memory>
#include <string>

#include "base/index.h"
#include "engine/remote/dialect.h"

namespace assay {

// `model`: the name that the server must know the model by; "" = any. `vocabulary`: vocab_size of its config.json.
std::unique_ptr<Dialect> make_sglang_dialect(std::string model, Index vocabulary);

}  // namespace assay
