"""Quantization carried over: what ONNX says with QuantizeLinear and DequantizeLinear, TFLite says of the tensor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeopt.steps.tflite.families.integer import requantized
from edgeopt.steps.tflite.lowering import Lowering, quantization_of
from edgeopt.steps.tflite.net import options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View


def quantize_linear(node: Node, net: Lowering) -> None:
    """QuantizeLinear: QUANTIZE, or nothing where the operation before gives these very integers."""
    quantization, dtype = quantization_of(net, node), net.dtype(node.output(0))
    if quantization is None or not quantization.is_per_tensor or dtype not in ("int8", "uint8"):
        raise Refused(f"quantizes to `{dtype}` or with scales that are not one constant")
    view = net.view(node.input(0))
    if not view.is_quantized:
        tensor = net.add(
            "QUANTIZE",
            (view.tensor,),
            view.tensor.shape,
            dtype="int8",
            quantization=quantization,
            options=options("QuantizeOptions"),
        )
        view = replace(view, tensor=tensor, is_quantized=True)
    net.bind_view(node.output(0), replace(requantized(net, view, quantization), dtype=dtype, is_quantized=False))


def dequantize_linear(node: Node, net: Lowering) -> None:
    """DequantizeLinear: nothing by itself; who wants real numbers makes a DEQUANTIZE."""
    quantization = quantization_of(net, node)
    if quantization is None:
        raise Refused("its scales are not constant, or its integers are of a type that TFLite has not")
    view = net.view(node.input(0))
    tensor = view.tensor
    if tensor.data is not None:
        data = tensor.data
        if data.dtype == np.uint8:
            data = (data.astype(np.int16) - 128).astype(np.int8)
        tensor = net.new_constant(data, name=tensor.name, quantization=quantization)
    elif tensor.quantization != quantization:
        raise Refused("its scales are not those of the integers that it reads")
    net.bind_view(
        node.output(0),
        View(tensor=tensor, axes=view.axes, dtype="float32", is_quantized=True, flattened=view.flattened),
    )
