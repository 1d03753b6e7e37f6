"""Windows that slide over an image: their strides, dilations and padding, shared by convolutions and pools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeopt.steps.tflite.lowering import Lowering
from edgeopt.steps.tflite.net import Tensor, options
from edgeopt.steps.tflite.refusal import Refused
from edgeopt.steps.tflite.source import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One window over spatial axes.

    Attributes:
        kernel: Length per spatial axis.
        strides: Step per spatial axis.
        dilations: Distance of neighbouring taps per spatial axis.
        before: Padding in front per spatial axis, in elements.
        after: Padding behind per spatial axis.
        lengths: Length of the image per spatial axis.
        is_ceiling: Whether a last window that the image does not fill counts.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    lengths: tuple[int, ...]
    is_ceiling: bool = False

    @property
    def extents(self) -> tuple[int, ...]:
        """Elements that a dilated kernel spans per axis."""
        return tuple((size - 1) * step + 1 for size, step in zip(self.kernel, self.dilations, strict=True))

    @property
    def outputs(self) -> tuple[int, ...]:
        """Number of windows per axis (https://onnx.ai/onnx/operators/onnx__Conv.html, and MaxPool for `ceil_mode`)."""
        return tuple(self._count(axis) for axis in range(len(self.kernel)))

    def _count(self, axis: int) -> int:
        room = self.lengths[axis] + self.before[axis] + self.after[axis] - self.extents[axis]
        stride = self.strides[axis]
        if not self.is_ceiling:
            return room // stride + 1
        count = -(-room // stride) + 1
        starts_in_padding = (count - 1) * stride >= self.lengths[axis] + self.before[axis]
        return count - 1 if starts_in_padding else count

    @property
    def needed_after(self) -> tuple[int, ...]:
        """Padding behind per axis that the windows reach: less than `after` where the last ones end before it."""
        spans = ((count - 1) * stride + extent for count, stride, extent in self._steps())
        return tuple(
            max(span - length - before, 0)
            for span, length, before in zip(spans, self.lengths, self.before, strict=True)
        )

    @property
    def scheme(self) -> str:
        """`VALID` or `SAME` where that of TFLite says this very padding, else an empty string."""
        if not any(self.before) and not any(self.needed_after):
            return "VALID"
        return "SAME" if self._is_same() else ""

    def _is_same(self) -> bool:
        """Whether padding is that of TFLite's `SAME`: ceil(length / stride) windows, the odd element behind."""
        for axis, (count, stride, extent) in enumerate(self._steps()):
            total = max((count - 1) * stride + extent - self.lengths[axis], 0)
            if count != -(-self.lengths[axis] // stride) or self.before[axis] != total // 2:
                return False
        return True

    def _steps(self) -> list[tuple[int, int, int]]:
        return list(zip(self.outputs, self.strides, self.extents, strict=True))


def window_of(node: Node, kernel: Sequence[int], lengths: Sequence[int]) -> Window:
    """The window of a Conv or a pool over an image whose spatial axes have `lengths`."""
    rank = len(kernel)
    strides = tuple(node.attribute("strides") or [1] * rank)
    dilations = tuple(node.attribute("dilations") or [1] * rank)
    pads = tuple(node.attribute("pads") or [0] * 2 * rank)
    before, after = pads[:rank], pads[rank:]
    scheme = node.attribute("auto_pad", "NOTSET")
    if scheme == "VALID":
        before = after = (0,) * rank
    elif scheme.startswith("SAME"):
        totals = [
            max((-(-length // stride) - 1) * stride + (size - 1) * step + 1 - length, 0)
            for length, stride, size, step in zip(lengths, strides, kernel, dilations, strict=True)
        ]
        halves = [total // 2 for total in totals]
        rests = [total - half for total, half in zip(totals, halves, strict=True)]
        before, after = (tuple(halves), tuple(rests)) if scheme == "SAME_UPPER" else (tuple(rests), tuple(halves))
    if min((*before, *after), default=0) < 0:
        raise Refused("has negative padding", rewrite="a Slice before it")
    return Window(
        kernel=tuple(kernel),
        strides=strides,
        dilations=dilations,
        before=before,
        after=after,
        lengths=tuple(lengths),
        is_ceiling=bool(node.attribute("ceil_mode", 0)),
    )


def padded(net: Lowering, image: Tensor, window: Window, *, value: float = 0.0) -> tuple[Tensor, str]:
    """(the image, the scheme of padding to run on it): padded in a step of its own where no scheme says the same.

    Args:
        net: Where to add it.
        image: (batch, spatial..., channel); integers are padded with what stands for `value`.
        window: What slides over it.
        value: What to pad with.
    """
    if window.scheme:
        return image, window.scheme
    edges = list(zip(window.before, window.needed_after, strict=True))
    widths = np.array([(0, 0), *edges, (0, 0)], np.int32)
    shape = tuple(int(length + sum(edge)) for length, edge in zip(image.shape, widths, strict=True))
    inputs = [image, net.new_constant(widths, name="widths")]
    kind, table = "PAD", "PadOptions"
    if value:
        kind, table = "PADV2", "PadV2Options"
        inputs.append(net.new_constant(np.array(value, image.dtype), name="padding", quantization=image.quantization))
    made = net.add(kind, inputs, shape, quantization=image.quantization, options=options(table))
    return made, "VALID"
