from __future__ import annotations

import numpy as np
import pytest

from edgeopt.errors import Unsupported
from tests.steps.tflite.running import assert_same, kinds_of, lowered_model, parsed

HEADER = '<ir_version: 8, opset_import: ["" : 17, "ai.onnx.ml" : 3]>'


def test_every_node_that_stands_in_the_way_is_told_at_once() -> None:
    model = parsed(
        f"""{HEADER}
        three (float[1, 8] x) => (float[1, 8] y, float[1, 8] z) {{
          a = Binarizer <domain = "ai.onnx.ml"> (x)
          y = Relu(x)
          z = Relu(x)
        }}
        """.replace(
            'a = Binarizer <domain = "ai.onnx.ml"> (x)', "a = ai.onnx.ml.Binarizer <threshold = 0.5> (x)"
        ).replace("z = Relu(x)", 'z = ai.onnx.ml.Normalizer <norm = "MAX"> (a)')
    )

    with pytest.raises(Unsupported) as caught:
        lowered_model(model)

    assert "ai.onnx.ml.Binarizer" in caught.value.message
    assert "ai.onnx.ml.Normalizer" in caught.value.message
    assert "--via" not in caught.value.hint  # no other converter has kernels for these
    assert "`bench`" in caught.value.hint


def test_other_converters_are_named_where_they_may_help() -> None:
    with pytest.raises(Unsupported) as caught:
        lowered_model(parsed(f"{HEADER} one (float[1, 8] x) => (float[1, 8] y) {{ y = RandomUniformLike(x) }}"))

    assert "(RandomUniformLike)" in caught.value.hint
    assert "`--via onnx2tf`" in caught.value.hint


def test_a_chain_of_convolutions_is_transposed_at_the_boundary_alone() -> None:
    weights = np.random.default_rng(0).standard_normal
    model = parsed(
        f"""{HEADER}
        chain (float[1, 3, 8, 8] x, float[4, 3, 3, 3] w, float[4, 4, 3, 3] v) => (float[1, 4, 8, 8] y) {{
          a = Conv <pads = [1, 1, 1, 1]> (x, w)
          b = Relu(a)
          c = Conv <pads = [1, 1, 1, 1]> (b, v)
          d = Add(b, c)
          y = Relu(d)
        }}
        """
    )
    _make_constant(model, w=weights((4, 3, 3, 3)), v=weights((4, 4, 3, 3)))

    result = assert_same(model, {"x": weights((1, 3, 8, 8)).astype(np.float32)})

    assert kinds_of(result) == ["TRANSPOSE", "CONV_2D", "CONV_2D", "ADD", "TRANSPOSE"]


def test_a_flatten_before_a_product_needs_no_transposition() -> None:
    weights = np.random.default_rng(0).standard_normal
    model = parsed(
        f"""{HEADER}
        head (float[1, 3, 4, 4] x, float[5, 3, 3, 3] w, float[80, 2] v) => (float[1, 2] y) {{
          a = Conv <pads = [1, 1, 1, 1]> (x, w)
          b = Flatten(a)
          y = MatMul(b, v)
        }}
        """
    )
    _make_constant(model, w=weights((5, 3, 3, 3)), v=weights((80, 2)))

    result = assert_same(model, {"x": weights((1, 3, 4, 4)).astype(np.float32)})

    assert kinds_of(result) == ["TRANSPOSE", "CONV_2D", "RESHAPE", "FULLY_CONNECTED"]


def test_a_model_that_is_channels_last_stays_so() -> None:
    weights = np.random.default_rng(0).standard_normal
    model = parsed(
        f"""{HEADER}
        keras (float[1, 6, 6, 3] x, float[4, 3, 3, 3] w) => (float[1, 6, 6, 4] y) {{
          a = Transpose <perm = [0, 3, 1, 2]> (x)
          b = Conv <pads = [1, 1, 1, 1]> (a, w)
          y = Transpose <perm = [0, 2, 3, 1]> (b)
        }}
        """
    )
    _make_constant(model, w=weights((4, 3, 3, 3)))

    result = assert_same(model, {"x": weights((1, 6, 6, 3)).astype(np.float32)})

    assert kinds_of(result) == ["CONV_2D"]


def test_an_input_that_is_an_output_too_is_copied() -> None:
    model = parsed(f"{HEADER} same (float[2, 3] x) => (float[2, 3] y) {{ y = Identity(x) }}")

    assert_same(model, {"x": np.ones((2, 3), np.float32)})


def _make_constant(model: object, **values: np.ndarray) -> None:
    """Turn inputs of `model`, in place, into initializers."""
    import onnx

    kept = [value for value in model.graph.input if value.name not in values]  # type: ignore[attr-defined]
    del model.graph.input[:]  # type: ignore[attr-defined]
    model.graph.input.extend(kept)  # type: ignore[attr-defined]
    for name, value in values.items():
        model.graph.initializer.append(  # type: ignore[attr-defined]
            onnx.numpy_helper.from_array(value.astype(np.float32), name)
        )
