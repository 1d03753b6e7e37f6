"""Layers as a table and as a picture, from the record alone."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from edgeopt.report.canvas import canvas_svg
from edgeopt.report.diagnose_plot import layers_canvas
from edgeopt.report.text import print_view

PAIR = {"clipped_share": 0.008, "zeroed_channels": 0, "dead_channels": 2}
WEIGHT = {"clipped_share": 0.0, "zeroed_channels": 3, "dead_channels": 1, "largest_over_median": 39.5}
CLIPPED = {"cause": "clipped", "text": "0.8 % of its input is clipped", "mend": "`--range minmax`"}
FINE = {"cause": "none", "text": "nothing is wrong: its weights keep 41 dB", "mend": ""}


def layer(node="conv", **keys):
    usual = {
        "node": node,
        "operator": "Conv",
        "output_sqnr_db": 21.4,
        "noise_share": 0.625,
        "gain_db": None,
        "weights_sqnr_db": 40.0,
        "activations_sqnr_db": 22.0,
        "weight": WEIGHT,
        "reads": [PAIR],
        "writes": [],
        "reasons": [CLIPPED],
        "unmatched": "",
    }
    return {**usual, **keys}


def record(*layers, **keys):
    usual = {
        "command": "diagnose",
        "origin": "host",
        "samples": 100,
        "calibration_samples": 20,
        "candidate_sqnr_db": 20.0,
        "simulated_sqnr_db": 20.1,
        "kept_float": ["stem"],
        "layers": list(layers) or [layer(), layer("dense", reasons=[FINE], weight=None, weights_sqnr_db=None)],
        "warnings": [],
    }
    return {**usual, **keys}


def shown(capsys, made):
    print_view("diagnose", made)
    return capsys.readouterr().out


def test_the_table_has_a_row_per_layer_with_its_reason_and_mend(capsys):
    text = shown(capsys, record())

    assert "output of the candidate: 20.0 dB signal to noise beside BASE (host, 100 samples, calibrated on 20)" in text
    assert "kept float: stem" in text
    row = next(line for line in text.splitlines() if "conv (Conv)" in line)
    for cell in ("21.4", "62 %", "40.0", "22.0", "0.8 %", "39.5x", "3 + 2"):
        assert cell in row
    assert "`--range" in text
    assert "nothing is wrong with 1 of 2 layers" in text
    assert "gain" not in text


def test_a_figure_beyond_float32_is_exact_and_an_unknown_one_empty(capsys):
    text = shown(capsys, record(layer(output_sqnr_db=120.0, weights_sqnr_db=None, gain_db=1.25)))

    row = next(line for line in text.splitlines() if "conv (Conv)" in line)
    assert "exact" in row
    assert "+1.2" in row
    assert "gain: dB that the output gains" in text
    assert "40.0" not in row


def test_a_layer_that_was_not_found_says_so(capsys):
    assert "no such weight" in shown(capsys, record(layer(unmatched="no such weight", reasons=[FINE])))


def test_many_layers_are_cut_with_a_word_about_the_rest(capsys):
    text = shown(capsys, record(*(layer(f"conv{index}") for index in range(33))))

    assert "conv29" in text
    assert "conv30" not in text
    assert "and 3 layers that do less (--json lists all)" in text


def test_hostile_names_do_no_harm(capsys, hostile):
    text = shown(capsys, record(layer(hostile)))
    drawing = canvas_svg(layers_canvas(record(layer(hostile))))

    assert "\x1b" not in text
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())
    assert "<script>" not in drawing
    assert ElementTree.fromstring(drawing).tag.endswith("svg")


def test_the_picture_has_a_bar_and_its_dots_per_layer():
    drawing = canvas_svg(layers_canvas(record()))

    root = ElementTree.fromstring(drawing)
    bars = [entry for entry in root.iter() if entry.tag.endswith("rect")]
    legend = 3
    dots = [entry for entry in root.iter() if entry.tag.endswith("circle")]
    assert len(bars) == 2
    assert len(dots) == legend + 3 + 2
    assert "\n\n" not in drawing
    assert "0.8 % of its input is clipped: --range minmax" in drawing


def test_the_longest_bar_is_that_of_most_noise_and_dots_lie_on_the_scale():
    made = record(layer(noise_share=0.5, weights_sqnr_db=30.0), layer("b", noise_share=0.25, weights_sqnr_db=500.0))

    root = ElementTree.fromstring(canvas_svg(layers_canvas(made)))

    widths = [float(entry.get("width", 0)) for entry in root.iter() if entry.tag.endswith("rect")]
    assert widths[0] == pytest.approx(2 * widths[1])
    dots = [entry for entry in root.iter() if entry.tag.endswith("circle")]
    weights = [float(entry.get("cx", 0)) for entry in dots if entry.get("fill") == "#0072b2"][1:]
    bound = next(entry for entry in root.iter() if entry.get("stroke-dasharray"))
    assert weights[0] == pytest.approx(float(bound.get("x1", 0)))
    assert weights[1] == pytest.approx(620)


def test_the_picture_of_many_layers_is_bounded_and_says_so():
    canvas = layers_canvas(record(*(layer(f"conv{index}") for index in range(200))))

    assert canvas.height < 1000
    assert "160 layers that do less are left out" in canvas_svg(canvas)


def test_the_end_of_a_long_name_is_kept():
    drawing = canvas_svg(layers_canvas(record(layer("/model/" + "block/" * 12 + "conv2"))))

    assert "block/conv2<" in drawing
    assert "…" in drawing
