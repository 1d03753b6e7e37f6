"""The published networks whose latencies the estimates are fitted on, layer by layer, from their papers.

MobileNetV1 (arXiv 1704.04861, table 1), MobileNetV2 (1801.04381, table 2), MobileNetV3 (1905.02244, tables 1 and 2),
EfficientNet-lite (tensorflow/tpu, efficientnet-lite), ResNet-50 (1512.03385, table 1), the networks of MLPerf Tiny
(2106.07597, table 2), the cells of NAS-Bench-201 (2001.00326). Checked against the multiply-accumulates that
../shared/data/latency/mlperf_model_features.csv counts.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from edgeopt.predict.kernels import Kernel, Kind

_IMAGENET = 1000


@dataclass
class Network:
    """Kernels as they are added, and the activation that the next one reads."""

    side: int
    channels: int = 3
    width: int = 0
    kernels: list[Kernel] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.width = self.width or self.side

    @property
    def elements(self) -> int:
        """Of the activation."""
        return self.side * self.width * self.channels

    def convolve(self, out: int, window: int = 3, stride: int = 1, taps: int | None = None) -> None:
        """A convolution; of `taps` where its window is no square."""
        read, channels, taps = self.elements, self.channels, taps or window * window
        self.side, self.width = math.ceil(self.side / stride), math.ceil(self.width / stride)
        self.channels = out
        kind = Kind.POINTWISE if taps == 1 else Kind.WINDOW
        macs, weights = self.elements * taps * channels, taps * channels * out
        self._add(kind, read, macs=macs, weights=weights, window=taps, stride=stride)

    def depthwise(self, window: int = 3, stride: int = 1) -> None:
        """A convolution of each channel by itself."""
        read, taps = self.elements, window * window
        self.side, self.width = math.ceil(self.side / stride), math.ceil(self.width / stride)
        macs, weights = self.elements * taps, taps * self.channels
        self._add(Kind.DEPTHWISE, read, macs=macs, weights=weights, window=taps, stride=stride)

    def dense(self, out: int) -> None:
        """A product with a matrix of weights."""
        read = self.elements
        self.side = self.width = 1
        self.channels = out
        self._add(Kind.GEMM, read, macs=read * out, weights=read * out)

    def pool(self, window: int = 0, stride: int = 1) -> None:
        """A pooling; over everything where the window is 0."""
        read, taps = self.elements, window * window or self.side * self.width
        self.side = math.ceil(self.side / stride) if window else 1
        self.width = math.ceil(self.width / stride) if window else 1
        self._add(Kind.POOL, read, window=taps, stride=stride)

    def elementwise(self, inputs: int = 2, kind: Kind = Kind.ELEMENTWISE) -> None:
        """One result per element of as many inputs."""
        self._add(kind, inputs * self.elements)

    def _add(self, kind: Kind, read: int, **counts: int) -> None:
        name = f"{kind.value}{len(self.kernels)}"
        self.kernels.append(Kernel(name=name, kind=kind, read=read, written=self.elements, **counts))


def even(value: float, *, step: int = 8) -> int:
    """Channels rounded to a multiple of `step`, never down by more than a tenth, as the papers' code does."""
    rounded = max(step, int(value + step / 2) // step * step)
    return rounded + step if rounded < 0.9 * value else rounded


def mobilenet_v1(width: float, side: int) -> list[Kernel]:
    net = Network(side)
    net.convolve(int(32 * width), 3, 2)
    steps = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for out, stride in steps:
        net.depthwise(3, stride)
        net.convolve(int(out * width), 1)
    net.pool()
    net.dense(_IMAGENET + 1)
    net.elementwise(1, Kind.TRANSCENDENTAL)
    return net.kernels


def _inverted(net: Network, out: int, expansion: int, window: int, stride: int, *, squeeze: bool = False) -> None:
    before, is_residual = net.channels, stride == 1 and net.channels == out
    if expansion != before:
        net.convolve(expansion, 1)
    net.depthwise(window, stride)
    if squeeze:
        _squeeze(net)
    net.convolve(out, 1)
    if is_residual:
        net.elementwise(2)


def _squeeze(net: Network) -> None:
    """Squeeze and excitation: a pooling, two small products, a scaling."""
    side, width, channels = net.side, net.width, net.channels
    net.pool()
    net.convolve(even(channels / 4), 1)
    net.convolve(channels, 1)
    net.side, net.width = side, width
    net.elementwise(2)


def mobilenet_v2(width: float, side: int) -> list[Kernel]:
    net = Network(side)
    net.convolve(even(32 * width), 3, 2)
    stages = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    for factor, out, repeats, stride in stages:
        for place in range(repeats):
            _inverted(net, even(out * width), net.channels * factor, 3, stride if place == 0 else 1)
    net.convolve(max(1280, even(1280 * width)), 1)
    net.pool()
    net.dense(_IMAGENET + 1)
    net.elementwise(1, Kind.TRANSCENDENTAL)
    return net.kernels


# (width, depth, side) of EfficientNet-lite 0 to 4.
_LITE = ((1.0, 1.0, 224), (1.0, 1.1, 240), (1.1, 1.2, 260), (1.2, 1.4, 280), (1.4, 1.8, 300))


def efficientnet_lite(level: int) -> list[Kernel]:
    width, depth, side = _LITE[level]
    net = Network(side)
    net.convolve(32, 3, 2)
    stages = [
        (1, 16, 1, 1, 3),
        (6, 24, 2, 2, 3),
        (6, 40, 2, 2, 5),
        (6, 80, 3, 2, 3),
        (6, 112, 3, 1, 5),
        (6, 192, 4, 2, 5),
        (6, 320, 1, 1, 3),
    ]
    for number, (factor, out, repeats, stride, window) in enumerate(stages):
        is_end = number in (0, len(stages) - 1)
        for place in range(repeats if is_end else math.ceil(repeats * depth)):
            _inverted(net, even(out * width), net.channels * factor, window, stride if place == 0 else 1)
    net.convolve(1280, 1)
    net.pool()
    net.dense(_IMAGENET)
    net.elementwise(1, Kind.TRANSCENDENTAL)
    return net.kernels


def tiny_ic() -> list[Kernel]:
    """ResNet-8 of MLPerf Tiny's image classification."""
    net = Network(32)
    net.convolve(16)
    for out, stride in ((16, 1), (32, 2), (64, 2)):
        side, width, channels = net.side, net.width, net.channels
        net.convolve(out, 3, stride)
        net.convolve(out)
        if stride > 1:
            after = net.side, net.width
            net.side, net.width, net.channels = side, width, channels
            net.convolve(out, 1, stride)
            assert (net.side, net.width) == after
        net.elementwise(2)
    net.pool()
    net.dense(10)
    net.elementwise(1, Kind.TRANSCENDENTAL)
    return net.kernels


def tiny_kws() -> list[Kernel]:
    """DS-CNN of MLPerf Tiny's keyword spotting: 49 x 10 features."""
    net = Network(49, 1, 10)
    net.convolve(64, 2, 2, taps=40)
    for _ in range(4):
        net.depthwise(3)
        net.convolve(64, 1)
    net.pool()
    net.dense(12)
    net.elementwise(1, Kind.TRANSCENDENTAL)
    return net.kernels


def tiny_ad() -> list[Kernel]:
    """The autoencoder of MLPerf Tiny's anomaly detection."""
    net = Network(1, 640)
    for out in (128, 128, 128, 128, 8, 128, 128, 128, 128, 640):
        net.dense(out)
    return net.kernels


TINY = {
    "mlperf_tiny_ic_resnet8_cifar10": tiny_ic,
    "mlperf_tiny_kws_dscnn": tiny_kws,
    "mlperf_tiny_ad_fc_autoencoder": tiny_ad,
}


def kernels_of(model: str) -> list[Kernel] | None:
    """The kernels of a network by the name that MLPerf's rows give it; None for one that is not described here."""
    if model in TINY:
        return TINY[model]()
    if found := re.fullmatch(r"efficientnet-lite(\d)", model):
        return efficientnet_lite(int(found[1]))
    if found := re.fullmatch(r"mobilenet-v([12])-([\d.]+)-(\d+)", model):
        build = {"1": mobilenet_v1, "2": mobilenet_v2}[found[1]]
        return build(float(found[2]), int(found[3]))
    return None
