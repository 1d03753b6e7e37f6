"""The scheme `int4-weights`: weights of matrix products in blocks of 4-bit integers; activations stay float.

The products become `com.microsoft.MatMulNBits`. ONNX Runtime's own tool for it sets the root logger up when it is
imported, keeps a Gemm as it is, and its GPTQ needs a package that has given up ONNX; so this writes the nodes itself,
bit by bit in the same packing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edgeopt.core.dataset import Dataset
from edgeopt.core.target import Target
from edgeopt.errors import InputError
from edgeopt.graph.rewrite.values import new_constant, replace_node
from edgeopt.steps.protocol import Progress
from edgeopt.steps.quantize.choice.choose import SMALLEST_GAIN_DB, Rounding, Tried
from edgeopt.steps.quantize.choice.trial import Parts, Trial, parts_of
from edgeopt.steps.quantize.embedding import quantize_embeddings
from edgeopt.steps.quantize.observation.moments import Moments, second_moments
from edgeopt.steps.quantize.placement.place import node_name
from edgeopt.steps.quantize.products import array_of, drop_unused_constants, find_products, nothing_to_do
from edgeopt.steps.quantize.rounding.block_gptq import round_blocks
from edgeopt.steps.quantize.rounding.blockwise import Blocks, quantize_blocks
from edgeopt.steps.quantize.scheme import Made, put_together, taken_apart

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

DOMAIN = "com.microsoft"
_CONVOLUTION = "MatMulNBits multiplies matrices, it does not convolve"
# Activations become int8 inside the kernel, one scale per block. On one x86 core with VNNI a product of 1024 x 1024 in
# blocks of 32 then takes 16 us for one row and 137 us for 16, in float 46 and 226, at 0.03 dB less; at level 0 it takes
# 47 and 266 us.
_ACCURACY_LEVEL = 4
_MOMENT_ROWS = 4096  # on a vision transformer 2048 and 8192 end within 0.2 dB of each other
_TOO_FEW = (
    "{} sample(s) are too few to hold any back, so weights are rounded to the nearest; "
    "`--rounding gptq` learns from all of them"
)

Weights = Mapping[str, Blocks]


@dataclass(frozen=True, slots=True, kw_only=True)
class Int4Weights:
    """Options of the scheme.

    Attributes:
        target: The device that it is for.
        block_size: Weights that share a scale, one of `BLOCK_SIZES`.
        rounding: `nearest`, or `gptq` by calibration samples; `auto` tries `gptq` where there are samples.
        keep_float: Node name -> why it stays float.
    """

    target: Target
    block_size: int = 32
    rounding: Rounding | Literal["auto"] = "auto"
    keep_float: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.rounding == "adaround":
            raise InputError(
                "`rounding` of quantize is `adaround`, which scheme `int4-weights` does not know",
                hint="`gptq` makes errors good in the same spirit, block by block",
            )

    @property
    def takes_data(self) -> bool:
        """Whether roundings may rest on samples."""
        return self.rounding != "nearest"

    @property
    def needs_data(self) -> bool:
        """Whether roundings must rest on samples."""
        return self.rounding == "gptq"

    def make(self, model: onnx.ModelProto, data: Dataset, *, source: Path, progress: Progress | None = None) -> Made:
        """The model with MatMulNBits in the place of its products (see `Scheme.make`).

        Raises:
            InputError: A node to keep float is not there, or the model cannot be taken apart, or fails on the data.
            Unsupported: It has no matrix product with a constant weight.
        """
        intermediate = taken_apart(model, source=source)
        graph = intermediate.graph
        products = find_products(graph, convolution_reason=_CONVOLUTION, keep_float=self.keep_float)
        if not products.nodes:
            raise nothing_to_do(products, source, "runs on 4-bit weights")
        tables = quantize_embeddings(graph, keep_float=self.keep_float)
        arrays = {_weight_name(node): array_of(node.inputs[1]) for node in products.nodes}
        blocks = {name: quantize_blocks(array, self.block_size) for name, array in arrays.items()}
        learnt: dict[str, Blocks] = {}
        parts = parts_of(data)
        is_spared = self.rounding == "auto" and len(data) > 0 and parts.held_back is None
        if self.takes_data and len(data) and not is_spared:
            moments = second_moments(model, products.nodes, parts.fit, rows=_MOMENT_ROWS, progress=progress)
            found = _by_weight(products.nodes, moments)
            learnt = {name: round_blocks(arrays[name], blocks[name], found[name]) for name in found}
        elif progress:
            progress(1, 1)
        places = {name: _write(graph, products.nodes, name, one) for name, one in blocks.items()}
        drop_unused_constants(graph)
        intermediate.opset_imports[DOMAIN] = 1
        nearest = put_together(intermediate, source=source)
        rounded = _with_integers(nearest, {places[name]: one for name, one in learnt.items()}) if learnt else None
        choice = self._chosen(model, nearest, rounded, parts)
        return Made(
            model=choice.model,
            facts=self._facts(choice.rounding),
            kept_float=products.kept_float,
            details={"embeddings": [table.as_json() for table in tables], "corrections": choice.as_json()},
            warnings=(_TOO_FEW.format(len(data)),) if is_spared else (),
        )

    def _chosen(
        self, model: onnx.ModelProto, nearest: onnx.ModelProto, rounded: onnx.ModelProto | None, parts: Parts
    ) -> _Choice:
        """The model by samples where there is one, and where the user has not asked for it, where it is better."""
        if rounded is None:
            return _Choice(model=nearest, rounding="nearest")
        if parts.held_back is None or self.rounding == "gptq":
            return _Choice(model=rounded, rounding="gptq")
        trial = Trial(model, parts.held_back)
        before, after = trial.score(nearest), trial.score(rounded)
        is_kept = after.gain_over(before) > SMALLEST_GAIN_DB
        return _Choice(
            model=rounded if is_kept else nearest,
            rounding="gptq" if is_kept else "nearest",
            held_back=len(parts.held_back),
            tried=Tried(change={"rounding": "gptq"}, before_db=before.db, after_db=after.db, is_kept=is_kept),
        )

    def _facts(self, rounding: str) -> dict[str, Any]:
        return {
            "activations": "float32",
            "weights": "int4",
            "weight_bits": 4,
            "per_channel": True,
            "block_size": self.block_size,
            "rounding": rounding,
            "reason": f"one scale per {self.block_size} weights of a column; {self._kernel}",
        }

    @property
    def _kernel(self) -> str:
        """What the target's kernels make of it.

        ONNX Runtime's kernels multiply bytes where the processor has AVX2, or dot products of bytes on ARM
        (onnxruntime/core/mlas/lib/platform.cpp, 1.32); elsewhere they widen the weights.
        """
        is_x86 = self.target.architecture == "x86_64"
        if ("avx2" if is_x86 else "asimddp") in self.target.isa:
            return "activations become int8 inside the kernel"
        return f"`{self.target.name}` has no dot products of bytes, so the kernel computes in float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """One of two roundings.

    Attributes:
        model: The model.
        rounding: How it was rounded.
        held_back: Samples that decided.
        tried: What they said; None where there was no choice.
    """

    model: onnx.ModelProto
    rounding: Rounding
    held_back: int = 0
    tried: Tried | None = None

    def as_json(self) -> dict[str, Any]:
        """`corrections` in the record of `quantize`."""
        return {
            "rounding": self.rounding,
            "held_back": self.held_back,
            "tried": [self.tried.as_json()] if self.tried else [],
            "origin": "host",
        }


def _weight_name(node: ir.Node) -> str:
    assert node.inputs[1] is not None
    return str(node.inputs[1].name)


def _by_weight(nodes: tuple[ir.Node, ...], moments: Mapping[str, Moments]) -> dict[str, Moments]:
    """Moments by name of the weight; a weight of several products has the mean of theirs, by columns seen."""
    found: dict[str, Moments] = {}
    for node in nodes:
        own, name = moments.get(node_name(node)), _weight_name(node)
        if own is None:
            continue
        other = found.get(name)
        if other is not None:
            share = own.columns / max(1, own.columns + other.columns)
            second = (own.second * share + other.second * (1 - share)).astype(own.second.dtype)
            own = replace(own, second=second, columns=own.columns + other.columns)
        found[name] = own
    return found


def _write(graph: ir.Graph, nodes: tuple[ir.Node, ...], weight: str, blocks: Blocks) -> str:
    """Put MatMulNBits in the place of each product with a weight; the name of the constant with its integers."""
    import onnx_ir as ir

    constants = [
        new_constant(graph, f"{weight}_int4", blocks.packed()),
        new_constant(graph, f"{weight}_scales", blocks.scale),
        new_constant(graph, f"{weight}_zero_points", blocks.packed_zero_points()),
    ]
    attributes = {
        "K": blocks.rows,
        "N": len(blocks.integers),
        "bits": 4,
        "block_size": blocks.block_size,
        "accuracy_level": _ACCURACY_LEVEL,
    }
    for node in nodes:
        if node.graph is graph and _weight_name(node) == weight:
            made = ir.node("MatMulNBits", [node.inputs[0], *constants], attributes, domain=DOMAIN, name=node.name)
            replace_node(graph, node, [made])
    return str(constants[0].name)


def _with_integers(model: onnx.ModelProto, integers: Weights) -> onnx.ModelProto:
    """A copy of `model` with other integers in the constants of those names."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in copy.graph.initializer:
        if tensor.name in integers:
            tensor.raw_data = integers[tensor.name].packed().tobytes()
    return copy
