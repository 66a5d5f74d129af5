#include "stats/scale_fit.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "base/error.h"
#include "stats/maximize.h"
#include "stats/student.h"

namespace assay {
namespace {

double floored(double eta, double log_floor) {
  const double above = std::max(eta, log_floor);
  return above + 0.5 * std::log1p(std::exp(2 * (std::min(eta, log_floor) - above)));
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// The rows in a fixed order, each covariate shifted and scaled to mean 0 and standard deviation 1 (to 0 if it
// does not vary). Parameters: location, level, slopes of the standardized covariates.
class Problem {
 public:
  Problem(std::span<const ScaleRow> rows, const ScaleFitOptions& options)
      : rows_(rows.begin(), rows.end()),
        k_(static_cast<std::size_t>(options.covariates)),
        log_floor_(std::log(options.floor)),
        ridge_(options.ridge) {
    const auto key = [](const ScaleRow& row) { return std::tie(row.y, row.step, row.x); };
    std::sort(rows_.begin(), rows_.end(),
              [&](const ScaleRow& a, const ScaleRow& b) { return key(a) < key(b); });
    for (std::size_t i = 0; i < k_; ++i) standardize(i);
  }

  std::vector<double> start() const {
    std::vector<double> values;
    for (const ScaleRow& row : rows_) values.push_back(row.y);
    const double location = median(values);
    double mean = 0;
    for (double& y : values) {
      y = std::fabs(y - location);
      mean += y / static_cast<double>(values.size());
    }
    std::vector<double> steps;
    for (const ScaleRow& row : rows_) steps.push_back(row.step);
    double scale = median(values);
    if (scale <= 0) scale = std::max(mean, median(steps) / 4);
    std::vector<double> parameters(k_ + 2);
    parameters[0] = location;
    parameters[1] = std::max(std::log(scale), log_floor_);
    return parameters;
  }

  // Inverse information of the parameters at `start`, had y no lattice (Lange, Little and Taylor, "Robust
  // statistical modeling using the t distribution", 1989): covariates apart, where they are uncorrelated.
  std::vector<double> start_variances(std::span<const double> start, int nu) const {
    const auto n = static_cast<double>(rows_.size());
    const double scale = std::exp(floored(start[1], log_floor_));
    std::vector<double> variances(k_ + 2, 1 / (n * 2 * nu / (nu + 3.0)));
    for (std::size_t i = 0; i < k_; ++i) variances[i + 2] = 1 / (1 / variances[1] + ridge(i));
    variances[0] = scale * scale * (nu + 3.0) / (n * (nu + 1.0));
    return variances;
  }

  double log_likelihood(std::span<const double> parameters, int nu, std::span<double> gradient) const {
    std::fill(gradient.begin(), gradient.end(), 0);
    double sum = 0;
    for (const ScaleRow& row : rows_) {
      double eta = parameters[1];
      for (std::size_t i = 0; i < k_; ++i) eta += parameters[i + 2] * row.x[i];
      const double log_scale = std::clamp(floored(eta, log_floor_), -kLargest, kLargest);
      const StudentBin bin = student_bin(row.y - parameters[0], std::exp(log_scale), nu, row.step);
      sum += bin.log_probability;
      const double by_eta = bin.by_log_scale * std::exp(2 * (eta - floored(eta, log_floor_)));
      gradient[0] += bin.by_location;
      gradient[1] += by_eta;
      for (std::size_t i = 0; i < k_; ++i) gradient[i + 2] += by_eta * row.x[i];
    }
    return sum;
  }

  // log_likelihood less the ridge.
  double value(std::span<const double> parameters, int nu, std::span<double> gradient) const {
    double sum = log_likelihood(parameters, nu, gradient);
    for (std::size_t i = 0; i < k_; ++i) {
      const double slope = parameters[i + 2];
      sum -= ridge(i) / 2 * slope * slope;
      gradient[i + 2] -= ridge(i) * slope;
    }
    return sum;
  }

  // Of the slope for a standardized covariate.
  double ridge(std::size_t i) const {
    const double unit = deviations_[i] > 0 ? std::max(1.0, 1 / deviations_[i]) : 1.0;
    return ridge_ * unit * unit;
  }

  // In the covariates' own units.
  std::vector<double> coefficients(std::span<const double> parameters) const {
    std::vector<double> b = {parameters[1]};
    for (std::size_t i = 0; i < k_; ++i) {
      b.push_back(deviations_[i] > 0 ? parameters[i + 2] / deviations_[i] : 0);
      b[0] -= b.back() * means_[i];
    }
    return b;
  }

 private:
  static constexpr double kLargest = 600;  // of |ln scale|: e^600 is finite

  void standardize(std::size_t i) {
    const auto n = static_cast<double>(rows_.size());
    double largest = 0;
    for (const ScaleRow& row : rows_) means_[i] += row.x[i] / n;
    for (const ScaleRow& row : rows_) {
      const double difference = row.x[i] - means_[i];
      deviations_[i] += difference * difference / n;
      largest = std::max(largest, std::fabs(row.x[i]));
    }
    deviations_[i] = std::sqrt(deviations_[i]);
    // A mean's rounding makes constants vary by about n units in the last place at most.
    if (deviations_[i] <= largest * n * 0x1p-52) deviations_[i] = 0;
    for (ScaleRow& row : rows_) {
      row.x[i] = deviations_[i] > 0 ? (row.x[i] - means_[i]) / deviations_[i] : 0;
    }
  }

  std::vector<ScaleRow> rows_;
  std::size_t k_;
  double log_floor_;
  double ridge_;
  std::array<double, kMaxCovariates> means_ = {};
  std::array<double, kMaxCovariates> deviations_ = {};
};

void require_valid(std::span<const ScaleRow> rows, const ScaleFitOptions& options) {
  require(!rows.empty(), "a fit of scale needs rows");
  require(options.covariates >= 0 && options.covariates <= kMaxCovariates, "too many covariates");
  require(options.floor > 0 && std::isfinite(options.floor), "a floor is not positive and finite");
  require(options.ridge >= 0 && std::isfinite(options.ridge), "a ridge is negative or not finite");
  for (const ScaleRow& row : rows) {
    require(std::isfinite(row.y), "an observation is not finite");
    require(row.step > 0 && std::isfinite(row.step), "a step is not positive and finite");
    for (const double x : row.x) require(std::isfinite(x), "a covariate is not finite");
  }
}

}  // namespace

double ScaleModel::log_scale(std::span<const double> x) const {
  require(x.size() + 1 == coefficients.size(), "as many covariates as the model has");
  double eta = coefficients[0];
  for (std::size_t i = 0; i < x.size(); ++i) eta += coefficients[i + 1] * x[i];
  require(!std::isnan(eta), "a covariate is NaN");
  return floored(eta, std::log(floor));
}

ScaleModel fit_scale(std::span<const ScaleRow> rows, const ScaleFitOptions& options) {
  require_valid(rows, options);
  const Problem problem(rows, options);
  const std::vector<double> start = problem.start();
  std::vector<double> best;
  ScaleModel model;
  double best_value = 0;
  for (const int nu : kStudentDegrees) {
    const Maximum maximum =
        maximize([&](std::span<const double> at,
                     std::span<double> gradient) { return problem.value(at, nu, gradient); },
                 start, problem.start_variances(start, nu));
    if (!best.empty() && !(maximum.value > best_value)) continue;
    best = maximum.at;
    best_value = maximum.value;
    model.nu = nu;
  }
  std::vector<double> gradient(best.size());
  model.log_likelihood = problem.log_likelihood(best, model.nu, gradient);
  model.location = best[0];
  model.coefficients = problem.coefficients(best);
  model.floor = options.floor;
  return model;
}

}  // namespace assay
