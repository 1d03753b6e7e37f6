from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from edgeopt.errors import Unsupported
from edgeopt.steps.tflite.flatbuffer import model_bytes
from edgeopt.steps.tflite.net import Net, Operation, Quantization, Tensor, options


def add_net(data: np.ndarray, other: np.ndarray | None = None) -> Net:
    """input + data (+ other), all of (1, 8) float32."""
    source = Tensor(name="x", shape=(1, 8), dtype="float32")
    net, last = Net(inputs={"x": source}), source
    for place, values in enumerate(each for each in (data, other) if each is not None):
        constant = Tensor(name=f"c{place}", shape=values.shape, dtype="float32", data=values)
        made = Tensor(name=f"y{place}", shape=(1, 8), dtype="float32")
        net.operations.append(
            Operation(kind="ADD", inputs=(last, constant), outputs=(made,), options=options("AddOptions"))
        )
        last = made
    net.outputs["y"] = last
    return net


def read(content: bytes) -> schema.ModelT:
    return schema.ModelT.InitFromPackedBuf(content, 0)


def test_a_net_runs_under_the_names_of_its_inputs_and_outputs() -> None:
    data = np.arange(8, dtype=np.float32).reshape(1, 8)
    interpreter = Interpreter(model_content=model_bytes(add_net(data)))

    given = interpreter.get_signature_runner("serving_default")(x=np.ones((1, 8), np.float32))

    assert list(given) == ["y"]
    np.testing.assert_array_equal(given["y"], data + 1)


def test_equal_constants_share_a_buffer() -> None:
    data = np.arange(8, dtype=np.float32).reshape(1, 8)

    shared, apart = read(model_bytes(add_net(data, data.copy()))), read(model_bytes(add_net(data, data + 1)))

    assert len(shared.buffers) == 2
    assert len(apart.buffers) == 3


@pytest.mark.parametrize("length", [1, 3, 16, 17, 1000])
def test_data_of_every_buffer_lie_at_a_multiple_of_16_bytes(length: int) -> None:
    net = add_net(np.zeros((1, 8), np.float32))
    content = model_bytes(net, metadata={"note": bytes(range(1, 256)) * 4, "other": b"x" * length})

    model = schema.Model.GetRootAs(content)
    buffers = [model.Buffers(place) for place in range(1, model.BuffersLength())]
    places = [buffer._tab.Vector(buffer._tab.Offset(4)) for buffer in buffers]

    assert len(places) == 3
    assert [place % 16 for place in places] == [0, 0, 0]


def test_the_file_says_that_it_is_one() -> None:
    content = model_bytes(add_net(np.zeros((1, 8), np.float32)))

    assert content[4:8] == b"TFL3"
    assert read(content).version == 3
    assert read(content).description.decode().startswith("edgeopt ")


def test_metadata_is_kept() -> None:
    model = read(model_bytes(add_net(np.zeros((1, 8), np.float32)), metadata={"edgeopt.calibration": b"rows"}))

    (entry,) = model.metadata
    assert entry.name == b"edgeopt.calibration"
    assert bytes(model.buffers[entry.buffer].data) == b"rows"


def test_two_elements_of_int4_share_a_byte_the_first_in_its_low_half() -> None:
    values = np.array([1, -1, 7], np.int8)
    net = add_net(np.zeros((1, 8), np.float32))
    weights = Tensor(
        name="w", shape=(3,), dtype="int4", data=values, quantization=Quantization(scales=(1.0,), zero_points=(0,))
    )
    net.operations.append(
        Operation(kind="DEQUANTIZE", inputs=(weights,), outputs=(Tensor(name="r", shape=(3,), dtype="float32"),))
    )

    model = read(model_bytes(net))

    (tensor,) = [each for each in model.subgraphs[0].tensors if each.name == b"w"]
    assert bytes(model.buffers[tensor.buffer].data) == bytes([0xF1, 0x07])


def test_quantization_lies_with_its_tensor() -> None:
    quantization = Quantization(scales=(0.5, 0.25), zero_points=(0, 0), axis=1)
    net = add_net(np.zeros((1, 8), np.float32))
    weights = Tensor(name="w", shape=(1, 2), dtype="int8", data=np.zeros((1, 2), np.int8), quantization=quantization)
    net.operations.append(
        Operation(kind="DEQUANTIZE", inputs=(weights,), outputs=(Tensor(name="r", shape=(1, 2), dtype="float32"),))
    )

    (tensor,) = [each for each in read(model_bytes(net)).subgraphs[0].tensors if each.name == b"w"]

    assert list(tensor.quantization.scale) == [0.5, 0.25]
    assert list(tensor.quantization.zeroPoint) == [0, 0]
    assert tensor.quantization.quantizedDimension == 1


def test_a_field_that_the_schema_lacks_is_a_bug() -> None:
    net = add_net(np.zeros((1, 8), np.float32))
    net.operations[0] = Operation(
        kind="ADD",
        inputs=net.operations[0].inputs,
        outputs=net.operations[0].outputs,
        options=options("AddOptions", speed=1),
    )

    with pytest.raises(TypeError, match="AddOptions has no field speed"):
        model_bytes(net)


def test_more_than_2_gib_of_constants_is_refused_with_the_way_out() -> None:
    data = np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (1 << 29, 1), (0, 4))

    with pytest.raises(Unsupported, match=r"2\.0 GiB") as caught:
        model_bytes(add_net(data))

    assert "quantize" in caught.value.hint
