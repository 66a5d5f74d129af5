#include "engine/remote/dialects.h"

#include "engine/openai/openai_dialect.h"
#include "engine/remote/model_extents.h"
#include "engine/sglang/sglang_dialect.h"
#include "engine/vllm/vllm_dialect.h"
#include "tokenizer/tokenizer.h"

namespace assay {

Result<std::unique_ptr<Dialect>> dialect_named(const std::string& word, std::string model,
                                               const std::filesystem::path& folder) {
  if (word == "vllm") return make_vllm_dialect(std::move(model));
  if (word == "sglang") {
    const auto extents = read_model_extents(folder);
    if (!extents) return extents.error();
    return std::unique_ptr<Dialect>(make_sglang_dialect(std::move(model), extents->vocabulary));
  }
  if (word != "openai") return Error{"", "engine", "vllm, sglang or openai", word};
  auto tokenizer = Tokenizer::open(folder / "tokenizer.json");
  if (!tokenizer) return tokenizer.error();
  return make_openai_dialect(std::move(model), *std::move(tokenizer));
}

}  // namespace assay
