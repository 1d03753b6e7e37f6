"""benchmarks/estimates: the networks as written down, the fit, the intervals, and the file that ships."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from estimates import nasbench
from estimates.fit import Rows, fit
from estimates.holdout import Residual, covered, half_widths
from estimates.networks import kernels_of
from estimates.priors import STRENGTHS, prior
from estimates.rows import family_of

from edgeopt.predict.features import FEATURES
from edgeopt.predict.kernels import Kind

_PLACES = {name: place for place, name in enumerate(FEATURES)}


def _rows(rates: np.ndarray, seed: int, *, families: int = 6) -> Rows:
    """Networks with random work, and exactly the time that the rates give."""
    generator = np.random.default_rng(seed)
    scales = 1e-3 / np.maximum(prior("tflite"), 1e-15)
    amounts = generator.uniform(0.1, 1.0, (5 * families, len(FEATURES))) * scales
    names = tuple(f"m{place}" for place in range(5 * families))
    labels = np.array([f"f{place % families}" for place in range(5 * families)])
    return Rows(models=names, families=labels, amounts=amounts, seconds=amounts @ rates)


def test_rates_that_made_the_rows_are_found_again() -> None:
    rates = prior("tflite") * np.random.default_rng(1).uniform(0.5, 2.0, len(FEATURES))
    groups = {"a": _rows(rates, 2, families=12), "b": _rows(3 * rates, 3, families=12)}
    found = fit(groups, ["a", "b"], prior("tflite"), (1e-4,))
    fresh = _rows(rates, 4)

    assert fresh.amounts @ found["a"] == pytest.approx(fresh.seconds, rel=0.01)
    assert fresh.amounts @ found["b"] == pytest.approx(3 * fresh.seconds, rel=0.01)


def test_no_rate_is_negative_whatever_the_rows() -> None:
    rows = _rows(prior("tflite"), 5)
    noise = np.random.default_rng(6).lognormal(0, 1, len(rows.seconds))
    noisy = Rows(models=rows.models, families=rows.families, amounts=rows.amounts, seconds=rows.seconds * noise)

    assert fit({"a": noisy}, ["a"], prior("tflite"), STRENGTHS["tflite"])["a"].min() >= 0


def test_what_no_row_has_is_taken_from_its_kin() -> None:
    """A 3x3 convolution that no row holds is a product of matrices: it follows the 1x1 ones, not the median row."""
    rates = prior("tflite")
    rates[_PLACES["pointwise_macs"]] /= 4
    rows = _rows(rates, 7, families=12)
    rows.amounts[:, _PLACES["fast_window_macs"]] = 0
    seconds = rows.amounts @ rates
    hidden = Rows(models=rows.models, families=rows.families, amounts=rows.amounts, seconds=seconds)
    found = fit({"a": hidden}, ["a"], prior("tflite"), (1e-4,))["a"] / prior("tflite")

    assert found[_PLACES["fast_window_macs"]] == pytest.approx(0.25, rel=0.05)


def test_a_family_left_out_is_not_among_the_rows() -> None:
    rows = _rows(prior("tflite"), 8)

    assert "f2" not in rows.without("f2").families
    assert len(rows.without("f2").models) == len(rows.models) - 5


def test_siblings_are_one_family_and_strangers_are_not() -> None:
    assert family_of("mobilenet-v1-0.25-128") == family_of("mobilenet-v1-1.0-224")
    assert family_of("mobilenet-v1-1.0-224") != family_of("mobilenet-v2-1.0-224")
    assert family_of("vgg16") == "vgg16"


def _residuals(families: int, spread: float, seed: int) -> list[Residual]:
    generator = np.random.default_rng(seed)
    return [
        Residual(model=f"m{place}", family=f"f{place}", log_ratio=float(value))
        for place, value in enumerate(generator.normal(0, spread, families))
    ]


def test_intervals_cover_what_they_say_for_families_they_have_not_seen() -> None:
    groups = {str(place): _residuals(40, 0.05 * (1 + place % 3), place) for place in range(12)}
    hits = [hit for found in covered(groups).values() for hit in found]

    assert len(hits) == 480
    assert 0.87 <= np.mean(hits) <= 0.97


def test_a_group_with_larger_residuals_has_the_wider_interval() -> None:
    widths = half_widths({"calm": _residuals(40, 0.05, 1), "wild": _residuals(40, 0.3, 2)})

    assert widths["wild"] > 2 * widths["calm"]


def test_one_bad_family_does_not_vouch_for_itself() -> None:
    """An outlier is not covered: the interval that judges it is made of the others alone."""
    found = [*_residuals(20, 0.05, 3), Residual(model="odd", family="odd", log_ratio=2.0)]

    assert covered({"a": found})["a"].count(False) >= 1


def test_a_cell_is_read_edge_by_edge() -> None:
    edges = nasbench.edges_of("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|")

    assert edges[0, 1] == "nor_conv_3x3"
    assert edges[2, 3] == "nor_conv_1x1"
    assert nasbench.windows_in(edges) == 1
    assert nasbench.is_connected(edges)


def test_an_operator_that_nothing_reads_is_not_run() -> None:
    edges = nasbench.edges_of("|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|none~2|")
    windows = [one for one in nasbench.network_of(edges).kernels if one.kind is Kind.WINDOW]

    assert len(windows) == 1 + 2 * 2  # the stem, and two blocks that halve the side


def test_a_cell_of_nothing_but_zeros_is_not_connected() -> None:
    assert not nasbench.is_connected(nasbench.edges_of("|none~0|+|none~0|skip_connect~1|+|none~0|none~1|none~2|"))


def test_cells_that_compute_the_same_are_told_to() -> None:
    first = nasbench.edges_of("|nor_conv_1x1~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|")
    second = nasbench.edges_of("|none~0|+|nor_conv_1x1~0|none~1|+|none~0|none~1|skip_connect~2|")
    third = nasbench.edges_of("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|")

    assert nasbench.computation_of(first) == nasbench.computation_of(second)
    assert nasbench.computation_of(first) != nasbench.computation_of(third)


@pytest.mark.parametrize(
    ("cell", "is_dead"),
    [
        ("|nor_conv_1x1~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|", False),
        ("|nor_conv_1x1~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|", True),  # nothing reads node 1
        ("|none~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|skip_connect~2|", True),  # node 1 is zeros
    ],
)
def test_an_operator_is_dead_that_nothing_feeds_or_reads(cell: str, is_dead: bool) -> None:
    assert nasbench.has_dead_operators(nasbench.edges_of(cell)) is is_dead


@pytest.mark.shared
@pytest.mark.parametrize("table", ["mlperf_model_features.csv", "mlperf_tiny_features.csv"])
def test_networks_written_down_have_the_products_that_were_counted_elsewhere(shared_data: Path, table: str) -> None:
    checked = 0
    with (shared_data / "latency" / table).open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            kernels = kernels_of(row["model"])
            if kernels is None:
                continue
            macs = float(row["macs_M"]) * 1e6 if "macs_M" in row else float(row["macs"])
            assert sum(one.macs for one in kernels) == pytest.approx(macs, rel=1e-3), row["model"]
            checked += 1
    assert checked >= 6


@pytest.mark.shared
@pytest.mark.slow
def test_the_rates_that_ship_are_what_the_data_give() -> None:
    import json

    from estimates.refit import RATES, rates_text

    made, shipped = json.loads(rates_text()), json.loads(RATES.read_text(encoding="utf-8"))

    assert made["features"] == shipped["features"]
    for new, old in zip(made["groups"], shipped["groups"], strict=True):
        for key, value in old.items():
            is_number = key in ("seconds", "half_width", "watts")
            assert new[key] == (pytest.approx(value, rel=1e-3) if is_number else value), (old["target"], key)
