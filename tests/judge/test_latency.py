"""Latency summed up and compared: simulated processes with the noise that real ones have."""

import numpy as np
import pytest

from edgeopt.judge.latency import MINIMUM_EFFECT, compare_latency, latency_verdict, summarize_latency

CALLS = 10


def times(generator, *, factor=1.0, shared=None, processes=10, blocks=20, seconds=0.001):
    """Seconds per call: noise that the two models of a process share, a layout of their own, blocks, calls, stalls."""
    shared = np.ones(processes) if shared is None else shared
    layout = generator.normal(1, 0.004, processes)
    drift = generator.normal(1, 0.01, (processes, blocks, 1))
    call = np.abs(generator.normal(0, 0.01, (processes, blocks, CALLS)))
    stalls = generator.random((processes, blocks, CALLS)) < 0.01
    made = seconds * factor * (shared * layout)[:, None, None] * drift * (1 + call) * (1 + 2 * stalls)
    return made.reshape(processes, -1).tolist()


def pair(seed, factor):
    """A base and a candidate that takes `factor` times as long, measured by turns."""
    generator = np.random.default_rng(seed)
    shared = generator.normal(1, 0.05, 10)
    return times(generator, shared=shared), times(generator, shared=shared, factor=factor)


def verdicts(factor, repeats):
    return [compare_latency(*pair(seed, factor), calls_per_block=CALLS) for seed in range(repeats)]


def test_a_model_against_itself_is_rarely_called_faster_or_slower():
    found = verdicts(1.0, 60)

    assert sum(comparison.verdict in {"faster", "slower"} for comparison in found) <= 1
    assert sum(comparison.verdict == "same" for comparison in found) >= 50
    assert np.mean([comparison.ci95[0] <= 1 <= comparison.ci95[1] for comparison in found]) >= 0.9


@pytest.mark.parametrize(("factor", "verdict"), [(1.05, "slower"), (1 / 1.05, "faster"), (1.5, "slower")])
def test_a_planted_change_is_found(factor, verdict):
    found = verdicts(factor, 20)

    assert sum(comparison.verdict == verdict for comparison in found) >= 19
    assert all(comparison.ratio == pytest.approx(1 / factor, rel=0.02) for comparison in found)


def test_noise_of_the_process_cancels_between_the_two():
    base, candidate = pair(0, 1.0)

    both = compare_latency(base, candidate, calls_per_block=CALLS)
    alone = summarize_latency(base, calls_per_block=CALLS)

    assert both.ci95[1] - both.ci95[0] < (alone.ci95[1] - alone.ci95[0]) / alone.median


@pytest.mark.parametrize(
    ("ratio", "interval", "verdict"),
    [
        (1.5, (1.4, 1.6), "faster"),
        (1.02, (1.01, 1.03), "faster"),
        (1.019, (1.01, 1.03), "undecided"),
        (1.01, (1.005, 1.015), "same"),
        (1.0, (0.985, 1.015), "same"),
        (1.0, (0.5, 2.0), "undecided"),
        (1.1, (0.99, 1.2), "undecided"),
        (0.5, (0.45, 0.55), "slower"),
        (0.99, (0.985, 0.995), "same"),
    ],
)
def test_the_verdict_needs_an_interval_off_one_and_an_effect(ratio, interval, verdict):
    assert latency_verdict(ratio, interval, MINIMUM_EFFECT) == verdict


def test_the_summary_is_of_all_samples():
    processes = [[1.0] * 20, [3.0] * 20, [2.0] * 20]

    found = summarize_latency(processes, calls_per_block=10)

    assert (found.median, found.mean, found.p90) == (2.0, 2.0, 3.0)
    assert found.ci95[0] < found.median < found.ci95[1]


def test_the_same_samples_give_the_same_interval():
    base, candidate = pair(3, 1.02)

    first, again = (compare_latency(base, candidate, calls_per_block=CALLS) for _ in range(2))

    assert first == again


def test_more_processes_give_a_narrower_interval():
    generator = np.random.default_rng(0)
    processes = times(generator, processes=40)

    few, many = (summarize_latency(processes[:count], calls_per_block=CALLS).ci95 for count in (5, 40))

    assert many[1] - many[0] < few[1] - few[0]


def test_the_interval_of_the_median_holds_it_as_often_as_it_says():
    held = []
    for seed in range(60):
        low, high = summarize_latency(times(np.random.default_rng(seed)), calls_per_block=CALLS).ci95
        held.append(low <= 0.001 * 1.0069 <= high)  # the median of 1 + |normal(0, 0.01)|, and of the stalls

    assert np.mean(held) >= 0.85


def test_models_with_unequal_numbers_of_blocks_can_be_compared():
    generator = np.random.default_rng(0)
    base, candidate = times(generator, blocks=40, factor=2), times(generator, blocks=20)

    found = compare_latency(base, candidate, calls_per_block=CALLS)

    assert (found.ratio, found.verdict) == (pytest.approx(2, rel=0.02), "faster")
