// Evidence that may be looked at after every observation. An e-process starts at 1 and stays below a
// nonnegative martingale under its hypothesis, so the chance that it ever reaches 1 / alpha is at most alpha
// (Ville 1939), whenever and for whatever reason one stops. Values are natural logarithms throughout.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "base/index.h"
#include "stats/conformal.h"

namespace assay {

// ln of the sum and of the mean of e^x. -inf counts as 0, +inf wins; no terms: -inf, and a Fault for the
// mean. NaN is a Fault.
double log_sum_exp(std::span<const double> logs);
double log_mean_exp(std::span<const double> logs);

// What a stake of 1 on a conformal p-value pays. With N = bag_size + 1 and L = min(8, N):
//   f(p) = (1 - share) + share * (1 / L) * sum over j = 1 .. L of (N / j) [p <= j / N]
// Non-increasing in p; its integral over [0, 1] and its mean over p = 1/N .. N/N are exactly 1. `share` is
// put on the L strangest ranks, the rest is kept. Fault unless 0 < p <= 1, bag_size >= 0, 0 <= share <= 1.
double conformal_bet(double p, Index bag_size, double share);

// Hypothesis: the scores of the prompts are exchangeable with the calibration scores. One score a prompt, the
// maximum over its positions; large is strange. The average over kShares of the products of bets on the
// prompts' p-values; a finished prompt joins the bag.
//
// Looking inside a prompt is allowed: its score is a running maximum, so the score so far is at most the
// final one, p is at least the final p, the bet at most the final bet. If log_e_value() crosses a level
// early, the process at the prompt's end crosses it too, and Ville's bound counts that crossing already.
//
// The chance is that of calibration and claim drawn together: claims that are judged by one calibration share
// its luck.
class ConformalEProcess {
 public:
  static constexpr std::array<double, 3> kShares = {0.8, 0.25, 0.05};

  explicit ConformalEProcess(std::vector<double> calibration_scores);

  // ln e if the current prompt ended with this score. Never falls when the score grows.
  double log_e_value(double current_score) const;

  void finish(double score);  // closes the current prompt; must not be below a score it was asked about
  double log_e() const;       // after the finished prompts
  Index bag_size() const { return bag_.size(); }

 private:
  std::array<double, kShares.size()> logs_with(double p) const;

  ConformalBag bag_;
  std::array<double, kShares.size()> logs_ = {};  // of the products, one a share
};

// Hypothesis: E[min(y, cap) | past] >= mean at every step, y >= 0. High values say that the mean is lower:
// the claim is at least as good as `mean`. Capital grows by 1 + lambda (1 - min(y, cap) / mean), averaged
// over a fixed grid of lambda in (0, 1 / (cap / mean - 1)], at whose upper end y >= cap costs everything
// (Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", 2024).
class BoundedMeanEProcess {
 public:
  static constexpr Index kBets = 8;  // lambda = the largest, halved 0 .. kBets - 1 times

  // Fault unless 0 < mean < cap, both finite.
  BoundedMeanEProcess(double mean, double cap);

  void add(double y);  // Fault: negative or NaN. Infinity is welcome.
  double log_e() const;
  double log_max() const { return log_max_; }  // the largest log_e so far, at least 0

 private:
  double mean_;
  double cap_;
  double log_max_ = 0;
  std::array<double, kBets> lambdas_;
  std::array<double, kBets> logs_ = {};
};

}  // namespace assay
