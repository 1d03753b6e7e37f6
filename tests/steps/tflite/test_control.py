"""Branches and loops whose course is known are written out, and compute what ONNX Runtime computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from edgeopt.errors import Unsupported
from edgeopt.steps.tflite.control import MOST_NODES
from edgeopt.steps.tflite.expand import expanded
from tests.steps.tflite.running import assert_same, kinds_of, lowered_model, parsed

HEAD = '<ir_version: 8, opset_import: ["" : 17]>'


def loop(rounds: str, *, condition: str = "", going: str = "Identity (go)") -> onnx.ModelProto:
    return parsed(
        f"""{HEAD}
        loop (float[3] x) => (float[3] last, float[4,3] all)
        <int64 rounds = {{{rounds}}}, float[3] step = {{1.0, 2.0, 3.0}}>
        {{
          last, all = Loop (rounds, {condition}, x) <body = body (int64 i, bool go, float[3] a) =>
            (bool on, float[3] b, float[3] part)
            {{ on = {going} n = Cast <to = 1> (i) s = Mul (step, n) b = Add (a, s) part = Neg (b) }}>
        }}"""
    )


def random(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_a_loop_of_constant_length_is_its_body_again_and_again() -> None:
    model = loop("4")
    assert "WHILE" not in kinds_of(assert_same(model, {"x": random(3)}))


def test_the_condition_of_a_loop_may_be_a_constant_of_its_body() -> None:
    assert_same(loop("4", going="Constant <value = bool {1}> ()"), {"x": random(3)})


def test_a_loop_inside_a_loop_is_written_out() -> None:
    model = parsed(
        f"""{HEAD}
        nested (float[2] x) => (float[2] y)
        <int64 three = {{3}}, int64 two = {{2}}>
        {{
          y = Loop (three, , x) <body = outer (int64 i, bool go, float[2] a) => (bool on, float[2] b)
          {{
            on = Identity (go)
            b = Loop (two, , a) <body = inner (int64 j, bool go2, float[2] c) => (bool on2, float[2] d)
            {{ on2 = Identity (go2) d = Add (c, x) }}>
          }}>
        }}"""
    )
    assert [node.op_type for node in expanded(model).graph.node].count("Add") == 6
    assert_same(model, {"x": random(2)})


def test_a_loop_that_ends_by_what_it_computes_is_refused_with_a_way_out() -> None:
    model = parsed(
        f"""{HEAD}
        search (float[1] x) => (float[1] y)
        <int64 rounds = {{4}}, float[1] bound = {{3.0}}, float one = {{1.0}}>
        {{
          y = Loop (rounds, , x) <body = body (int64 i, bool go, float[1] a) => (bool on, float[1] b)
          {{ b = Add (a, one) less = Less (b, bound) on = Squeeze (less) }}>
        }}"""
    )
    with pytest.raises(Unsupported, match=r"\(Loop\): has a number of rounds that is not known") as caught:
        lowered_model(model)
    assert "one round per model" in caught.value.message


def test_a_loop_that_would_become_too_many_operators_is_refused() -> None:
    with pytest.raises(Unsupported, match=r"too many operators"):
        lowered_model(loop(str(MOST_NODES)))


def test_a_scan_walks_along_any_axis_and_backwards() -> None:
    model = parsed(
        f"""{HEAD}
        sums (float[2] start, float[2,5] x, float[5,2] w) => (float[2] last, float[2,5] all)
        {{
          last, all = Scan <num_scan_inputs = 2, scan_input_axes = [1, 0], scan_input_directions = [1, 0],
            scan_output_axes = [1], scan_output_directions = [1],
            body = body (float[2] a, float[2] b, float[2] c) => (float[2] d, float[2] e)
            {{ m = Mul (b, c) d = Add (a, m) e = Identity (d) }}> (start, x, w)
        }}"""
    )
    assert_same(model, {"start": random(2), "x": random(2, 5, seed=1), "w": random(5, 2, seed=2)})


def branches(condition: str, *, then: str = "Mul (x, x)", otherwise: str = "Neg (x)") -> onnx.ModelProto:
    inputs = "bool chosen, float[3] x" if not condition else "float[3] x"
    constants = f"<bool chosen = {{{condition}}}>" if condition else ""
    return parsed(
        f"""{HEAD}
        branches ({inputs}) => (float[3] y)
        {constants}
        {{
          z = If (chosen) <then_branch = yes () => (float[3] a) {{ a = {then} }},
                           else_branch = no () => (float[3] b) {{ b = {otherwise} }}>
          y = Add (z, x)
        }}"""
    )


@pytest.mark.parametrize(("condition", "kind"), [("1", "MUL"), ("0", "NEG")])
def test_a_branch_that_is_known_is_taken(condition: str, kind: str) -> None:
    assert kinds_of(assert_same(branches(condition), {"x": random(3)})) == [kind, "ADD"]


@pytest.mark.parametrize("chosen", [True, False])
def test_a_branch_that_is_chosen_in_the_run_is_a_choice_of_results(chosen: bool) -> None:
    assert_same(branches(""), {"chosen": np.array(chosen), "x": random(3)})


def test_a_branch_that_may_fail_is_not_run_for_the_other() -> None:
    with pytest.raises(Unsupported, match=r"\(If\): chooses while the model runs"):
        lowered_model(branches("", then="Div (x, x)"))
