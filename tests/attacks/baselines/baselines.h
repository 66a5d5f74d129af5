// Decision rules as others published them, on our records. Facts and constants are theirs, the code is not.
// Each looks at the claimed setup's prefill re-execution; what a rule needs from calibration it takes from
// honest records of other prompts.
#pragma once

#include "attacks/trial.h"

namespace assay::attacks {

std::span<const Rule> baselines();

// The experiment that this project grew from: another setup is more than three times nearer (its threshold
// for "marginally detectable", verify/snr.h) in either phase. Statistic: own distance over the nearest
// other's, the larger of the phases.
Decision seed_snr(const Trial& trial, std::span<const Trial> honest);

// TrueOpen, "Logprob Majority-Consensus Verification" (github.com/TrueOpen/lmcv-experiments, paper/LMCV.md
// 4.1 and 4.2; thresholds: tools/vllm_worker_verify_pipeline/analyze_vllm_worker_verify.py). Per request: mean,
// p95, p99 of |difference|, share of changed ranks, p99 of the Jensen-Shannon divergence over the union of the
// top k, mean Jaccard overlap of the top k. Accepted within 1.25 times the honest 99 % quantile (overlap: 1 %
// quantile less 0.02), rejected beyond 3 times that, and where a greedy token has a rank above the largest
// honest one.
// Statistic: the largest of the values over their rejection bounds.
Decision lmcv(const Trial& trial, std::span<const Trial> honest);

// GRAIL (github.com/one-covenant/grail, commit 54d6342, grail/validation/validators/environment.py,
// LogprobValidator; protocol/constants.py): at K = 32 challenged positions exp(|difference|) - 1; rejected if
// the median exceeds 0.10. Statistic: the median. GRAIL challenges one completion of at least 32 tokens; our
// requests are shorter, so the positions are drawn from all requests of the record.
Decision grail_median(const Trial& trial, std::span<const Trial> honest);

// LOGIC (inference.net/blog/logic; github.com/context-labs/logic, docs/METHODOLOGY.md): a two-sample
// Kolmogorov-Smirnov test of the recorded against fresh log-probabilities at 10 sampled positions. Its
// threshold was not found; here p < 0.05. Statistic: p.
Decision kolmogorov_smirnov_test(const Trial& trial, std::span<const Trial> honest);

// The exact-match baseline of Token-DiFR (arXiv 2511.20621): the share of tokens that the claimed setup would
// have chosen, with the claimed seed where tokens are drawn, rejected below every honest record's. Statistic: the share.
Decision token_match(const Trial& trial, std::span<const Trial> honest);

}  // namespace assay::attacks
