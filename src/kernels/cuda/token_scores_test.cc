#include "kernels/cuda/token_scores.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <string>

#include "kernels/cuda/gpu_test.h"
#include "number/compare.h"

namespace assay {
namespace {

using Bits = std::vector<std::uint16_t>;

struct Logits {
  std::string name;
  Dtype dtype;
  Index rows;
  Index vocabulary;
  Bits bits;

  std::vector<float> row(Index r) const {
    const auto first = bits.begin() + r * vocabulary;
    return decoded(dtype, Bits(first, first + vocabulary));
  }
};

bool ranks_before(const std::vector<float>& x, std::int32_t a, std::int32_t b) {
  const float p = x[static_cast<std::size_t>(a)];
  const float q = x[static_cast<std::size_t>(b)];
  return p > q || (p == q && a < b);
}

void expect_summaries(const Logits& logits) {
  auto out = poisoned<RowSummary>(logits.rows);
  summarize_rows(logits.dtype, uploaded(logits.bits).data(), logits.rows, logits.vocabulary, out.data(),
                 nullptr);
  const std::vector<RowSummary> found = downloaded(out);
  for (Index r = 0; r < logits.rows; ++r) {
    const std::vector<float> x = logits.row(r);
    const RowSummary& summary = found[static_cast<std::size_t>(r)];
    const auto first = std::find_if(x.begin(), x.end(), [](float v) { return !std::isfinite(v); });
    EXPECT_EQ(summary.first_not_finite, first == x.end() ? -1 : first - x.begin())
        << logits.name << ", row " << r;
    if (first != x.end()) continue;
    const LogSumExp expected = ops_for(fastest_isa(), logits.dtype).log_sum_exp(x.data(), logits.vocabulary);
    EXPECT_EQ(summary.max, expected.max) << logits.name << ", row " << r;
    EXPECT_TRUE(same_bits(summary.log_sum, expected.log_sum))
        << logits.name << ", row " << r << ": " << summary.log_sum << " is not " << expected.log_sum;
  }
}

void expect_top(const Logits& logits, Index k) {
  k = std::min(k, logits.vocabulary);
  auto ids = poisoned<std::int32_t>(logits.rows * k);
  auto values = poisoned<float>(logits.rows * k);
  top_tokens(logits.dtype, uploaded(logits.bits).data(), logits.rows, logits.vocabulary, k, ids.data(),
             values.data(), nullptr);
  const std::vector<std::int32_t> found = downloaded(ids);
  const std::vector<float> found_values = downloaded(values);
  std::vector<std::int32_t> order(static_cast<std::size_t>(logits.vocabulary));
  for (Index r = 0; r < logits.rows; ++r) {
    const std::vector<float> x = logits.row(r);
    std::iota(order.begin(), order.end(), 0);
    std::partial_sort(order.begin(), order.begin() + k, order.end(),
                      [&x](std::int32_t a, std::int32_t b) { return ranks_before(x, a, b); });
    for (Index i = 0; i < k; ++i) {
      const auto at = static_cast<std::size_t>(r * k + i);
      const std::int32_t id = order[static_cast<std::size_t>(i)];
      ASSERT_EQ(found[at], id) << logits.name << ", k " << k << ", row " << r << ", place " << i;
      ASSERT_TRUE(same_bits(found_values[at], x[static_cast<std::size_t>(id)]))
          << logits.name << ", row " << r;
    }
  }
}

// The first and the last id, some between, the best, and one equal to the best if there is.
void expect_ranks(const Logits& logits) {
  std::vector<std::int32_t> rows;
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> expected;
  std::vector<float> expected_values;
  for (Index r = 0; r < logits.rows; ++r) {
    const std::vector<float> x = logits.row(r);
    const auto v = static_cast<std::int32_t>(logits.vocabulary);
    const auto best = std::max_element(x.begin(), x.end());
    const auto other = std::find(best + 1, x.end(), *best);
    std::vector<std::int32_t> asked = {0, v - 1, v / 2, v / 3, static_cast<std::int32_t>(best - x.begin())};
    if (other != x.end()) asked.push_back(static_cast<std::int32_t>(other - x.begin()));
    for (const std::int32_t id : asked) {
      std::int32_t rank = 1;
      for (std::int32_t i = 0; i < v; ++i) rank += ranks_before(x, i, id) ? 1 : 0;
      rows.push_back(static_cast<std::int32_t>(r));
      ids.push_back(id);
      expected.push_back(rank);
      expected_values.push_back(x[static_cast<std::size_t>(id)]);
    }
  }
  const auto count = static_cast<Index>(ids.size());
  auto values = poisoned<float>(count);
  auto ranks = poisoned<std::int32_t>(count);
  rank_tokens(logits.dtype, uploaded(logits.bits).data(), logits.vocabulary, uploaded(rows).data(),
              uploaded(ids).data(), count, values.data(), ranks.data(), nullptr);
  EXPECT_EQ(downloaded(ranks), expected) << logits.name;
  EXPECT_EQ(downloaded(values), expected_values) << logits.name;
}

void expect_scores(const Logits& logits) {
  expect_summaries(logits);
  for (const Index k : {1, 5, 32}) expect_top(logits, k);
  expect_ranks(logits);
}

using MakeLogit = std::function<float(Index row, Index column)>;

Logits logits_of(std::string name, Dtype dtype, Index rows, Index vocabulary, const MakeLogit& logit) {
  Logits made{std::move(name) + ", " + std::string(name_of(dtype)) + ", " + std::to_string(rows) + " x " +
                  std::to_string(vocabulary),
              dtype,
              rows,
              vocabulary,
              {}};
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < vocabulary; ++c) made.bits.push_back(encode16(dtype, logit(r, c)));
  return made;
}

class TokenScores : public testing::TestWithParam<Dtype> {};

TEST_P(TokenScores, OfRandomRowsAreTheCpuS) {
  ASSAY_NEEDS_GPU(80);
  for (const auto& [rows, vocabulary] : std::vector<std::pair<Index, Index>>{{1, 151936},
                                                                             {3, 151936},
                                                                             {17, 32776},
                                                                             {2, 50257},
                                                                             {129, 4096},
                                                                             {3, 1008},
                                                                             {5, 1003},
                                                                             {3, 33},
                                                                             {2, 8},
                                                                             {3, 1}}) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0.0F, 4.0F);
    expect_scores(
        logits_of("random", GetParam(), rows, vocabulary, [&](Index, Index) { return normal(random); }));
  }
}

TEST_P(TokenScores, OfPeakedFlatAndSortedRowsAreTheCpuS) {
  ASSAY_NEEDS_GPU(80);
  for (const Index vocabulary : {4096, 151936}) {
    expect_scores(logits_of("peaked", GetParam(), 1, vocabulary, [](Index, Index c) {
      return c == 77 ? 300.0F : -static_cast<float>(c % 1000) / 4;  // terms down to +0
    }));
    expect_scores(logits_of("flat", GetParam(), 1, vocabulary, [](Index, Index) { return -1.5F; }));
    expect_scores(logits_of("zeros", GetParam(), 1, vocabulary,
                            [](Index, Index c) { return c % 3 == 0 ? -0.0F : 0.0F; }));
    expect_scores(logits_of("few values", GetParam(), 1, vocabulary,
                            [](Index, Index c) { return static_cast<float>(c * 7919 % 11) - 5; }));
    // The best of all lie in the chunks of a few threads, and in the last columns.
    expect_scores(logits_of("one thread", GetParam(), 1, vocabulary, [](Index, Index c) {
      return c / 8 % 1024 == 3 ? 20 + static_cast<float>(c % 8) : static_cast<float>(c % 13);
    }));
    expect_scores(logits_of("rising", GetParam(), 1, vocabulary, [&](Index, Index c) {
      return 60 * static_cast<float>(c) / static_cast<float>(vocabulary) - 30;
    }));
    expect_scores(logits_of("falling", GetParam(), 1, vocabulary, [&](Index, Index c) {
      return -60 * static_cast<float>(c) / static_cast<float>(vocabulary);
    }));
  }
}

// Every finite number is a logit: every difference to the maximum that there is, subnormal logits among them.
TEST_P(TokenScores, OfEveryFiniteNumberAreTheCpuS) {
  ASSAY_NEEDS_GPU(80);
  for (const float limit : {0.01F, 60.0F, std::numeric_limits<float>::max()}) {
    Bits bits;
    for (unsigned b = 0; b < 65536; ++b) {
      const auto logit = static_cast<std::uint16_t>(b);
      if (std::fabs(decode16(GetParam(), logit)) <= limit) bits.push_back(logit);
    }
    std::shuffle(bits.begin(), bits.end(), std::mt19937(2));
    const auto vocabulary = static_cast<Index>(bits.size());
    expect_scores({"up to " + std::to_string(limit), GetParam(), 1, vocabulary, bits});
  }
}

TEST_P(TokenScores, TheFirstLogitThatIsNotFiniteIsNamed) {
  ASSAY_NEEDS_GPU(80);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const Index vocabulary : {1003, 4096, 151936}) {
    for (const float wrong : {kInfinity, -kInfinity, std::nanf("")}) {
      const Index last = vocabulary - 1;
      const std::vector<std::vector<Index>> places = {{}, {0}, {last}, {77, 78, last}, {}, {last - 3, 900}};
      Logits logits = logits_of("not finite", GetParam(), 6, vocabulary, [&](Index r, Index c) {
        const auto& wrongs = places[static_cast<std::size_t>(r)];
        return std::find(wrongs.begin(), wrongs.end(), c) != wrongs.end() ? wrong
                                                                          : static_cast<float>(c % 50);
      });
      expect_summaries(logits);
    }
    // Whatever the logits, the ids are ids.
    Logits all = logits_of("all NaN", GetParam(), 2, vocabulary,
                           [](Index r, Index) { return r == 0 ? std::nanf("") : -std::nanf(""); });
    expect_summaries(all);
    auto ids = poisoned<std::int32_t>(2 * kMostTopTokens);
    auto values = poisoned<float>(2 * kMostTopTokens);
    top_tokens(GetParam(), uploaded(all.bits).data(), 2, vocabulary, kMostTopTokens, ids.data(),
               values.data(), nullptr);
    for (const std::int32_t id : downloaded(ids)) EXPECT_TRUE(id >= 0 && id < vocabulary) << id;
  }
}

TEST_P(TokenScores, WrongRequestsAreFaults) {
  ASSAY_NEEDS_GPU(80);
  for (const Index k : {0, 33}) {
    EXPECT_THROW(top_tokens(GetParam(), nullptr, 1, 4096, k, nullptr, nullptr, nullptr), std::logic_error);
  }
  EXPECT_THROW(top_tokens(GetParam(), nullptr, 1, 8, 9, nullptr, nullptr, nullptr), std::logic_error);
  rank_tokens(GetParam(), nullptr, 4096, nullptr, nullptr, 0, nullptr, nullptr, nullptr);
}

INSTANTIATE_TEST_SUITE_P(Types, TokenScores, testing::Values(Dtype::fp16, Dtype::bf16),
                         [](const auto& test) { return std::string(name_of(test.param)); });

}  // namespace
}  // namespace assay
