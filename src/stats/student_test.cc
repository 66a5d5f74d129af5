#include "stats/student.h"

#include <gtest/gtest.h>

#include <boost/math/distributions/students_t.hpp>
#include <boost/math/quadrature/gauss.hpp>

#include <cmath>
#include <limits>

#include "base/error.h"

namespace assay {
namespace {

using Reference = boost::math::students_t_distribution<long double>;

// ln of a bin's probability in extended precision: complements where the bin is wide, so that they differ
// much, else the integral of Boost's density.
double reference_log_probability(long double y, int nu, long double step) {
  const Reference student(static_cast<long double>(nu));
  const long double low = std::fabs(y) - step / 2;
  const long double high = std::fabs(y) + step / 2;
  if (step > (std::fabs(y) + 1) / 8) {
    if (low > 0)
      return static_cast<double>(std::log(cdf(complement(student, low)) - cdf(complement(student, high))));
    return static_cast<double>(std::log1p(-cdf(complement(student, high)) - cdf(student, low)));
  }
  const auto density = [&](long double u) { return pdf(student, std::fabs(y) + u * step / 2); };
  return static_cast<double>(
      std::log(boost::math::quadrature::gauss<long double, 30>::integrate(density) * step / 2));
}

TEST(StudentLogDensity, AgreesWithBoost) {
  for (const int nu : kStudentDegrees) {
    for (const double y : {0.0, 1e-9, 0.3, -2.0, 17.0, 1e3, -1e6}) {
      const double expected = static_cast<double>(std::log(pdf(Reference(static_cast<long double>(nu)), y)));
      EXPECT_NEAR(student_log_density(y, 1, nu), expected, 1e-13 * (1 + std::fabs(expected)))
          << nu << " " << y;
      EXPECT_NEAR(student_log_density(y * 1e-5, 1e-5, nu), expected + 5 * std::log(10.0),
                  1e-13 * (1 + std::fabs(expected)));
    }
  }
}

// 1e-12 of the probability, and one rounding of its logarithm.
TEST(StudentLogProbability, AgreesWithBoostOverManyDecades) {
  for (const int nu : kStudentDegrees) {
    const double farthest = nu == 30 ? 1e9 : 1e30;  // Boost's long doubles end there
    for (double y = 1e-8; y < farthest; y *= 3.7) {
      for (double step = 1e-8; step < 1e12; step *= 2.9) {
        const double expected = reference_log_probability(y, nu, step);
        const double limit = 1e-12 + 4e-16 * std::fabs(expected);
        ASSERT_NEAR(student_log_probability(y, 1, nu, step), expected, limit)
            << nu << " " << y << " " << step;
        ASSERT_NEAR(student_log_probability(-y, 1, nu, step), expected, limit);
      }
    }
  }
}

TEST(StudentLogProbability, IsScaledAndSumsToOne) {
  EXPECT_DOUBLE_EQ(student_log_probability(3, 2, 4, 0.5),
                   student_log_probability(3 * 0x1p-20, 2 * 0x1p-20, 4, 0x1p-21));
  for (const int nu : kStudentDegrees) {
    for (const double step : {0.01, 0.3, 4.0, 50.0}) {
      // Outside of these bins lies twice the tail, each less than (x / sqrt(nu))^-nu.
      double sum = 0;
      for (int k = -40'000; k <= 40'000; ++k) sum += std::exp(student_log_probability(k * step, 1, nu, step));
      EXPECT_NEAR(sum, 1, 1e-11 + 2 * std::pow(40'000 * step / std::sqrt(nu), -nu)) << nu << " " << step;
    }
  }
}

TEST(StudentBinTest, DerivativesAreThoseOfTheLogarithm) {
  constexpr double kDelta = 1e-4;  // central differences err by its square times the third derivative
  for (const int nu : kStudentDegrees) {
    for (const double y : {0.0, 0.4, -3.0, 40.0, 1e4}) {
      for (const double step : {1e-6, 0.05, 0.6, 2.5, 30.0, 9e3, 1e6}) {
        const auto by_log_scale = [&](double shift) {
          return student_log_probability(y, 0.7 * std::exp(shift), nu, step);
        };
        const StudentBin bin = student_bin(y, 0.7, nu, step);
        EXPECT_NEAR(bin.by_log_scale, (by_log_scale(kDelta) - by_log_scale(-kDelta)) / (2 * kDelta), 1e-5)
            << nu << " " << y << " " << step;
        const double move = kDelta * 0.7;
        const double slope = (student_log_probability(y - move, 0.7, nu, step) -
                              student_log_probability(y + move, 0.7, nu, step)) /
                             (2 * move);
        EXPECT_NEAR(bin.by_location, slope, 1e-5) << nu << " " << y << " " << step;
      }
    }
  }
}

TEST(StudentLogProbability, IsFiniteForAnyFiniteInput) {
  constexpr double kMax = std::numeric_limits<double>::max();
  constexpr double kMin = std::numeric_limits<double>::denorm_min();
  for (const int nu : kStudentDegrees) {
    for (const double y : {0.0, kMin, 1e-300, 1.0, 1e100, -1e154, 1e200, kMax}) {
      for (const double scale : {kMin, 1e-200, 1.0, 1e200, kMax}) {
        for (const double step : {kMin, 1e-200, 1.0, 1e160, kMax}) {
          const StudentBin bin = student_bin(y, scale, nu, step);
          EXPECT_TRUE(std::isfinite(bin.log_probability)) << y << " " << scale << " " << step;
          EXPECT_LE(bin.log_probability, 1e-15);
          EXPECT_TRUE(std::isfinite(bin.by_log_scale)) << y << " " << scale << " " << step;
        }
      }
    }
  }
}

TEST(StudentLogProbability, RefusesNonsense) {
  const double nan = std::nan("");
  EXPECT_THROW(student_log_probability(nan, 1, 4, 1), Fault);
  EXPECT_THROW(student_log_probability(1, nan, 4, 1), Fault);
  EXPECT_THROW(student_log_probability(1, 0, 4, 1), Fault);
  EXPECT_THROW(student_log_probability(1, 1, 3, 1), Fault);
  EXPECT_THROW(student_log_probability(1, 1, 4, 0), Fault);
  EXPECT_THROW(student_log_density(std::numeric_limits<double>::infinity(), 1, 4), Fault);
}

}  // namespace
}  // namespace assay
