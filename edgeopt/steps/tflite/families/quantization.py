"""Quantization carried over: what ONNX says with QuantizeLinear and DequantizeLinear, TFLite says of the tensor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeopt.steps.tflite.ending import quantization_of
from edgeopt.steps.tflite.families import affine
from edgeopt.steps.tflite.families.integer import requantized
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Quantization, Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import View

# QUANTIZE counts steps in int32 before it saturates: 100 is 2**31 steps of 5e-8, and what is larger by far is none.
_SMALLEST_SCALE = 1e-12
_OTHER_SCALE = "a finite scale above 0: quantize the model again"
_WEIGHTS = ("int8", "uint8", "int32")
_FACTORS = frozenset({"Conv", "ConvTranspose", "Gemm", "GRU", "LSTM", "MatMul", "RNN"})  # behind their first input
_REAL = frozenset({"Add", "Gather"})  # that take real numbers in any case
_MOVING = frozenset({"Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})


def quantize_linear(node: Node, net: Lowering) -> None:
    """QuantizeLinear: QUANTIZE, or nothing where the operation before gives these very integers.

    What TFLite's quantization cannot say (scales per axis or block, computed ones, 16 or 4 bits) is computed.
    """
    _require_scales(node, net)
    if np.any(net.constant(node.input(1)) == 0):
        raise Refused("has the scale 0", rewrite=_OTHER_SCALE)
    dtype = net.dtype(node.output(0))
    quantization = quantization_of(net, node) if dtype in ("int8", "uint8") else None
    if quantization is None or not quantization.is_per_tensor or not is_runnable(quantization):
        affine.quantized(node, net, dtype)
        return
    view = net.view(node.input(0))
    if not view.is_quantized:
        tensor = net.add(
            "QUANTIZE",
            (net.numbers(view).tensor,),
            view.tensor.shape,
            dtype="int8",
            quantization=quantization,
            options=options("QuantizeOptions"),
        )
        view = replace(view, tensor=tensor, is_quantized=True)
    net.bind_view(node.output(0), replace(requantized(net, view, quantization), dtype=dtype, is_quantized=False))


def dequantize_linear(node: Node, net: Lowering) -> None:
    """DequantizeLinear: nothing by itself; who wants real numbers makes a DEQUANTIZE."""
    _require_scales(node, net)  # one of 0 is given to channels of weights that are all zero
    if node.input(0) in net.source.constants:
        _dequantize_constant(node, net)
        return
    view, quantization = net.view(node.input(0)), quantization_of(net, node)
    if quantization is not None and not is_runnable(quantization):
        quantization = None
    if quantization is not None and view.tensor.quantization is None:
        view = _with_quantization(node, net, view, quantization)
    if quantization is None or view.tensor.dtype != "int8" or view.tensor.quantization != quantization:
        affine.dequantized(node, net)
        return
    net.bind_view(node.output(0), replace(view, dtype="float32", is_quantized=True))


def _require_scales(node: Node, net: Lowering) -> None:
    """Refuse constant scales that are infinite or no numbers, or run along no axis."""
    scales = net.constant(node.input(1))
    if scales is None:
        return
    odd = [float(each) for each in scales.reshape(-1) if not np.isfinite(each)]
    if odd:
        raise Refused(f"has the scale {odd[0]:g}", rewrite=_OTHER_SCALE)
    held, axis = net.source.constants.get(node.input(0)), int(node.attribute("axis", 1))
    shape = net.type_of(node.input(0)).shape if held is None else held.shape
    if scales.ndim != 1 or scales.size == 1 or shape is None or shape == scales.shape:
        return  # a value of one axis has no other, whatever is written
    if not -len(shape) <= axis < len(shape) or shape[axis] != scales.size:
        told = f"has {scales.size} scales along axis {axis} of a value of shape {shape}"
        raise Refused(told, rewrite="a scale for each index of that axis")


def is_runnable(quantization: Quantization) -> bool:
    """Whether kernels take a quantization: scales are positive, finite, and so that an int32 counts their steps."""
    return all(_SMALLEST_SCALE < scale < np.inf for scale in quantization.scales)


def _dequantize_constant(node: Node, net: Lowering) -> None:
    """Bind a constant as integers with scales where TFLite has such, else as the numbers that they stand for."""
    integers, quantization = net.source.constants[node.input(0)], quantization_of(net, node)
    if quantization is None or not _stays_integer(node, net, quantization):
        values = affine.constant_numbers(node, net)
        net.bind(node.output(0), net.new_constant(values, name=node.output(0)))
        return
    if integers.dtype == np.uint8:
        integers = (integers.astype(np.int16) - 128).astype(np.int8)
    tensor = net.new_constant(integers, name=node.input(0), quantization=quantization)
    axes = tuple(range(integers.ndim))
    net.bind_view(node.output(0), View(tensor=tensor, axes=axes, dtype="float32", is_quantized=True))


def _stays_integer(node: Node, net: Lowering, quantization: Quantization) -> bool:
    """Whether all that reads a dequantized constant can take its integers."""
    if str(net.source.constants[node.input(0)].dtype) not in _WEIGHTS or not is_runnable(quantization):
        return False
    return quantization.is_per_tensor or _are_factors(node.output(0), net)


def _are_factors(name: str, net: Lowering) -> bool:
    """Whether a value is weights or a bias for all that reads it: no other integers may have a scale per channel."""
    if name in net.source.outputs:
        return False
    for reader in net.source.readers.get(name, ()):
        is_factor = reader.operator in _REAL or (reader.operator in _FACTORS and reader.input(0) != name)
        is_moved = reader.operator in _MOVING and _are_factors(reader.output(0), net)
        if not (is_factor or is_moved):
            return False
    return True


def _with_quantization(node: Node, net: Lowering, view: View, quantization: Quantization) -> View:
    """An input of integers as int8 with what they stand for, where all that reads it says the same."""
    name, tensor = node.input(0), view.tensor
    readers = net.source.readers.get(name, ())
    is_input = name in net.source.inputs and tensor is net.net.inputs.get(name) and name not in net.source.outputs
    same = all(each.operator == "DequantizeLinear" and quantization_of(net, each) == quantization for each in readers)
    if not is_input or not same or tensor.dtype not in ("int8", "uint8") or not quantization.is_per_tensor:
        return view
    own = quantization
    if tensor.dtype == "uint8":
        own = replace(quantization, zero_points=tuple(point + 128 for point in quantization.zero_points))
    made: Tensor = replace(tensor, quantization=own)
    net.net.substitute(tensor, made)
    if tensor.dtype == "uint8":
        made = net.add(
            "QUANTIZE", (made,), made.shape, dtype="int8", quantization=quantization, options=options("QuantizeOptions")
        )
    found = replace(view, tensor=made)
    net.bind_view(name, found)
    return found
