"""Calibration of two models in rows and as a reliability diagram."""

from xml.etree import ElementTree

import pytest

from edgeopt.report.reliability import calibration_cells, reliability_svg

BINS = [
    {"low": 0.4, "high": 0.5, "n": 100, "confidence": 0.45, "accuracy": 0.4},
    {"low": 0.9, "high": 1.0, "n": 900, "confidence": 0.95, "accuracy": 0.97},
]
SCORE = {"baseline": 0.31, "candidate": 0.32, "difference": 0.01, "ci95": [-0.002, 0.022], "unit": "1"}
CALIBRATION = {
    "ece": {"baseline": 0.021, "candidate": 0.034},
    "ece_by_chance": {"baseline": 0.03, "candidate": 0.031},
    "bins": {"baseline": BINS, "candidate": BINS[1:]},
    "log_loss": SCORE,
    "brier": {**SCORE, "ci95": None},
}


def test_scores_have_their_differences_and_the_error_says_what_chance_shows():
    loss, brier, error = calibration_cells(CALIBRATION)

    assert loss == ("log loss", "0.31", "0.32", "+0.01 (95 %: -0.002 to +0.022)")
    assert brier[3] == "+0.01"
    assert error[:3] == ("calibration error", "0.021", "0.034")
    assert "shows 0.031 on so many samples" in error[3]


def test_without_probabilities_there_is_nothing_to_say():
    assert calibration_cells(None) == []


def test_the_diagram_has_a_disc_per_bin_where_it_belongs():
    drawing = reliability_svg(CALIBRATION)

    root = ElementTree.fromstring(drawing)
    discs = [entry for entry in root.iter() if entry.tag.endswith("circle") and entry.get("fill-opacity")]
    assert len(discs) == 3
    assert float(discs[1].get("cx")) == pytest.approx(44 + 260 * 0.95, abs=0.1)
    assert float(discs[1].get("cy")) == pytest.approx(24 + 260 * 0.03, abs=0.1)
    assert float(discs[1].get("r")) > float(discs[0].get("r"))
    assert "\n\n" not in drawing
