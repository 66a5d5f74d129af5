// Every attack makes a record that a reader accepts and that is not what it says; the controls are.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "attacks/attack.h"
#include "attacks/verifier.h"
#include "record/check.h"
#include "verify/reproduction.h"

namespace assay::attacks {
namespace {

const WorkshopPlan kPlan = {.seed = 8, .references = 2, .prompt_tokens = 32, .new_tokens = 8, .top_k = 5};

EngineShelf& shelf() {
  static EngineShelf& engines = *new EngineShelf(2);
  return engines;
}

Workshop& workshop() {
  static Workshop made = *Workshop::open(shelf(), kPlan);
  return made;
}

const Record& make(const std::string& name) {
  static std::map<std::string, Record> made;
  if (const auto kept = made.find(name); kept != made.end()) return kept->second;
  for (const Attack& attack : attacks()) {
    if (attack.name == name) return made.emplace(name, *attack.make(workshop())).first->second;
  }
  throw Fault("no such attack");
}

Record honest(const Setup& setup) { return *honest_record(workshop(), setup); }

// Positions of the record, and those that the claimed setup gives back bit for bit.
BitCount reproduced(const Record& record, Replay replay = Replay::decode,
                    std::uint64_t noise = kProverNoise) {
  const Setup& claimed = record.setups.front();
  const auto verification =
      verify(workshop(), record, {tiny_setup(claimed.quantization, claimed.device)}, replay, noise);
  BitCount count;
  for (const Comparison& comparison : verification->comparisons) {
    for (const PhaseComparison& phase : {comparison.prefill, comparison.decode}) {
      count.positions += phase.positions;
      count.equal += phase.bit_equal;
    }
  }
  return count;
}

// Generated tokens that the claimed setup would not have chosen.
Index foreign_tokens(const Record& record) {
  const auto verification = verify(workshop(), record, {claimed_setup()}, Replay::decode);
  Index foreign = 0;
  for (const Reexecution& run : verification->reexecutions) {
    foreign += std::count_if(run.tokens.begin(), run.tokens.end(),
                             [](const TokenCheck& token) { return token.margin != 0; });
  }
  return foreign;
}

TEST(Attacks, AreWellFormedAndNamedOnce) {
  std::set<std::string> names;
  for (const Attack& attack : attacks()) {
    EXPECT_TRUE(names.insert(attack.name).second) << attack.name;
    const Record& record = make(attack.name);
    const auto checked = check_record(record, attack.name);
    EXPECT_TRUE(checked.ok()) << checked.error().message();
    const assay::Setup& claimed = record.setups.front();
    EXPECT_EQ(claimed, *shelf().described(tiny_setup(claimed.quantization, claimed.device))) << attack.name;
    EXPECT_NE(record.generations, honest(claimed).generations) << attack.name;
  }
}

TEST(Attacks, ControlsReproduceBitForBit) {
  for (const char* device : kDevices) {
    for (const char* quantization : kQuantizations) {
      const Record record = honest(tiny_setup(quantization, device));
      ASSERT_TRUE(check_record(record, quantization).ok());
      const BitCount count = reproduced(record);
      EXPECT_EQ(count.positions, kPlan.references * 2 * kPlan.new_tokens);
      EXPECT_EQ(count.equal, count.positions) << quantization << " on " << device;
    }
  }
  const Record noisy = honest(tiny_setup("gptq", "a100"));
  EXPECT_LT(reproduced(noisy, Replay::decode, kVerifierNoise).equal, reproduced(noisy).positions)
      << "exllama under another order of its atomics";
}

TEST(Attacks, DrawnControlsAreChosenAgain) {
  const Record record = *honest_record(workshop(), claimed_setup(), drawn(workshop()));
  const BitCount count = reproduced(record);
  EXPECT_EQ(count.equal, count.positions);
  EXPECT_EQ(foreign_tokens(record), 0);
  EXPECT_NE(record.generations.front().generated_ids,
            honest(claimed_setup()).generations.front().generated_ids);
}

TEST(Attacks, OnlyTheTokensSayThatTheSeedIsWrong) {
  const Record& record = make("wrong seed");
  const BitCount count = reproduced(record);
  EXPECT_EQ(count.equal, count.positions);
  EXPECT_GT(foreign_tokens(record), 0);
}

TEST(Attacks, AttachedScoresAreTheClaimedSetups) {
  for (const char* name : {"attached", "attached, drawn", "speculative"}) {
    const Record& record = make(name);
    const BitCount count = reproduced(record, Replay::prefill);
    EXPECT_EQ(count.equal, count.positions) << name;
    EXPECT_GT(foreign_tokens(record), 0) << name;
  }
  EXPECT_LT(foreign_tokens(make("speculative")), foreign_tokens(make("attached")));
  EXPECT_EQ(foreign_tokens(honest(claimed_setup())), 0);
}

double mean_logprob(const Record& record) {
  double sum = 0;
  Index count = 0;
  for (const Generation& generation : record.generations) {
    for (const PositionScores& position : generation.decode) {
      const TokenId own = token_at(tokens_of(generation), position.position);
      for (const TokenScore& score : position.scores) sum += score.id == own ? score.logprob : 0;
      ++count;
    }
  }
  return sum / static_cast<double>(count);
}

TEST(Attacks, TunedTemperatureHasTheClaimedMean) {
  const double target = mean_logprob(honest(claimed_setup()));
  EXPECT_NEAR(mean_logprob(make("tuned temperature")), target, 1e-3);  // of the bisection's last step
  EXPECT_GT(std::abs(mean_logprob(honest(cheap_setup())) - target), 1e-2) << "nothing had to be tuned";
}

TEST(Attacks, SubstitutionTouchesOneRequestInN) {
  const Record truth = honest(claimed_setup());
  const std::pair<const char*, Index> cases[] = {
      {"substitution 1/2", 2}, {"substitution 1/4", 4}, {"kernel substitution 1/4", 4}};
  for (const auto& [name, n] : cases) {
    const Record& record = make(name);
    for (std::size_t i = 0; i < truth.generations.size(); ++i) {
      const bool chosen = static_cast<Index>(i) % n == static_cast<Index>(kPlan.seed) % n;
      EXPECT_EQ(record.generations[i] == truth.generations[i], !chosen) << name << ", request " << i;
    }
  }
}

TEST(Attacks, OthersRunAnotherSetupWordForWord) {
  const auto same_work = [](const Record& record, const assay::Setup& ran) {
    Record truth = honest(ran);
    for (Generation& generation : truth.generations) generation.setup = record.setups.front().name;
    return record.generations == truth.generations;
  };
  EXPECT_TRUE(same_work(make("noise-floor shopping, weights"), claimed_setup()));
  EXPECT_TRUE(same_work(make("noise-floor shopping, kernel"), cheap_setup()));
  EXPECT_TRUE(same_work(make("edited manifest, weights"), cheap_setup()));
  EXPECT_TRUE(same_work(make("edited manifest, kernel"), sibling_setup()));
  EXPECT_TRUE(same_work(make("wrong device"), tiny_setup("awq", "h100")));
}

TEST(Attacks, OutsideTheTopListsNothingOfIt) {
  const Record& record = make("mass outside the top k");
  const auto verification = verify(workshop(), record, {claimed_setup()}, Replay::prefill);
  for (std::size_t i = 0; i < record.generations.size(); ++i) {
    const Generation& claim = record.generations[i];
    for (std::size_t j = 0; j < claim.decode.size(); ++j) {
      const auto& list = verification->reexecutions[i].decode[j].scores;
      const TokenId own = claim.generated_ids[j];
      for (const TokenScore& score : claim.decode[j].scores) {
        const auto found =
            std::find_if(list.begin(), list.end(), [&](const TokenScore& s) { return s.id == score.id; });
        ASSERT_NE(found, list.end());
        EXPECT_TRUE(score.id == own || found->rank > kPlan.top_k);
      }
    }
  }
}

TEST(Attacks, HalfReplacedLeavesMostPositionsHonest) {
  for (const char* name : {"half replaced", "half replaced, kernel"}) {
    const BitCount count = reproduced(make(name));
    EXPECT_LT(count.equal, count.positions) << name;
    EXPECT_GE(count.equal, count.positions * 3 / 4) << name << ": of the prompt all, of the answer half";
  }
}

TEST(Attacks, DecimalsLeaveNoBits) {
  for (const char* name :
       {"rounded to 2 decimals", "truncated to 3 decimals", "honest, rounded to 2 decimals"}) {
    const BitCount count = reproduced(make(name));
    EXPECT_LT(count.equal, count.positions / 10) << name;
  }
}

TEST(Attacks, ReplayedAnswersAnotherPrompt) {
  const Record& record = make("replayed");
  const Record truth = honest(claimed_setup());
  for (std::size_t i = 0; i < truth.generations.size(); ++i) {
    EXPECT_EQ(record.generations[i].prompt_ids, truth.generations[i].prompt_ids);
    EXPECT_EQ(record.generations[i].prefill, truth.generations[i].prefill);
    EXPECT_NE(record.generations[i].generated_ids, truth.generations[i].generated_ids);
  }
}

}  // namespace
}  // namespace assay::attacks
