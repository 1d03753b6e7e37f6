"""Operators that move values between channels and space, and those that do nothing when a model infers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeopt.steps.tflite.families.pieces import bordered, floats, gathered, reduced
from edgeopt.steps.tflite.families.taps import Indices, flat_taps
from edgeopt.steps.tflite.families.windows import window_of
from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node
from edgeopt.steps.tflite.view import NHWC, View

_SPREAD = frozenset({"float32", "int8", "uint8", "int32", "int64"})  # depth_to_space.cc, space_to_depth.cc


def depth_to_space(node: Node, net: Lowering) -> None:
    """DepthToSpace: DEPTH_TO_SPACE, its channels put into TFLite's order first where they lie in columns (CRD)."""
    view, block = _image(node, net), int(node.attribute("blocksize"))
    image = net.laid(view, NHWC)
    batch, height, width, channels = image.shape
    count = channels // (block * block)
    if node.attribute("mode", "DCR") == "CRD":
        order = np.arange(channels).reshape(count, block * block).T.reshape(-1)
        image = gathered(net, image, order, 3)
    made = net.add(
        "DEPTH_TO_SPACE",
        (image,),
        (batch, height * block, width * block, count),
        dtype=image.dtype,
        quantization=image.quantization,
        options=options("DepthToSpaceOptions", blockSize=block),
    )
    net.bind_view(node.output(0), replace(view, tensor=made, axes=NHWC))


def space_to_depth(node: Node, net: Lowering) -> None:
    """SpaceToDepth: SPACE_TO_DEPTH, its channels put into columns behind it where ONNX says CRD."""
    view, block = _image(node, net), int(node.attribute("blocksize"))
    image = net.laid(view, NHWC)
    batch, height, width, channels = image.shape
    made = net.add(
        "SPACE_TO_DEPTH",
        (image,),
        (batch, height // block, width // block, channels * block * block),
        dtype=image.dtype,
        quantization=image.quantization,
        options=options("SpaceToDepthOptions", blockSize=block),
    )
    if node.attribute("mode", "DCR") == "CRD":
        order = np.arange(channels * block * block).reshape(block * block, channels).T.reshape(-1)
        made = gathered(net, made, order, 3)
    net.bind_view(node.output(0), replace(view, tensor=made, axes=NHWC))


def _image(node: Node, net: Lowering) -> View:
    view = net.unflattened(net.view(node.input(0)))
    if view.rank != 4:
        raise Refused(f"moves values of an image with {view.rank - 2} spatial axes")
    if view.tensor.dtype not in _SPREAD:
        raise Refused(f"moves `{view.dtype}`, which TFLite's kernel lacks", rewrite="a Cast before it")
    return view


def col2im(node: Node, net: Lowering) -> None:
    """Col2Im with constant shapes: for each element of the image, the sum of the columns that fall on it."""
    lengths = tuple(int(each) for each in net.required_constant(1, "shape of the image"))
    block = tuple(int(each) for each in net.required_constant(2, "shape of the block"))
    window = window_of(node, block, lengths)
    taps = flat_taps(window).T.reshape(-1)  # (tap, window), as columns lie
    sources = _sources(taps, int(np.prod(lengths)))
    view = floats(net, node.input(0))
    batch, columns, windows = view.shape
    if windows * int(np.prod(block)) != taps.size:
        raise Refused(f"has {windows} columns where its image has {taps.size // int(np.prod(block))} blocks")
    channels = columns // int(np.prod(block))
    rows = net.reshape(net.laid(view), (batch, channels, taps.size))
    rows = bordered(net, rows, [(0, 0), (0, 0), (0, 1)])
    made = reduced(net, "SUM", gathered(net, rows, sources, 2), (3,), keeps=False)
    net.bind(node.output(0), net.reshape(made, (batch, channels, *lengths)))


def _sources(targets: Indices, count: int) -> Indices:
    """(count, most) indices into `targets` of those that name each number below `count`; the length fills up."""
    found = [np.flatnonzero(targets == place) for place in range(count)]
    most = max(1, *(len(each) for each in found)) if found else 1
    return np.array([np.pad(each, (0, most - len(each)), constant_values=targets.size) for each in found])


def dropout(node: Node, net: Lowering) -> None:
    """Dropout, which drops nothing when a model infers: the mask is all true."""
    training = net.optional_constant(2, "mode") if net.source.opset >= 12 else None
    is_training = bool(training is not None and training.any())
    ratio = net.optional_constant(1, "ratio") if net.source.opset >= 12 else None
    dropped = 0.5 if ratio is None else float(ratio)
    if is_training and dropped:
        raise Refused("drops values at random, as in training", rewrite="export the model for inference")
    view = net.view(node.input(0))
    net.bind_view(node.output(0), view)
    if node.output(1):
        dtype = net.dtype(node.output(1)) if node.output(1) in net.source.types else "bool"
        mask = net.new_constant(np.ones(view.shape, dtype), name=node.output(1))
        net.bind(node.output(1), mask)
