"""Operators that ONNX Runtime lacks are told; it says the same when it opens the model."""

import onnx
import onnxruntime
import pytest

from edgeopt.graph.misfit import Misfit, lacking_in_onnxruntime

FOREIGN = """<ir_version: 8, opset_import: ["" : 17, "my.own" : 1]>
    net (float[2] x) => (float[2] y) {
        a = Relu (x)
        b = my.own.Twist (a)
        y = my.own.Twist (b)
    }"""
DEFINED = """<ir_version: 9, opset_import: ["" : 17, "my.own" : 1]>
    net (float[2] x) => (float[2] y) { y = my.own.Twist (x) }
    <domain: "my.own", opset_import: ["" : 17]>
    Twist (x) => (y) { y = Relu (x) }"""
INSIDE = """<ir_version: 8, opset_import: ["" : 17, "my.own" : 1]>
    net (float[2] x, bool c) => (float[2] y) {
        y = If (c) <then_branch = one () => (float[2] p) { p = my.own.Twist (x) },
                    else_branch = two () => (float[2] q) { q = Relu (x) }>
    }"""
KNOWN = """<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]>
    net (float[2] x) => (float[2] y) { y = com.microsoft.Gelu (x) }"""


def parsed(text: str) -> onnx.ModelProto:
    """A model in the text form of `onnx.parser`."""
    return onnx.parser.parse_model(text)


@pytest.mark.parametrize(("text", "count"), [(FOREIGN, 2), (INSIDE, 1)])
def test_what_it_lacks_is_counted_and_refused_by_it(text: str, count: int) -> None:
    model = parsed(text)
    reason = "ONNX Runtime has no such operator of its own"
    assert lacking_in_onnxruntime(model) == (Misfit(operator="my.own.Twist", count=count, reason=reason),)
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.Fail):
        onnxruntime.InferenceSession(model.SerializeToString())


@pytest.mark.parametrize("text", [DEFINED, KNOWN])
def test_what_it_has_or_the_model_defines_is_not(text: str) -> None:
    model = parsed(text)
    assert lacking_in_onnxruntime(model) == ()
    onnxruntime.InferenceSession(model.SerializeToString())
