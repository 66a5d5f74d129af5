#!/usr/bin/env python3
"""Prints the tables of docs/cross_hardware.md: is the effect of a kernel on log-probabilities the same on two devices?

    python3 tools/study_cross_hardware.py runs/study/a runs/study/b runs/study/c runs/study/d
    python3 tools/study_cross_hardware.py --self-test

The first folder is the record (its ids are the ones compared), the others are verifications of it. Needs numpy. The
self-test checks the statistics on synthetic numbers (a few seconds).

Words: a1, m1 are the log-probabilities of one position's id under awq and awq_marlin on the record's device, a2, m2
those on the verifier's device. Intervals: 95 %, bootstrap over prompts (expanded percentiles), seeded.
"""
from __future__ import annotations

import argparse
import math
import pathlib

import numpy as np

from bootstrap import Bootstrap, Estimate, correlation, mean, positions_needed, rank_correlation, ranks, rms, separation
from run_folder import read_run

KERNELS = ("awq", "awq_marlin")
DEVICES = ("a100", "h100")
CONTROL = ("awq:chain", "awq_marlin")
EXACT = "awq@exact"
OTHER_SM_COUNT = "awq_marlin@h20"
EARLY = 50  # positions; later the greedy text repeats itself
ERROR_RATE = 1e-3  # of either kind, for sample sizes


class Scores:
    """One phase: the log-probabilities of the record's ids, under each setup in the same order."""

    def __init__(self, prompt: list[int], own: list[bool], values: dict[str, list[float]]):
        self.prompt = np.array(prompt)  # of each score
        self.own = np.array(own)  # is it the score of the position's own token, which is a position's first?
        self.position = np.cumsum(self.own) - 1  # of each score
        self.values = {setup: np.array(v) for setup, v in values.items()}

    def per_position(self, x: np.ndarray) -> np.ndarray:
        return np.bincount(self.position, x)

    def at_next_position(self, x: np.ndarray) -> np.ndarray:
        """For each score the number at the same place of the next position of its prompt, as far as that has as many;
        the last position's next is the first."""
        start = np.flatnonzero(self.own)
        count = np.diff(np.append(start, len(x)))
        following = np.arange(1, len(start) + 1)
        prompt = self.prompt[start]
        for p in np.unique(prompt):
            positions = np.flatnonzero(prompt == p)
            following[positions[-1]] = positions[0]
        next_position = following[self.position]
        place = np.arange(len(x)) - start[self.position]
        return x[start[next_position] + np.minimum(place, count[next_position] - 1)]

    def where(self, keep: np.ndarray) -> "Scores":
        return Scores(self.prompt[keep], self.own[keep], {s: v[keep] for s, v in self.values.items()})

    def own_only(self) -> "Scores":
        return self.where(self.own)

    def first(self, count: int) -> "Scores":
        """The first positions of each prompt."""
        prompt = self.prompt[self.own]
        _, start, index = np.unique(prompt, return_index=True, return_inverse=True)  # a prompt's scores are contiguous
        return self.where((np.arange(len(prompt)) - start[index] < count)[self.position])


def read_scores(record: pathlib.Path, verifications: list[pathlib.Path]) -> dict[str, Scores]:
    claims = {(reference, phase): (positions, lists)
              for _, reference, phase, positions, lists in read_run(record)}
    values: dict[str, dict[str, list[float]]] = {"prefill": {}, "decode": {}}
    order: dict[str, dict[str, list[int]]] = {"prefill": {}, "decode": {}}
    for folder in verifications:
        for setup, reference, phase, positions, lists in read_run(folder):
            claimed_positions, claimed = claims[reference, phase]
            if positions != claimed_positions:
                raise SystemExit(f"{folder}: {setup}, ref_{reference}: not the record's positions")
            order[phase].setdefault(setup, []).append(reference)
            values[phase].setdefault(setup, []).extend(
                scores[token] for scores, ids in zip(lists, claimed) for token in ids)
    result = {}
    for phase, setups in values.items():
        references = next(iter(order[phase].values()))
        if any(other != references for other in order[phase].values()):
            raise SystemExit(f"{phase}: the setups were not run on the same prompts")
        prompt, own = [], []
        for reference in references:
            for ids in claims[reference, phase][1]:
                prompt += [reference] * len(ids)
                own += [True] + [False] * (len(ids) - 1)
        result[phase] = Scores(prompt, own, setups)
    return result


class Effects:
    """The differences that the tables are about, of one phase and one choice of scores."""

    def __init__(self, scores: Scores, seed: int, kernels: tuple[str, str] = KERNELS):
        self.scores = scores
        self.seed = seed
        self.bootstrap = Bootstrap(scores.prompt, seed)
        a, m = kernels
        self.a1, self.m1, self.a2, self.m2 = (scores.values[f"{k}@{d}"] for d in DEVICES for k in (a, m))
        self.exact = scores.values[EXACT]

    def projections(self) -> tuple[np.ndarray, np.ndarray]:
        """The record's residual times the predicted kernel effect, if awq and if awq_marlin made the record. Its sum is
        half the difference of the squared distances to m2 and to a2: it is positive when awq is nearer."""
        middle, effect = (self.a2 + self.m2) / 2, self.a2 - self.m2
        return (self.a1 - middle) * effect, (self.m1 - middle) * effect

    def biases(self) -> tuple[np.ndarray, np.ndarray]:
        """The record's residual itself: does a kernel shift its log-probabilities?"""
        middle = (self.a2 + self.m2) / 2
        return self.a1 - middle, self.m1 - middle

    def sizes(self) -> tuple[np.ndarray, np.ndarray]:
        """The record's squared deviation from `exact`, less what the verifier's own runs deviate at that score: is a
        kernel noisier?"""
        usual = ((self.a2 - self.exact) ** 2 + (self.m2 - self.exact) ** 2) / 2
        return (self.a1 - self.exact) ** 2 - usual, (self.m1 - self.exact) ** 2 - usual

    def by_position(self, detector) -> tuple[Estimate, Estimate]:
        """The signal-to-noise of a detector, summed over a position's scores, at one position: positions taken as
        independent, and as the spread of whole prompts shows it."""
        both = [self.scores.per_position(x) for x in detector(self)]
        prompt = self.scores.prompt[self.scores.own]
        bootstrap = Bootstrap(prompt, self.seed)
        alone = separation(*both, bootstrap)
        sums = bootstrap.sums(*both)
        whole = separation(sums[:, 0], sums[:, 1], Bootstrap(np.arange(len(sums)), self.seed))
        scale = math.sqrt((len(sums) - 1) / len(sums) / sums[:, 2].mean())  # n - 1 in the variance; a position's share
        return alone, Estimate(*(v * scale for v in (whole.value, whole.low, whole.high)))

    def nearest_right(self) -> tuple[int, int]:
        """Claims (a prompt, made by either kernel) whose nearer reference is the kernel that made it, of how many."""
        if_a, if_m = self.projections()
        sums = self.bootstrap.sums(if_a, if_m)
        return int((sums[:, 0] > 0).sum() + (sums[:, 1] < 0).sum()), 2 * len(sums)


def print_table(head: list[str], rows: list[list[str]]) -> None:
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def correlation_row(phase: str, name: str, own: Effects, every: Effects, pick) -> list[str]:
    return [phase, name, correlation(*pick(own), own.bootstrap).text("+.3f"),
            rank_correlation(*pick(own), own.bootstrap).text("+.3f"),
            correlation(*pick(every), every.bootstrap).text("+.3f")]


def print_correlations(own: dict[str, Effects], every: dict[str, Effects], seed: int) -> None:
    print("Correlation of effects\n")

    def kernel_effects(e):
        return e.a1 - e.m1, e.a2 - e.m2

    rows = []
    for phase in own:
        pair = own[phase], every[phase]
        rows.append(correlation_row(phase, "kernel effect, a100 with h100", *pair, kernel_effects))
        rows.append(correlation_row(phase, "null: the same, h100's next position", *pair,
                                    lambda e: (e.a1 - e.m1, e.scores.at_next_position(e.a2 - e.m2))))
        if phase == "decode":  # in prefill awq is a chain by itself (256 rows or more)
            control = (Effects(e.scores, seed, CONTROL) for e in pair)
            rows.append(correlation_row(phase, "control: the same, awq as a chain", *control, kernel_effects))
            early = (Effects(e.scores.first(EARLY), seed) for e in pair)
            rows.append(correlation_row(phase, f"kernel effect, first {EARLY} positions", *early, kernel_effects))
        rows.append(correlation_row(phase, "device effect, awq with awq_marlin", *pair,
                                    lambda e: (e.a1 - e.a2, e.m1 - e.m2)))
    print_table(["phase", "effect", "own token, Pearson", "own token, rank", "all ids, Pearson"], rows)


def equal_positions(scores: Scores, x: str, y: str) -> float:
    """Share of positions all of whose log-probabilities have equal bits."""
    return float((scores.per_position(scores.values[x] != scores.values[y]) == 0).mean())


def print_sizes(own: dict[str, Effects], every: dict[str, Effects]) -> None:
    print("Sizes: RMS of the difference of the own token's log-probability, 10^-3 nats; equal bits\n")
    a, m = KERNELS
    pairs = [("kernel", f"{a}@{d}", f"{m}@{d}") for d in DEVICES]
    pairs += [("device", f"{k}@{DEVICES[0]}", f"{k}@{DEVICES[1]}") for k in KERNELS]
    pairs += [("both", f"{a}@{DEVICES[0]}", f"{m}@{DEVICES[1]}"), ("both", f"{m}@{DEVICES[0]}", f"{a}@{DEVICES[1]}"),
              ("SM count", f"{m}@{DEVICES[1]}", OTHER_SM_COUNT)]
    pairs += [("rounding", f"{k}@{d}", EXACT) for d in DEVICES for k in KERNELS]
    rows = []
    for kind, x, y in pairs:
        row = [kind, f"{x}, {y}"]
        for phase, effects in own.items():
            values = effects.scores.values
            row.append(rms(values[x] - values[y], effects.bootstrap).text(".2f", 1000))
            row.append(f"{(values[x] == values[y]).mean():.2%}")
            row.append(f"{equal_positions(every[phase].scores, x, y):.2%}")
        rows.append(row)
    print_table(["differs", "pair", *(f"{phase} {what}" for phase in own
                                      for what in ("RMS", "own token equal", "all ids equal"))], rows)


def deviations(e: Effects) -> list[tuple[str, Estimate]]:
    """Covariances of the deviations from `exact`, whose own rounding is in all of them; less the covariance of a pair
    that shares neither kernel nor device, what one kernel or one device carries over. The kernel effect's covariance is
    the sum of its two kernels' own parts."""
    a1, m1, a2, m2 = (x - e.exact for x in (e.a1, e.m1, e.a2, e.m2))
    columns = [a1 * a2, m1 * m2, a1 * m1, a2 * m2, (a1 * m2 + m1 * a2) / 2]
    names = ["awq, on both devices", "awq_marlin, on both devices", "a100, both kernels", "h100, both kernels",
             "neither the same"]
    result = [(name, mean(column, e.bootstrap)) for name, column in zip(names, columns)]
    result += [(f"own part: {name.split(',')[0]}", mean(column - columns[4], e.bootstrap))
               for name, column in zip(names[:4], columns)]
    return result


def print_deviations(own: dict[str, Effects], every: dict[str, Effects]) -> None:
    print("Deviations from `exact`: covariance, 10^-6 nats^2, all ids\n")
    parts = {phase: deviations(effects) for phase, effects in every.items()}
    print_table(["pair", *own], [[name, *(parts[phase][i][1].text("+.2f", 1e6) for phase in own)]
                                 for i, (name, _) in enumerate(parts["prefill"])])
    print("Bias: mean deviation from `exact`, 10^-5 nats, own token\n")
    print_table(["setup", *own], [[f"{k}@{d}", *(mean(e.scores.values[f"{k}@{d}"] - e.exact, e.bootstrap)
                                               .text("+.1f", 1e5) for e in own.values())]
                                  for d in DEVICES for k in KERNELS])


def print_detectors(own: dict[str, Effects], every: dict[str, Effects]) -> None:
    print("Detectors: was an a100 record made by awq or by awq_marlin, seen from h100? Signal-to-noise at one position, "
          f"positions for error rates of {ERROR_RATE:g}\n")
    rows = []
    for phase in own:
        for name, e, detector in (
                ("projection, own token", own[phase], Effects.projections),
                ("projection, all ids", every[phase], Effects.projections),
                ("bias, own token", own[phase], Effects.biases),
                ("size, all ids", every[phase], Effects.sizes)):
            alone, whole = e.by_position(detector)
            if whole.low <= 0 <= whole.high:
                needed = f"0 not excluded; over {positions_needed(max(-whole.low, whole.high), ERROR_RATE):,.0f}"
            else:
                few, many = sorted(positions_needed(abs(v), ERROR_RATE) for v in (whole.low, whole.high))
                needed = f"{positions_needed(abs(whole.value), ERROR_RATE):,.0f} [{few:,.0f}, {many:,.0f}]"
            rows.append([phase, name, alone.text("+.4f"), whole.text("+.4f"), needed])
    print_table(["phase", "detector", "positions independent", "from whole prompts", "positions needed"], rows)
    for phase in own:
        for name, e in (("own token", own[phase]), ("all ids", every[phase])):
            right, claims = e.nearest_right()
            print(f"{phase}, {name}: the nearer of awq@h100 and awq_marlin@h100 is the right kernel for {right} of "
                  f"{claims} claims of a prompt.")


def synthetic(generator: np.random.Generator, prompts: int, length: int, kernel: float, device: float) -> Scores:
    """Five rounding errors of variance 1, of which `kernel` is common to a kernel and `device` to a device."""
    n = prompts * length
    def draw(variance):
        return math.sqrt(variance) * generator.standard_normal(n)
    base = draw(9)
    common = {name: draw(kernel) for name in KERNELS} | {name: draw(device) for name in DEVICES}
    values = {f"{k}@{d}": base + common[k] + common[d] + draw(1 - kernel - device) for k in KERNELS for d in DEVICES}
    values[EXACT] = base + draw(1)
    return Scores(list(np.repeat(np.arange(prompts), length)), [True] * n, values)


def check(what: str, ok: bool) -> None:
    print(f"{'ok  ' if ok else 'FAIL'} {what}")
    if not ok:
        raise SystemExit(1)


def self_test() -> None:
    check("ranks", ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1, 3.5, 2])
    scores = Scores([0, 0, 0, 0, 1, 1], [True, False, True, False, True, True], {})
    check("next position", scores.at_next_position(np.arange(6)).tolist() == [2, 3, 0, 1, 5, 4])
    check("first positions", scores.first(1).position.tolist() == [0, 0, 1] and scores.own_only().own.all())
    generator = np.random.default_rng(1)
    inside = 0
    for trial in range(400):  # does a 95 % interval hold the truth about 95 % of the time?
        e = Effects(synthetic(generator, 24, 100, 0, 0), trial)
        rho = correlation(e.a1 - e.m1, e.a2 - e.m2, Bootstrap(e.scores.prompt, trial, 400))
        inside += rho.low <= 0 <= rho.high
    # 380 +- 3 standard deviations
    check(f"intervals hold a correlation of 0 in {inside} of 400 trials", 367 <= inside <= 393)
    e = Effects(synthetic(generator, 24, 5000, 0.3, 0.1), 1)
    kernel = correlation(e.a1 - e.m1, e.a2 - e.m2, e.bootstrap)
    device = correlation(e.a1 - e.a2, e.m1 - e.m2, e.bootstrap)
    check(f"kernel effect 0.3/0.9: {kernel.text('.3f')}", kernel.low < 1 / 3 < kernel.high)
    check(f"device effect 0.1/0.7: {device.text('.3f')}", device.low < 1 / 7 < device.high)
    parts = [p.value for _, p in deviations(e)]
    check(f"own parts of kernels {parts[5]:.3f}, {parts[6]:.3f} and devices {parts[7]:.3f}, {parts[8]:.3f}",
          np.allclose(parts[5:], [0.3, 0.3, 0.1, 0.1], atol=0.03))
    right, claims = e.nearest_right()
    check("a shared kernel effect makes the nearest reference right", right == claims)
    e = Effects(synthetic(generator, 24, 5000, 0.1, 0), 1)
    rho = correlation(e.a1 - e.m1, e.a2 - e.m2, e.bootstrap).value
    alone, whole = (snr.value for snr in e.by_position(Effects.projections))
    expected = 2 * rho / math.sqrt(3)  # for small rho
    check(f"signal-to-noise {alone:.3f} is 2 rho / sqrt(3) = {expected:.3f}", abs(alone - expected) < 0.01)
    check(f"from whole prompts {whole:.3f}", 0.7 < whole / alone < 1.5)  # a standard deviation of 24 numbers
    check("sample size", abs(positions_needed(0.1, 1e-3) - 3820) < 1)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("record", type=pathlib.Path, nargs="?")
    arguments.add_argument("verifications", type=pathlib.Path, nargs="*")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--self-test", action="store_true")
    options = arguments.parse_args()
    if options.self_test:
        return self_test()
    if not options.verifications:
        arguments.error("a record and at least one verification of it")
    scores = read_scores(options.record, options.verifications)
    every = {phase: Effects(s, options.seed) for phase, s in scores.items()}
    own = {phase: Effects(s.own_only(), options.seed) for phase, s in scores.items()}
    for phase, e in own.items():
        print(f"{phase}: {len(e.scores.own)} positions of {len(e.bootstrap.prompts)} prompts, "
              f"{len(every[phase].scores.own)} log-probabilities.")
    print()
    print_correlations(own, every, options.seed)
    print_sizes(own, every)
    print_deviations(own, every)
    print_detectors(own, every)


if __name__ == "__main__":
    main()
