"""A latency that nobody measured: of a model on a target, from fitted rates, with an interval and its reasons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeopt.core.artifact import FORMATS
from edgeopt.core.measurement import Origin
from edgeopt.errors import Unsupported
from edgeopt.predict.features import FEATURES, amounts
from edgeopt.predict.kernels import Kernel
from edgeopt.predict.rates import Rates, rates_for

if TYPE_CHECKING:
    from edgeopt.graph.quantization import QuantizationState

# A float model may run in half precision where that is what the runtime does with it (ncnn on ARMv8.2).
_DTYPES = {"float32": ("float32", "float16"), "float16": ("float16",), "int8": ("int8",)}
_UNCOVERED_FACTOR = 2.0  # an operator without data may cost that many times its traffic at least
_BEYOND = 3.0  # how far outside the measured latencies an estimate is before that is said
_FEATURE_PLACES = {name: place for place, name in enumerate(FEATURES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelCost:
    """What one kernel is estimated to take.

    Attributes:
        name: What the graph calls it.
        operator: Its operation in the graph.
        seconds: Estimated, of the median.
        macs: Multiply-accumulates.
        bound: What takes the most of it: `arithmetic`, `memory` or `overhead`.
        is_covered: Whether data cover such a kernel.
        is_known: Whether its work was counted, beside its traffic.
        shape: What tells it from others of its operator.
    """

    name: str
    operator: str
    seconds: float
    macs: int
    bound: str
    is_covered: bool
    is_known: bool = True
    shape: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """An estimated latency of one inference at batch 1.

    Attributes:
        rates: The data behind it: target, runtime, dtype, threads, source.
        median: Seconds.
        interval90: (low, high) in seconds: 9 of 10 networks of families that the fit has not seen lie inside.
        kernels: Cost per kernel, in the order in which they run.
        fixed_seconds: What an inference costs before any kernel.
        uncovered: Operators that no data cover, for which the interval is widened.
        warnings: What else a reader must know.
    """

    rates: Rates
    median: float
    interval90: tuple[float, float]
    kernels: tuple[KernelCost, ...]
    fixed_seconds: float
    uncovered: tuple[str, ...]
    warnings: tuple[str, ...]
    origin: Origin = Origin.ESTIMATED

    @property
    def joules(self) -> float | None:
        """Energy of one inference at the measured median power; None where no power was measured."""
        return None if self.rates.watts is None else self.median * self.rates.watts


def estimate(
    model: str | Path,
    target: str,
    *,
    runtime: str | None = None,
    dtype: str | None = None,
    threads: int | None = None,
) -> Estimate:
    """What `model` will take on `target`, estimated from published measurements; never a measurement itself.

    Args:
        model: An ONNX or a TFLite file.
        target: Name of a profile.
        runtime: `litert`, `ncnn`, `x-cube-ai`, ..., with a version or without; the first that has data where None.
        dtype: `float32`, `float16` or `int8`; what the model is where None.
        threads: Number of threads; the first that has data where None.

    Raises:
        InputError: The model cannot be read.
        Unsupported: No data for that target, runtime, dtype and threads; the hint lists what has.
    """
    path = Path(model)
    kernels, own = kernels_of_file(path)
    asked = dtype or own
    if asked not in _DTYPES:
        raise Unsupported(f"no measurements in `{asked}`", hint="dtypes: " + ", ".join(_DTYPES))
    rates = rates_for(target, runtime=runtime, dtypes=_DTYPES[asked], threads=threads)
    return estimate_of(kernels, rates)


def kernels_of_file(path: Path) -> tuple[list[Kernel], str]:
    """(kernels, dtype that most of them compute in) of an ONNX or a TFLite file.

    Raises:
        InputError: It cannot be read.
    """
    if FORMATS.get(path.suffix.lower()) == "tflite":
        from edgeopt.graph.tflite.quantization import quantization_state_of_tflite
        from edgeopt.graph.tflite.read import read_tflite
        from edgeopt.predict.tflite_kernels import tflite_kernels

        model = read_tflite(path)
        return tflite_kernels(model), dtype_of(quantization_state_of_tflite(model))
    from edgeopt.graph.load import load_onnx, require_onnx_ending
    from edgeopt.graph.quantization import quantization_state
    from edgeopt.predict.onnx_kernels import onnx_kernels

    require_onnx_ending(path)
    proto = load_onnx(path)
    return onnx_kernels(proto, where=str(path)), dtype_of(quantization_state(proto.graph))


def dtype_of(state: QuantizationState) -> str:
    """int8 where most nodes with weights compute in integers; weights alone are made float before they are used."""
    is_integer = state.kind not in ("none", "weights") and 2 * state.quantized > state.total
    return "int8" if is_integer else "float32"


def estimate_of(kernels: Sequence[Kernel], rates: Rates) -> Estimate:
    """The estimate of a sequence of kernels at given rates."""
    costs = tuple(_cost(kernel, rates) for kernel in kernels)
    fixed = rates.seconds[_FEATURE_PLACES["base"]]
    median = fixed + sum(cost.seconds for cost in costs)
    uncovered = [cost for cost in costs if not cost.is_covered]
    doubt = sum(cost.seconds for cost in uncovered)
    low, high = math.exp(-rates.half_width), math.exp(rates.half_width)
    return Estimate(
        rates=rates,
        median=median,
        interval90=((median - doubt) * low, (median + _UNCOVERED_FACTOR * doubt) * high),
        kernels=costs,
        fixed_seconds=fixed,
        uncovered=_names(costs),
        warnings=tuple(_warnings(median, rates, costs)),
    )


def _cost(kernel: Kernel, rates: Rates) -> KernelCost:
    parts = {name: amount * rates.seconds[_FEATURE_PLACES[name]] for name, amount in amounts(kernel).items()}
    bounds: dict[str, float] = {}
    for name, seconds in parts.items():
        bounds[FEATURES[name]] = bounds.get(FEATURES[name], 0.0) + seconds
    is_seen = not any(amount and name in rates.unseen for name, amount in amounts(kernel).items())
    return KernelCost(
        name=kernel.name,
        operator=kernel.operator,
        seconds=sum(parts.values()),
        macs=kernel.macs,
        bound=max(bounds, key=lambda bound: bounds[bound]),
        is_covered=kernel.is_known and is_seen,
        is_known=kernel.is_known,
        shape=_shape_of(kernel) if kernel.is_known else "",
    )


def _shape_of(kernel: Kernel) -> str:
    """What tells a kernel from others of its operator."""
    window = f", {kernel.window} taps at stride {kernel.stride}" if kernel.window > 1 else ""
    return f" ({kernel.kind.value}{window})"


def _names(costs: Sequence[KernelCost]) -> tuple[str, ...]:
    """Operators that no data cover, each kind of them once."""
    return tuple(sorted({f"{one.operator or one.name}{one.shape}" for one in costs if not one.is_covered}))


def _warnings(median: float, rates: Rates, costs: Sequence[KernelCost]) -> list[str]:
    found = list(rates.notes)
    if not rates.fastest_seconds / _BEYOND <= median <= rates.slowest_seconds * _BEYOND:
        found.append("far outside the latencies that were measured: the interval may be too narrow")
    uncovered = _names([cost for cost in costs if cost.is_known])
    if uncovered:
        found.append(f"no data cover {', '.join(uncovered)}: the interval is wider for it")
    unknown = _names([cost for cost in costs if not cost.is_known])
    if unknown:
        found.append(f"the work of {', '.join(unknown)} is not known and counts as its traffic: it may take far longer")
    return found
