// Replies of real servers to models/tiny-qwen3 on a CPU: SGLang 0.5.23's /v1/completions, which takes and gives ids, and
// llama-cpp-python 0.3.36, which knows texts alone.
#include <gtest/gtest.h>

#include "engine/openai/openai_dialect.h"
#include "engine/remote/fake_model.h"
#include "tokenizer/tokenizer.h"

namespace assay {
namespace {

constexpr const char* kSglangReply = R"(
{"id":"ccf726e78c2a486ba3b311b213764889","object":"text_completion","created":1796012498,"model":"tiny",
"choices":[{"index":0,"text":"5?IS\n\n ","logprobs":{"text_offset":[-1,-1,-1,-1,-1,-1,-1],
"token_logprobs":[null,-7.144209861755371,-10.540910720825195,-8.124059677124023,-8.326668739318848,
-1.630608320236206,-1.8019013404846191],"tokens":["<|im_start|>","5","?","I","S","\n\n"," "],
"top_logprobs":[null,{"<|im_start|>":-2.861044406890869,"per":-3.940455913543701},{"2":-1.6492623090744019,
"\n\n":-1.7904051542282104},{"1":-1.0015511512756348,"2":-2.212409019470215},{"\n":-1.627428650856018,
"\n\n":-1.853514313697815},{"\n\n":-1.630608320236206," M":-2.6842777729034424},{" ":-1.8019013404846191,
"F":-3.3291335105895996}]},"finish_reason":"length","matched_stop":null,"token_ids":[266,220],
"prompt_token_ids":[4094,20,30,40,50]}],"usage":{"prompt_tokens":5,"total_tokens":7,"completion_tokens":2,
"prompt_tokens_details":null,"reasoning_tokens":0,"completion_tokens_details":null},
"metadata":{"weight_version":"default","weight_versions":[{"version":"default","start":0,"end":2}]}})";

constexpr const char* kLlamaReply = R"(
{"id":"cmpl-25ae8419-b99b-4a98-91ca-9aef1d4878d8","object":"text_completion","created":1796012453,
"model":"tiny","choices":[{"text":" the number of","index":0,"logprobs":{"text_offset":[24,28,35],
"token_logprobs":[-1.8411104679107666,-3.4371964931488037,-0.09251799434423447],"tokens":[" the"," number",
" of"],"top_logprobs":[{" the":-1.8411104679107666," a":-2.6625583171844482},{" number":-3.4371964931488037,
" same":-3.7046358585357666},{" of":-0.09251799434423447," in":-5.087403297424316}]},
"finish_reason":"length"}],"usage":{"prompt_tokens":8,"completion_tokens":3,"total_tokens":11}})";

std::unique_ptr<Dialect> dialect() {
  return make_openai_dialect("tiny", *Tokenizer::open(ASSAY_SOURCE_DIR "/models/tiny-qwen3/tokenizer.json"));
}

Probe probe_of(bool ids) {
  return {.capabilities = {.generates = true, .token_ids = ids, .prompt_logprobs = ids, .most_top_k = 2},
          .identity = {{"model", "tiny"},
                       {"prompt", ids ? "ids" : "text"},
                       {"fields", ids ? "extended" : "openai"},
                       {"ids", ids ? "ids" : "retokenized"}}};
}

TEST(OpenaiRealReplyTest, ReadsSglangs) {
  const GenerateRequest request{.prompt = {4094, 20, 30, 40, 50},
                                .max_new_tokens = 2,
                                .top_k = 2,
                                .last_positions = 0,
                                .ignore_eos = true};
  const auto made =
      dialect()->read_generation(request, probe_of(true), "", reply_of(std::string(kSglangReply)));
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(lookup(made->served, "dropped"), "");
  EXPECT_EQ(made->generated_ids, (std::vector<TokenId>{266, 220}));
  ASSERT_EQ(made->prefill.size(), 4U);
  EXPECT_EQ(made->prefill[1].scores, (std::vector<TokenScore>{{17, -1.6492623090744019F, 1},
                                                              {266, -1.7904051542282104F, 2},
                                                              {30, -10.540910720825195F, 0}}));
  ASSERT_EQ(made->decode.size(), 2U);
  EXPECT_EQ(find_score(made->decode[1].scores, 220)->logprob, -1.8019013404846191F);
}

TEST(OpenaiRealReplyTest, ReadsLlamaCppPythons) {
  const auto tokenizer = Tokenizer::open(ASSAY_SOURCE_DIR "/models/tiny-qwen3/tokenizer.json");
  const GenerateRequest request{.prompt = *tokenizer->encode("The capital of France is", SpecialTokens::none),
                                .max_new_tokens = 3,
                                .top_k = 2};
  const Probe probe = probe_of(false);
  const Json body = *parse_json(dialect()->generate_request(request, probe, "").body, "request");
  EXPECT_EQ(body["prompt"], "The capital of France is");
  EXPECT_FALSE(body.contains("top_k"));  // -1 is an error there
  const auto made = dialect()->read_generation(request, probe, "", reply_of(std::string(kLlamaReply)));
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(lookup(made->served, "dropped"), "");
  EXPECT_EQ(tokenizer->decode(made->generated_ids), " the number of");
  EXPECT_TRUE(made->prefill.empty());
  ASSERT_EQ(made->decode.size(), 3U);
  EXPECT_EQ(made->decode[0].scores[0].logprob, -1.8411104679107666F);
  EXPECT_EQ(made->decode[2].scores.size(), 2U);
}

}  // namespace
}  // namespace assay
