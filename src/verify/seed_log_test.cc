// The numbers that the seed's log prints: its matrices are the input, its aggregate, SNR and labels the
// expectation.
#include <gtest/gtest.h>

#include <cmath>

#include "verify/analysis.h"

namespace assay {
namespace {

struct PrintedPair {
  double signal;
  double noise;
  double snr;  // one decimal
  const char* label;
};

struct PrintedPhase {
  std::vector<Matrix> per_reference;
  Matrix aggregate;
  double baseline;
  double signal;
  double snr;  // two decimals
  std::vector<PrintedPair> pairs;
};

const std::vector<std::string> kNames = {"awq", "awq_marlin", "gptq_marlin"};

const PrintedPhase kPrefill = {
    .per_reference =
        {{{4.41e-02, 6.56e-02, 4.74e+00}, {4.86e-02, 8.24e-02, 4.73e+00}, {4.72e+00, 4.70e+00, 2.29e-02}},
         {{5.70e-02, 5.25e-02, 4.01e+00}, {3.26e-02, 3.50e-02, 3.98e+00}, {3.80e+00, 3.79e+00, 6.34e-02}},
         {{4.12e-02, 3.96e-02, 4.01e+00}, {4.44e-02, 3.09e-02, 4.01e+00}, {3.85e+00, 3.87e+00, 4.14e-02}},
         {{4.20e-02, 3.61e-02, 4.26e+00}, {7.11e-02, 6.35e-02, 4.28e+00}, {4.27e+00, 4.26e+00, 5.51e-02}}},
    .aggregate = {{4.61e-02, 4.85e-02, 4.25e+00},
                  {4.92e-02, 5.29e-02, 4.25e+00},
                  {4.16e+00, 4.15e+00, 4.57e-02}},
    .baseline = 4.82e-02,
    .signal = 2.82e+00,
    .snr = 58.44,
    .pairs = {{4.88e-02, 4.95e-02, 1.0, "NOT RELIABLY DETECTABLE"},
              {4.21e+00, 4.59e-02, 91.7, "CLEARLY DETECTABLE"},
              {4.20e+00, 4.93e-02, 85.2, "CLEARLY DETECTABLE"}}};

const PrintedPhase kDecode = {
    .per_reference =
        {{{3.46e-02, 1.26e-02, 2.55e+00}, {4.33e-02, 2.42e-02, 2.56e+00}, {3.24e+00, 3.23e+00, 2.26e-02}},
         {{2.82e-02, 4.43e-02, 2.07e+00}, {1.98e-02, 4.63e-02, 2.06e+00}, {2.39e+00, 2.38e+00, 1.95e-02}},
         {{2.54e-02, 2.19e-02, 1.90e+00}, {6.72e-03, 2.20e-02, 1.89e+00}, {2.21e+00, 2.24e+00, 4.16e-02}},
         {{4.66e-02, 5.01e-02, 2.86e+00}, {4.30e-02, 2.65e-02, 2.86e+00}, {2.40e+00, 2.39e+00, 3.91e-02}}},
    .aggregate = {{3.37e-02, 3.22e-02, 2.34e+00},
                  {2.82e-02, 2.97e-02, 2.34e+00},
                  {2.56e+00, 2.56e+00, 3.07e-02}},
    .baseline = 3.14e-02,
    .signal = 1.64e+00,
    .snr = 52.40,
    .pairs = {{3.02e-02, 3.17e-02, 1.0, "NOT RELIABLY DETECTABLE"},
              {2.45e+00, 3.22e-02, 76.1, "CLEARLY DETECTABLE"},
              {2.45e+00, 3.02e-02, 81.1, "CLEARLY DETECTABLE"}}};

// Half of the last digit printed by %.2e: what a printed number may be off by.
double rounding(double printed) { return 0.005 * std::pow(10.0, std::floor(std::log10(printed))); }

// Largest change of signal / noise when both are off by their bounds.
double ratio_bound(double signal, double signal_off, double noise, double noise_off) {
  return (signal + signal_off) / (noise - noise_off) - signal / noise;
}

void expect_as_printed(const PrintedPhase& printed) {
  const PhaseAnalysis phase = analyze_phase(kNames, kNames, printed.per_reference, {});
  // The inputs are rounded, so each cell's mean is off by at most the mean of their roundings, the
  // expectation by its own.
  Matrix off(3, std::vector<double>(3, 0));
  double diagonal_off = 0;
  double signal_off = 0;
  for (const std::size_t i : {0, 1, 2}) {
    for (const std::size_t j : {0, 1, 2}) {
      for (const Matrix& matrix : printed.per_reference) off[i][j] += rounding(matrix[i][j]) / 4;
      (i == j ? diagonal_off : signal_off) += off[i][j] / (i == j ? 3 : 6);
      EXPECT_NEAR(phase.matrix[i][j], printed.aggregate[i][j], off[i][j] + rounding(printed.aggregate[i][j]));
    }
  }
  EXPECT_NEAR(phase.baseline_mean, printed.baseline, diagonal_off + rounding(printed.baseline));
  EXPECT_NEAR(phase.signal_all_mean, printed.signal, signal_off + rounding(printed.signal));
  EXPECT_EQ(phase.signal_meaningful_mean, phase.signal_all_mean);
  const double snr_off = ratio_bound(phase.signal_all_mean, signal_off, phase.baseline_mean, diagonal_off);
  EXPECT_NEAR(phase.snr_all, printed.snr, snr_off + 0.005);
  EXPECT_EQ(phase.snr_meaningful, phase.snr_all);
  EXPECT_EQ(phase.n_meaningful_pairs, 6);

  ASSERT_EQ(phase.pairwise_snr.size(), printed.pairs.size());
  const std::pair<std::size_t, std::size_t> kPlaces[] = {{0, 1}, {0, 2}, {1, 2}};
  for (std::size_t p = 0; p < printed.pairs.size(); ++p) {
    const auto [i, j] = kPlaces[p];
    const PairSnr& pair = phase.pairwise_snr[p];
    const double signal_pair_off = (off[i][j] + off[j][i]) / 2;
    const double noise_pair_off = (off[i][i] + off[j][j]) / 2;
    EXPECT_EQ(pair.first + pair.second, kNames[i] + kNames[j]);
    EXPECT_NEAR(pair.signal, printed.pairs[p].signal, signal_pair_off + rounding(printed.pairs[p].signal));
    EXPECT_NEAR(pair.noise_floor, printed.pairs[p].noise, noise_pair_off + rounding(printed.pairs[p].noise));
    EXPECT_NEAR(pair.snr, printed.pairs[p].snr,
                ratio_bound(pair.signal, signal_pair_off, pair.noise_floor, noise_pair_off) + 0.05);
    EXPECT_STREQ(label(pair.detectability), printed.pairs[p].label);
  }
}

TEST(SeedLog, Prefill) { expect_as_printed(kPrefill); }

TEST(SeedLog, Decode) { expect_as_printed(kDecode); }

}  // namespace
}  // namespace assay
