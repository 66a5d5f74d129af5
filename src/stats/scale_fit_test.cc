#include "stats/scale_fit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "stats/student.h"
#include "stats/test_draws.h"

namespace assay {
namespace {

struct Plan {
  Index rows = 4000;
  int nu = 4;
  double location = 0.02;
  std::array<double, 4> b = {-3, 0.7, -0.4, 0.1};
  double step = 1e-5;
  std::uint64_t seed = 1;
};

double planted_log_scale(const ScaleRow& row, const Plan& plan) {
  return plan.b[0] + plan.b[1] * row.x[0] + plan.b[2] * row.x[1] + plan.b[3] * row.x[2];
}

// Three independent covariates: uniform in 0 .. 10, normal, and a coin.
std::vector<ScaleRow> planted(const Plan& plan) {
  SplitMix64 random(plan.seed);
  std::vector<ScaleRow> rows(static_cast<std::size_t>(plan.rows));
  for (ScaleRow& row : rows) {
    row.step = plan.step;
    row.x = {10 * draw_unit(random), draw_normal(random), draw_unit(random) < 0.5 ? 0.0 : 1.0, 0};
    const double y = plan.location + std::exp(planted_log_scale(row, plan)) * draw_student(random, plan.nu);
    row.y = std::round(y / row.step) * row.step;
  }
  return rows;
}

// Of rows whose lattice is fine: (nu + 1) / ((nu + 3) scale^2) each.
double location_information(const std::vector<ScaleRow>& rows, const Plan& plan) {
  double sum = 0;
  for (const ScaleRow& row : rows) sum += std::exp(-2 * planted_log_scale(row, plan));
  return sum * (plan.nu + 1) / (plan.nu + 3);
}

// Of ln scale, a row, on any lattice around the location: the mean square of the bins' scores.
double scale_information(double scale, int nu, double step) {
  double sum = 0;
  for (int k = -10'000; k <= 10'000; ++k) {
    const StudentBin bin = student_bin(k * step, scale, nu, step);
    sum += std::exp(bin.log_probability) * bin.by_log_scale * bin.by_log_scale;
  }
  return sum;
}

constexpr ScaleFitOptions kThree = {.covariates = 3, .floor = 1e-9};

// Standard errors from the information of ln scale, 2 nu / (nu + 3) a row, and the covariates' deviations.
TEST(FitScale, RecoversWhatWasPlanted) {
  for (const int nu : {2, 4, 8}) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      const Plan plan = {.nu = nu, .seed = seed};
      const std::vector<ScaleRow> rows = planted(plan);
      const ScaleModel model = fit_scale(rows, kThree);
      EXPECT_EQ(model.nu, nu);
      const double error = std::sqrt((nu + 3.0) / (2 * nu * 4000.0));
      EXPECT_NEAR(model.coefficients[1], plan.b[1], 4 * error / std::sqrt(100 / 12.0));
      EXPECT_NEAR(model.coefficients[2], plan.b[2], 4 * error);
      EXPECT_NEAR(model.coefficients[3], plan.b[3], 4 * error / 0.5);
      // The level at the covariates' means, that is b0 with the slopes' errors taken out.
      const double at_means = model.log_scale(std::array{5.0, 0.0, 0.5});
      EXPECT_NEAR(at_means, plan.b[0] + 5 * plan.b[1] + 0.5 * plan.b[3], 4 * error);
      EXPECT_NEAR(model.location, plan.location, 4 / std::sqrt(location_information(rows, plan)));
    }
  }
}

TEST(FitScale, TakesManyDegreesForNormalNumbers) {
  std::vector<ScaleRow> rows(4000);
  SplitMix64 random(3);
  for (ScaleRow& row : rows) row = {.y = draw_normal(random), .step = 1e-4};
  const ScaleModel model = fit_scale(rows, {.floor = 1e-9});
  EXPECT_EQ(model.nu, 30);
  // E[31 z^2 / (30 s^2 + z^2)] = 1 for normal z has the solution ln s = -0.031.
  EXPECT_NEAR(model.log_scale({}), -0.031, 4 / std::sqrt(8000.0));
}

// A step as wide as the scale and wider; the bins' probabilities still tell it.
TEST(FitScale, SeesThroughACoarseLattice) {
  const Plan plan = {.location = 0, .b = {0, 0.1, 0, 0}, .step = 4};
  const ScaleModel model = fit_scale(planted(plan), kThree);
  EXPECT_EQ(model.nu, 4);
  const double least = scale_information(1, plan.nu, plan.step);  // of the smallest scale
  EXPECT_LT(least, 0.75 * 8 / 7);                                 // the lattice does cost something
  const double error = 1 / std::sqrt(4000 * least);
  EXPECT_NEAR(model.coefficients[1], 0.1, 4 * error / std::sqrt(100 / 12.0));
  EXPECT_NEAR(model.log_scale(std::array{5.0, 0.0, 0.5}), 0.5, 4 * error);
}

TEST(FitScale, DoesNotDependOnTheOrderOfRows) {
  std::vector<ScaleRow> rows = planted({.rows = 500});
  const ScaleModel first = fit_scale(rows, kThree);
  SplitMix64 random(9);
  for (std::size_t i = rows.size() - 1; i > 0; --i) {
    std::swap(rows[i], rows[static_cast<std::size_t>(draw_below(random, static_cast<Index>(i + 1)))]);
  }
  const ScaleModel second = fit_scale(rows, kThree);
  EXPECT_EQ(first.coefficients, second.coefficients);
  EXPECT_EQ(first.location, second.location);
  EXPECT_EQ(first.log_likelihood, second.log_likelihood);
}

// The likelihood is stationary: no parameter gains when moved by 0.001, less than its standard error.
TEST(FitScale, EndsAtAMaximum) {
  const std::vector<ScaleRow> rows = planted({.rows = 1000, .seed = 4});
  const ScaleModel model = fit_scale(rows, {.covariates = 3, .floor = 1e-9, .ridge = 0});
  const auto likelihood = [&](const ScaleModel& m) {
    double sum = 0;
    for (const ScaleRow& row : rows) {
      const double scale = std::exp(m.log_scale(std::span(row.x).first(3)));
      sum += student_log_probability(row.y - m.location, scale, m.nu, row.step);
    }
    return sum;
  };
  EXPECT_NEAR(likelihood(model), model.log_likelihood, 1e-8);
  for (const double sign : {-1.0, 1.0}) {
    for (std::size_t i = 0; i < 4; ++i) {
      ScaleModel moved = model;
      moved.coefficients[i] += sign * 1e-3;
      EXPECT_LT(likelihood(moved), model.log_likelihood);
    }
    ScaleModel moved = model;
    moved.location += sign * 1e-3;
    EXPECT_LT(likelihood(moved), model.log_likelihood);
  }
}

TEST(FitScale, SurvivesPoorData) {
  // All zero: below the step or at the floor, in any case no larger.
  std::vector<ScaleRow> zeros(50, ScaleRow{.y = 0, .step = 0.01, .x = {1, 0, 0, 0}});
  for (std::size_t i = 0; i < zeros.size(); ++i) zeros[i].x[1] = static_cast<double>(i);
  const ScaleModel zero = fit_scale(zeros, kThree);
  EXPECT_LT(zero.log_scale(std::array{1.0, 25.0, 0.0}), std::log(0.01));
  EXPECT_GE(zero.log_scale(std::array{1.0, 25.0, 0.0}), std::log(1e-9));
  EXPECT_NEAR(zero.location, 0, 0.005);

  // Covariates that do not vary, not even after rounding, and ten rows; one row; two rows far apart.
  std::vector<ScaleRow> few = planted({.rows = 10});
  for (ScaleRow& row : few) row.x = {0.1, 1e6, row.x[0], 0};
  const ScaleModel ten = fit_scale(few, kThree);
  EXPECT_EQ(ten.coefficients[1], 0);
  EXPECT_EQ(ten.coefficients[2], 0);
  EXPECT_TRUE(std::isfinite(ten.log_scale(std::array{0.1, 1e6, 5.0})));
  EXPECT_NO_THROW(fit_scale(std::span(few).first(1), kThree));
  few[0].y = -1e200;
  few[1].y = 1e200;
  EXPECT_TRUE(std::isfinite(fit_scale(few, kThree).log_scale(std::array{0.1, 1e6, 5.0})));

  // A covariate that explains everything: the ridge keeps its slope finite.
  std::vector<ScaleRow> split(20, ScaleRow{.y = 0, .step = 1e-6});
  for (std::size_t i = 10; i < 20; ++i)
    split[i] = {.y = static_cast<double>(i) - 14.5, .step = 1e-6, .x = {1}};
  const ScaleModel slope = fit_scale(split, {.covariates = 1, .floor = 1e-9});
  EXPECT_GT(slope.coefficients[1], 2);
  EXPECT_LT(slope.coefficients[1], 40);
}

TEST(FitScale, KeepsTheFloor) {
  const ScaleModel model = fit_scale(planted({}), {.covariates = 3, .floor = 0.5});
  EXPECT_GE(model.log_scale(std::array{-100.0, 0.0, 0.0}), std::log(0.5));
  EXPECT_NEAR(model.log_scale(std::array{-100.0, 0.0, 0.0}), std::log(0.5), 1e-9);
}

TEST(FitScale, RefusesNonsense) {
  std::vector<ScaleRow> rows = planted({.rows = 10});
  EXPECT_THROW(fit_scale({}, kThree), Fault);
  EXPECT_THROW(fit_scale(rows, {.covariates = 5, .floor = 1}), Fault);
  EXPECT_THROW(fit_scale(rows, {.covariates = 1}), Fault);
  rows[3].x[1] = std::nan("");
  EXPECT_THROW(fit_scale(rows, kThree), Fault);
  rows[3] = {.y = std::nan(""), .step = 1};
  EXPECT_THROW(fit_scale(rows, kThree), Fault);
  rows[3] = {.y = 0, .step = 0};
  EXPECT_THROW(fit_scale(rows, kThree), Fault);
}

TEST(FitScale, TakesLessThanASecond) {
  const std::vector<ScaleRow> rows = planted({});
  const auto start = std::chrono::steady_clock::now();
  (void)fit_scale(rows, kThree);
  EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), 1);
}

}  // namespace
}  // namespace assay
