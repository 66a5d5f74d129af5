"""Estimates with intervals by resampling whole prompts. Needs numpy.

Each statistic is a function of means of columns, so that a resample of prompts is a weighting of their sums.
"""
from __future__ import annotations

import math
import statistics

import numpy as np

RESAMPLES = 4000


class Estimate:
    def __init__(self, value: float, low: float, high: float):
        self.value, self.low, self.high = value, low, high

    def text(self, form: str, scale: float = 1) -> str:
        return " ".join([format(self.value * scale, form),
                         f"[{format(self.low * scale, form)}, {format(self.high * scale, form)}]"])


def tail_of_percentile(count: int) -> float:
    """The tail to cut for 95 %: plain percentiles are too narrow for few prompts, as if a normal's quantile replaced
    Student's and n the n - 1 of a variance (Hesterberg 2015, "expanded percentile interval")."""
    normal = statistics.NormalDist()
    z, degrees = normal.inv_cdf(0.975), count - 1
    student = z + (z ** 3 + z) / (4 * degrees) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2)
    return normal.cdf(-math.sqrt(count / degrees) * student)


class Bootstrap:
    def __init__(self, prompt: np.ndarray, seed: int, resamples: int = RESAMPLES):
        self.prompts, self.index = np.unique(prompt, return_inverse=True)
        count = len(self.prompts)
        self.weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
        self.tail = tail_of_percentile(count)

    def sums(self, *columns: np.ndarray) -> np.ndarray:
        """[prompts, columns]; a last column counts the scores."""
        columns += (np.ones(len(self.index)),)
        return np.stack([np.bincount(self.index, column) for column in columns], axis=1)

    def estimate(self, function, *columns: np.ndarray) -> Estimate:
        """`function` maps the columns' means [columns, ...] to a number [...]."""
        sums = self.sums(*columns)
        resampled = (self.weights @ sums).T
        low, high = np.quantile(function(resampled[:-1] / resampled[-1]), [self.tail, 1 - self.tail])
        total = sums.sum(0)
        return Estimate(float(function(total[:-1] / total[-1])), float(low), float(high))


def correlation(x: np.ndarray, y: np.ndarray, bootstrap: Bootstrap) -> Estimate:
    return bootstrap.estimate(lambda m: (m[4] - m[0] * m[1]) / np.sqrt((m[2] - m[0] ** 2) * (m[3] - m[1] ** 2)),
                              x, y, x * x, y * y, x * y)


def ranks(x: np.ndarray) -> np.ndarray:
    """Equal numbers share their mean rank."""
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def rank_correlation(x: np.ndarray, y: np.ndarray, bootstrap: Bootstrap) -> Estimate:
    return correlation(ranks(x), ranks(y), bootstrap)  # ranked once, not in each resample


def rms(x: np.ndarray, bootstrap: Bootstrap) -> Estimate:
    return bootstrap.estimate(lambda m: np.sqrt(m[0]), x * x)


def mean(x: np.ndarray, bootstrap: Bootstrap) -> Estimate:
    return bootstrap.estimate(lambda m: m[0], x)


def separation(under_first: np.ndarray, under_second: np.ndarray, bootstrap: Bootstrap) -> Estimate:
    """A detector's signal-to-noise: the difference of its means when the first and when the second kernel made the
    record, over the standard deviation (root mean square of the two)."""
    def function(m):
        variance = (m[2] - m[0] ** 2 + m[3] - m[1] ** 2) / 2
        return (m[0] - m[1]) / np.sqrt(variance)
    return bootstrap.estimate(function, under_first, under_second, under_first ** 2, under_second ** 2)


def positions_needed(snr: float, error_rate: float) -> float:
    """Positions after which a detector errs either way with `error_rate`, from its signal-to-noise at one position:
    sqrt(n) snr = 2 z. No number for a signal of 0."""
    return (2 * statistics.NormalDist().inv_cdf(1 - error_rate) / snr) ** 2 if snr > 0 else math.inf
