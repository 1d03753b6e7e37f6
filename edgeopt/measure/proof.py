"""The proof of a conversion: both files run on the same inputs, and every output is compared.

The source runs as its file says, without ONNX Runtime's own rewrites; the converted model on LiteRT with XNNPACK, as
applications run it, and with the reference kernels, which differ from it (docs/adr/0017).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from edgeopt.core.dataset import Dataset
from edgeopt.errors import InputError, Unsupported
from edgeopt.graph.load import load_onnx, onnx_artifact, read_proto
from edgeopt.graph.quantization import quantization_state
from edgeopt.graph.runtime import RUNTIME_HINT, first_line, plain_session, runtime_errors
from edgeopt.measure.bound import Bound, Numbers
from edgeopt.measure.difference import Difference, Differences
from edgeopt.measure.ports import Port, ports_of
from edgeopt.measure.random_inputs import on_grid, random_feeds, scale_of
from edgeopt.measure.unrest import Unrest
from edgeopt.runners import runner_named
from edgeopt.runners.protocol import Session

if TYPE_CHECKING:
    import onnx

Feeds = dict[str, NDArray[Any]]

FAST, REFERENCE = "litert", "litert-reference"
# Random batches, each with a seed of its own. The reference kernels take 35 times as long as the fast ones on ResNet8.
_RANDOM_BATCHES = {FAST: 3, REFERENCE: 1}
_REAL_BATCHES = {FAST: 16, REFERENCE: 2}
_NUMBERS: dict[str, Numbers] = {
    "qdq": "integer",
    "qoperator": "integer",
    "dynamic": "dynamic",
    "weights": "dynamic",
}
_OTHER_WAY = "convert it another way, with `--via` or without it; and tell whose converter that was"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One output on one runtime.

    Attributes:
        name: Of the output.
        runtime: Name of the runner of the converted model.
        difference: From the source's output.
        bound: How far it may be.
    """

    name: str
    runtime: str
    difference: Difference
    bound: Bound

    @property
    def excess(self) -> str:
        """How it breaks its bound; empty where it holds."""
        return self.bound.excess(self.difference)

    def as_json(self) -> dict[str, Any]:
        """The output under its JSON keys."""
        return {
            "name": self.name,
            "runtime": self.runtime,
            "max_difference": self.difference.largest,
            "mean_difference": self.difference.mean,
            "relative": self.difference.relative,
            "sqnr_db": self.difference.sqnr_db,
            "bound": self.bound.as_json(),
            "unit": "1",
            "origin": "host",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What both files gave.

    Attributes:
        outputs: Every output on every runtime.
        samples: Batches that both ran on with the fast kernels: random ones, and real ones.
        ports: How the converted model's inputs stand for those of the source.
    """

    outputs: tuple[Output, ...]
    samples: dict[str, int]
    ports: tuple[Port, ...]

    @property
    def broken(self) -> Output | None:
        """The first output that is farther from the source's than it may be."""
        return next((output for output in self.outputs if output.excess), None)

    def as_json(self) -> dict[str, Any]:
        """The proof under its JSON keys."""
        runs = ", ".join(f"{count} {kind}" for kind, count in self.samples.items() if count)
        kept = "within rounding" if self.broken is None else "not equal"
        told = f"outputs {kept} on LiteRT with XNNPACK and with reference kernels, {runs} batches of inputs"
        return {"told": told, "samples": self.samples, "outputs": [output.as_json() for output in self.outputs]}


def proof_of(source: Path, made: Path, *, axes: Mapping[str, Sequence[int]], data: Dataset) -> Proof:
    """Both files on the same inputs: standard normal numbers at seeds, and the first rows of `data` where it has any.

    Integer inputs get numbers that an embedding which reads them holds, else zeros and ones.

    Args:
        source: The ONNX model.
        made: The TFLite model that was made of it.
        axes: How axes of inputs and outputs lie in the TFLite file, by name of the ONNX tensor, where the converter
            tells it. Of the others every order that their lengths allow is tried, and the first that is equal is taken.
        data: Samples bound to the source's inputs; none are needed.

    Raises:
        Unsupported: The files have other inputs or outputs, or a runtime does not take one.
    """
    model = read_proto(source)
    before = onnx_artifact(source, model)
    with ExitStack() as open_until:
        reference = _source_session(source)
        sessions = {name: _opened(open_until, name, made) for name in (FAST, REFERENCE)}
        after = sessions[FAST]
        found: Proof | None = None
        for inputs in ports_of(before.inputs, after.inputs, axes, what="input"):
            for outputs in ports_of(before.outputs, after.outputs, axes, what="output"):
                trial = _Trial(path=source, model=model, reference=reference, inputs=inputs, outputs=outputs, data=data)
                proof = trial.run(sessions)
                if proof.broken is None:
                    return proof
                found = found or proof
        assert found is not None
        return found


def _source_session(path: Path) -> Any:
    try:
        return plain_session(str(path))
    except runtime_errors() as error:
        raise InputError(f"ONNX Runtime does not take `{path}`: {first_line(error)}", hint=RUNTIME_HINT) from error


def _opened(stack: ExitStack, name: str, path: Path) -> Session:
    try:
        return stack.enter_context(runner_named(name).open(path))
    except (InputError, Unsupported) as error:
        told = error.message.replace(f"`{path}`", "the converted model")
        raise Unsupported(f"{told}; nothing is written", hint=_OTHER_WAY) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """Both models with one understanding of how tensors lie.

    Attributes:
        path: The ONNX file.
        model: The model in it, without its external data.
        reference: An ONNX Runtime session on it.
        inputs: Its inputs in the TFLite file.
        outputs: Its outputs there.
        data: Real samples.
    """

    path: Path
    model: onnx.ModelProto
    reference: Any
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    data: Dataset

    def run(self, sessions: Mapping[str, Session]) -> Proof:
        """The comparison of every output on every runtime."""
        totals = {name: Differences() for name in sessions}
        counts = {"random": 0, "real": 0}
        numbers = _numbers_of(self.model)
        unrest = Unrest(load_onnx(self.path)) if numbers == "integer" else None
        for kind, number, feeds in self._batches():
            wanted = _run(self.reference, feeds)
            for name, session in sessions.items():
                if number < (_RANDOM_BATCHES if kind == "random" else _REAL_BATCHES)[name]:
                    totals[name].add(wanted, self._given(session, feeds))
            if unrest is not None and number < max(_RANDOM_BATCHES.values()):
                unrest.add(feeds, wanted)
            counts[kind] += 1
        changes = unrest.by_output() if unrest else {}
        bounds = {
            port.name: Bound(
                numbers=numbers,
                step=_step(port, self.model),
                unrest=changes[port.name].root_mean_square if changes else 0.0,
            )
            for port in self.outputs
        }
        outputs = tuple(
            Output(name=name, runtime=runtime, difference=difference, bound=bounds[name])
            for runtime, found in totals.items()
            for name, difference in found.by_output().items()
        )
        return Proof(outputs=outputs, samples=counts, ports=self.inputs)

    def _given(self, session: Session, feeds: Feeds) -> Feeds:
        """The outputs of the converted model, as the source would give them."""
        given = session.infer({port.spec.name: port.given(feeds[port.name]) for port in self.inputs})
        return {port.name: port.meant(given[port.spec.name]) for port in self.outputs}

    def _batches(self) -> Iterator[tuple[str, int, Feeds]]:
        """(kind, number within it, inputs of the source)."""
        for seed in range(max(_RANDOM_BATCHES.values())):
            yield "random", seed, random_feeds(self.model, self.inputs, seed)
        if not len(self.data):
            return
        shapes = {port.name: port.shape() for port in self.inputs}
        size = next((shape[0] for shape in shapes.values() if shape), 1)
        for number, feeds in enumerate(self.data.batches(size, is_filled=True)):
            if number == max(_REAL_BATCHES.values()):
                return
            yield "real", number, {port.name: on_grid(port, feeds[port.name]) for port in self.inputs}


def _run(session: Any, feeds: Feeds) -> Feeds:
    names = [value.name for value in session.get_outputs()]
    try:
        return dict(zip(names, session.run(names, feeds), strict=True))
    except runtime_errors() as error:
        raise Unsupported(
            f"the conversion cannot be proven: the source does not run on its inputs ({first_line(error)})",
            hint="give samples that it runs on with `--data`",
        ) from error


def _numbers_of(model: onnx.ModelProto) -> Numbers:
    state = quantization_state(model.graph)
    if state.kind in _NUMBERS:
        return _NUMBERS[state.kind]
    return "float16" if "float16" in state.weights or _is_half(model) else "float32"


def _is_half(model: onnx.ModelProto) -> bool:
    """Whether float16 goes in or out: a model may have no weights at all."""
    import onnx

    ends = (*model.graph.input, *model.graph.output)
    return any(value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT16 for value in ends)


def _step(port: Port, model: onnx.ModelProto) -> float:
    """The step of the integers that an output is rounded to, or is; 0 where neither model rounds it."""
    if port.has_integers and port.spec.quantization is not None:
        return 1.0
    if port.spec.quantization is not None:
        return port.spec.quantization.scale
    producer = next((node for node in model.graph.node if port.name in node.output), None)
    return scale_of(model, producer.input[1]) if producer and producer.op_type == "DequantizeLinear" else 0.0
