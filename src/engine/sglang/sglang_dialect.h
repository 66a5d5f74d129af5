// SGLang's own protocol: POST /generate with token ids. Source: SGLang's python/sglang/srt/managers (io_struct,
// tokenizer_manager, scheduler_output_processor_mixin).
#pragma once

#include <memory>
#include <string>

#include "engine/remote/dialect.h"

namespace assay {

// `model`: the name that the server must know the model by; "" = any.
std::unique_ptr<Dialect> make_sglang_dialect(std::string model);

}  // namespace assay
