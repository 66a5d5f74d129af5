#include "experiment/experiment_file.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

namespace assay {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kGood = R"(prompts:
  documents: [a.txt, b*.txt]
  tokens: 12
  references: 2
  question: "Why?"
generate: {max_new_tokens: 4}
setups:
  one: {model: ./m, quantization: awq}
  two: {model: org/name, quantization: none, dtype: bfloat16, device: exact}
)";

class ExperimentFile : public testing::Test {
 protected:
  ExperimentFile() { std::filesystem::create_directories(folder_); }
  ~ExperimentFile() override { std::filesystem::remove_all(folder_); }

  Result<Experiment> read(const std::string& text, std::optional<std::string> device = {}) const {
    std::ofstream(folder_ / "e.yaml") << text;
    return read_experiment(folder_ / "e.yaml", device);
  }

  // The message for kGood with `from` replaced.
  std::string complaint(const std::string& from, const std::string& to) const {
    std::string text = kGood;
    const std::size_t at = text.find(from);
    require(at != std::string::npos, "the text to replace is there");
    const auto experiment = read(text.replace(at, from.size(), to));
    return experiment ? "accepted" : experiment.error().message();
  }

  std::filesystem::path folder_ = std::filesystem::path(testing::TempDir()) / "assay_experiment_file";
};

TEST_F(ExperimentFile, ReadsEveryFieldAndTheDocumentedDefaults) {
  const auto experiment = read(kGood);
  ASSERT_TRUE(experiment) << experiment.error().message();
  EXPECT_THAT(experiment->prompts.documents,
              testing::ElementsAre((folder_ / "a.txt").string(), (folder_ / "b*.txt").string()));
  EXPECT_EQ(experiment->prompts.tokens, 12);
  EXPECT_EQ(experiment->prompts.references, 2);
  EXPECT_EQ(experiment->prompts.question, "Why?");
  EXPECT_EQ(experiment->generate.max_new_tokens, 4);
  EXPECT_EQ(experiment->generate.top_k, 5);
  EXPECT_EQ(experiment->generate.last_positions, 3);
  EXPECT_EQ(experiment->generate.runs, 2);
  EXPECT_FALSE(experiment->generate.ignore_eos);
  const std::vector<assay::Setup> expected = {
      {.name = "one",
       .model = (folder_ / "m").string(),
       .quantization = "awq",
       .dtype = "float16",
       .device = "ieee"},
      {.name = "two", .model = "org/name", .quantization = "none", .dtype = "bfloat16", .device = "exact"}};
  EXPECT_EQ(experiment->setups, expected);
}

TEST_F(ExperimentFile, TheCommandLinesDeviceOverridesEveryDevice) {
  const auto experiment = read(kGood, "a100");
  ASSERT_TRUE(experiment);
  EXPECT_EQ(experiment->setups[0].device, "a100");
  EXPECT_EQ(experiment->setups[1].device, "a100");
}

TEST_F(ExperimentFile, ASetupsWordOverridesTheFiles) {
  const auto plain = read(kGood);
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->setups[0].profile, "vllm-0.11");
  EXPECT_EQ(plain->setups[0].kernel, "");
  EXPECT_EQ(plain->setups[0].prefill_tokens, 8192);
  std::string text = "profile: vllm-0.12\nprefill_tokens: 2048\n" + std::string(kGood);
  const std::string own = ", profile: other, prefill_tokens: 16, kernel: split_k(2)}";
  text.replace(text.rfind('}'), 1, own);
  const auto experiment = read(text);
  ASSERT_TRUE(experiment) << experiment.error().message();
  EXPECT_EQ(experiment->setups[0].profile, "vllm-0.12");
  EXPECT_EQ(experiment->setups[0].prefill_tokens, 2048);
  EXPECT_EQ(experiment->setups[1].profile, "other");
  EXPECT_EQ(experiment->setups[1].prefill_tokens, 16);
  EXPECT_EQ(experiment->setups[1].kernel, "split_k(2)");
  EXPECT_THAT(complaint("generate:", "prefill_tokens: 0\ngenerate:"),
              HasSubstr("e.yaml:6: prefill_tokens: "));
  EXPECT_THAT(complaint("device: exact", "prefill_tokens: 1k"), HasSubstr("setups.two.prefill_tokens"));
  EXPECT_THAT(complaint("generate:", "kernel: x\ngenerate:"), HasSubstr("e.yaml:6: kernel: "));
}

TEST_F(ExperimentFile, ASetupMayNameAServer) {
  std::string text = kGood;
  text +=
      "  served: {engine: vllm, endpoint: [http://gpu1:8000, http://gpu2:8000], model: org/name, "
      "quantization: awq}\n"
      "  own: {engine: sglang, launch: 'serve {model} --port {port}', model: org/name, quantization: awq, "
      "device: a100,\n"
      "        served_model_name: q, in_flight: 8, timeout_s: 9, token_variable: KEY, ca_file: ca.pem, "
      "verify_tls: false}\n";
  const auto experiment = read(text, "h100");
  ASSERT_TRUE(experiment) << experiment.error().message();
  EXPECT_EQ(experiment->setups[2],
            (assay::Setup{.name = "served",
                          .model = "org/name",
                          .quantization = "awq",
                          .dtype = "float16",
                          .device = "",
                          .profile = "",
                          .prefill_tokens = 0,
                          .server = ServerChoice{.engine = "vllm",
                                                 .endpoints = {"http://gpu1:8000", "http://gpu2:8000"}}}));
  EXPECT_EQ(experiment->setups[3].device, "a100");
  EXPECT_EQ(experiment->setups[3].server, (ServerChoice{.engine = "sglang",
                                                        .launch = "serve {model} --port {port}",
                                                        .served_model = "q",
                                                        .in_flight = 8,
                                                        .timeout_s = 9,
                                                        .token_variable = "KEY",
                                                        .ca_file = (folder_ / "ca.pem").string(),
                                                        .verify_tls = false}));
}

TEST_F(ExperimentFile, AServersKeysAreAllOrNothing) {
  const auto refused = [&](const std::string& keys) { return complaint("device: exact", keys); };
  EXPECT_THAT(refused("engine: tgi"),
              HasSubstr("setups.two.engine: expected native, vllm, sglang or openai, found tgi"));
  EXPECT_THAT(refused("engine: vllm"),
              HasSubstr("expected either an endpoint or a launch command, found neither"));
  EXPECT_THAT(refused("engine: vllm, endpoint: http://a, launch: b"), HasSubstr("found both"));
  EXPECT_THAT(refused("endpoint: http://a"),
              HasSubstr("setups.two.endpoint: expected nothing, where no engine"));
  EXPECT_THAT(refused("engine: native, in_flight: 2"), HasSubstr("setups.two.in_flight: expected nothing"));
  EXPECT_THAT(refused("engine: vllm, endpoint: http://a, in_flight: 0"), HasSubstr("setups.two.in_flight"));
  const std::string password = refused("engine: vllm, endpoint: 'http://me:hunter2@a'");
  EXPECT_THAT(password, AllOf(HasSubstr("setups.two.endpoint[0]: "), Not(HasSubstr("hunter2"))));
  for (const char* launch :
       {"serve --api-key hunter2", "serve --api-key=hunter2", "HF_TOKEN=hunter2 serve"}) {
    const std::string secret = refused(fmt::format("engine: vllm, launch: {}", launch));
    EXPECT_THAT(secret, AllOf(HasSubstr("setups.two.launch: "), Not(HasSubstr("hunter2")))) << launch;
  }
  for (const char* launch : {"serve --api-key $KEY", "TOKENIZERS_PARALLELISM=false MAX_TOKENS=9 serve"}) {
    EXPECT_EQ(refused(fmt::format("device: '', engine: vllm, launch: {}", launch)), "accepted");
  }
  EXPECT_THAT(refused("engine: vllm, endpoint: http://a, kernel: awq"),
              HasSubstr("setups.two.kernel: expected nothing: the server chooses"));
  EXPECT_THAT(refused("engine: vllm, endpoint: http://a, prefill_tokens: 8"),
              HasSubstr("setups.two.prefill_tokens"));
}

TEST_F(ExperimentFile, PositionsAreAllOrLastN) {
  EXPECT_THAT(complaint("4}", "4, positions: last0}"), HasSubstr("lastN"));
  EXPECT_THAT(complaint("4}", "4, positions: last3x}"), HasSubstr("generate.positions"));
  std::string text = kGood;
  text.replace(text.find("4}"), 2, "4, positions: all}");
  EXPECT_EQ(read(text)->generate.last_positions, 0);
}

TEST_F(ExperimentFile, SamplingIsAllOrNothing) {
  const auto sampling = [&](const std::string& keys) {
    std::string text = kGood;
    const auto experiment = read(text.replace(text.find("4}"), 2, "4, " + keys + "}"));
    EXPECT_TRUE(experiment) << experiment.error().message();
    return experiment->generate.sampling;
  };
  EXPECT_EQ(sampling("top_k: 5"), Sampling{});
  EXPECT_EQ(sampling("temperature: 0, sampler: greedy"), Sampling{});
  EXPECT_EQ(sampling("temperature: 0.7, seed: 0"), (Sampling{Sampler::exponential_race, 0.7, 0}));
  EXPECT_EQ(sampling("temperature: 1, seed: 9223372036854775807, sampler: inverse_cdf"),
            (Sampling{Sampler::inverse_cdf, 1, 9223372036854775807U}));
  const auto refused = [&](const std::string& keys) { return complaint("4}", "4, " + keys + "}"); };
  EXPECT_THAT(refused("temperature: 0.7"), HasSubstr("generate.seed: expected an integer from 0 to"));
  EXPECT_THAT(refused("temperature: 0.7, seed: -1"), HasSubstr("generate.seed"));
  EXPECT_THAT(
      refused("temperature: -0.7, seed: 1"),
      HasSubstr("generate.temperature: expected 0 (greedy), or a number from 0.01 to 100, found -0.7"));
  EXPECT_THAT(refused("temperature: 0.001, seed: 1"), HasSubstr("found 0.001"));
  EXPECT_THAT(refused("temperature: nan, seed: 1"), HasSubstr("temperature: expected a number"));
  EXPECT_THAT(refused("temperature: warm, seed: 1"), HasSubstr("temperature: expected a number"));
  EXPECT_THAT(refused("seed: 1"), HasSubstr("generate.seed: expected no seed, where the temperature is 0"));
  EXPECT_THAT(refused("sampler: inverse_cdf"), HasSubstr("generate.sampler: expected greedy, where"));
  EXPECT_THAT(refused("temperature: 0.7, seed: 1, sampler: greedy"),
              HasSubstr("expected exponential_race or inverse_cdf, found greedy"));
  EXPECT_THAT(refused("temperature: 0.7, seed: 1, sampler: gumbel"), HasSubstr("found gumbel"));
}

TEST_F(ExperimentFile, UnknownKeysNameLineAndNeighbour) {
  const std::string message = complaint("tokens: 12", "tokns: 12");
  EXPECT_THAT(message, HasSubstr("e.yaml:3: prompts.tokns: "));
  EXPECT_THAT(message, HasSubstr("did you mean tokens?"));
  EXPECT_THAT(complaint("dtype", "dtyp"), HasSubstr("e.yaml:9: setups.two.dtyp: "));
  EXPECT_THAT(complaint("generate:", "genrate:"), HasSubstr("did you mean generate?"));
}

TEST_F(ExperimentFile, TwoSetupsOfOneNameAreRefused) {
  const std::string message = complaint("  two:", "  one:");
  EXPECT_THAT(message, HasSubstr("e.yaml:9: setups.one: expected each name once"));
}

TEST_F(ExperimentFile, WrongValuesAreRefused) {
  EXPECT_THAT(complaint("tokens: 12", "tokens: 1.5"), HasSubstr("prompts.tokens: expected an integer"));
  EXPECT_THAT(complaint("tokens: 12", "tokens: \"12\""), HasSubstr("prompts.tokens"));
  EXPECT_THAT(complaint("tokens: 12", "tokens: 0"), HasSubstr("prompts.tokens"));
  EXPECT_THAT(complaint("tokens: 12", "tokens: 99999999999999999999"), HasSubstr("prompts.tokens"));
  EXPECT_THAT(complaint("question: \"Why?\"", "prefix: a"), HasSubstr("prompts.question"));
  EXPECT_THAT(complaint("[a.txt, b*.txt]", "[]"), HasSubstr("prompts.documents"));
  EXPECT_THAT(complaint("4}", "4, ignore_eos: 1}"), HasSubstr("generate.ignore_eos"));
  EXPECT_THAT(complaint("  one:", "  one/two:"), HasSubstr("a name of letters"));
  EXPECT_THAT(complaint("{max_new_tokens: 4}", "4"), HasSubstr("a mapping"));
  EXPECT_THAT(complaint("{max_new_tokens: 4}", "{max"), HasSubstr("YAML"));
  EXPECT_THAT(read("").error().message(), HasSubstr("e.yaml"));
  EXPECT_THAT(read_experiment(folder_ / "absent.yaml").error().message(), HasSubstr("absent.yaml"));
}

}  // namespace
}  // namespace assay
