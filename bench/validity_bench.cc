// How often evidence against the truth ever reaches 1 / alpha, over simulated paths, with the Clopper-Pearson
// interval of that share; as JSON. Ville's inequality promises at most alpha. Usage: validity_bench [PATHS]
#include <cstdio>
#include <cstdlib>

#include "base/json.h"
#include "stats/binomial.h"
#include "stats/null_paths.h"

namespace assay {
namespace {

Json crossings(const char* process, const std::string& law, Index paths,
               const std::function<double(SplitMix64&)>& largest_of) {
  const auto crossed = count_crossings(paths, 1, largest_of);
  Json by_alpha = Json::array();
  for (std::size_t i = 0; i < kAlphas.size(); ++i) {
    const Interval interval = rate_interval(crossed[i], paths, 0.95);
    by_alpha.push_back({{"alpha", kAlphas[i]},
                        {"crossed", crossed[i]},
                        {"share", static_cast<double>(crossed[i]) / static_cast<double>(paths)},
                        {"interval_95", {interval.low, interval.high}}});
  }
  return Json{{"process", process}, {"law", law}, {"crossings", by_alpha}};
}

Json run(Index paths) {
  Json results = Json::array();
  for (const ScoreLaw& law : score_laws()) {
    results.push_back(crossings("conformal", law.name, paths, [&](SplitMix64& random) {
      return largest_conformal<ConformalEProcess>(random, law);
    }));
  }
  for (const MeanLaw& law : mean_laws()) {
    results.push_back(crossings("bounded mean", law.name, paths,
                                [&](SplitMix64& random) { return largest_bounded_mean(random, law); }));
  }
  return Json{{"paths", paths}, {"results", results}};
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  const long long paths = argc > 1 ? std::atoll(argv[1]) : 100'000;
  if (paths < 1) {
    std::fprintf(stderr, "usage: validity_bench [PATHS]\n");
    return 2;
  }
  std::printf("%s\n", assay::run(paths).dump(2).c_str());
  return 0;
}
