"""`edgeopt inspect`: what a model is and what it costs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeopt.core.artifact import FORMATS, Artifact
from edgeopt.core.measurement import Origin
from edgeopt.core.profiles import load_target
from edgeopt.core.target import Target
from edgeopt.graph.costs import Cost, cost_of, operators_of
from edgeopt.graph.load import load_onnx, onnx_artifact, require_onnx_ending
from edgeopt.graph.misfit import lacking_in_onnxruntime
from edgeopt.graph.quantization import QuantizationState, quantization_state
from edgeopt.workflow.fit import Fit, fit_of_cost
from edgeopt.workflow.inputs import Named

if TYPE_CHECKING:
    import onnx

    from edgeopt.graph.tflite.model import TfliteModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What `inspect` gives.

    Attributes:
        artifact: The model, with inputs and outputs.
        opsets: Version per operator domain; of the schema for a TFLite file.
        cost: MACs, parameters and bytes at batch 1.
        operators: Nodes per operator.
        quantization: How it is quantized.
        fit: Whether it fits the device that was named, where one was.
    """

    artifact: Artifact
    opsets: dict[str, int]
    cost: Cost
    operators: dict[str, int]
    quantization: QuantizationState
    fit: Fit | None = None

    @property
    def fits_memory(self) -> bool | None:
        """Whether it fits the target's RAM; None where no target is named or a figure is not known."""
        return self.fit.ram.fits if self.fit and self.fit.ram else None

    def as_json(self) -> dict[str, Any]:
        """The record that `--json` prints."""
        return {
            "artifact": self.artifact.as_json(),
            "opsets": self.opsets,
            "cost": {
                **asdict(self.cost),
                "origin": Origin.ESTIMATED.value,
                "basis": "counted from the graph at batch 1",
            },
            "operators": self.operators,
            "quantization": asdict(self.quantization),
            "fit": self.fit.as_json() if self.fit else None,
        }


def inspect(model: Named, *, target: str | None = None) -> Inspection:
    """What `model` is: inputs, outputs, opset, operators, costs and quantization state.

    Args:
        model: An ONNX or a TFLite file.
        target: A device to check the fit of: its memory, and the operators that its runtime has.

    Raises:
        InputError: The model cannot be read, or there is no such target.
    """
    path = Path(model)
    device = load_target(target) if target else None
    if FORMATS.get(path.suffix.lower()) == "tflite":
        return _of_tflite(path, device)
    require_onnx_ending(path)
    proto = load_onnx(path)
    cost, state = cost_of(proto, where=str(path)), quantization_state(proto.graph)
    return Inspection(
        artifact=onnx_artifact(path, proto),
        opsets={entry.domain or "ai.onnx": entry.version for entry in proto.opset_import},
        cost=cost,
        operators=operators_of(proto),
        quantization=state,
        fit=_fit_of_onnx(proto, path, cost, state, device) if device else None,
    )


def _fit_of_onnx(proto: onnx.ModelProto, path: Path, cost: Cost, state: QuantizationState, device: Target) -> Fit:
    if device.kind == "cpu":
        return fit_of_cost(cost, device, lacking=lacking_in_onnxruntime(proto))
    from edgeopt.workflow.micro_fit import micro_fit_of_onnx

    return micro_fit_of_onnx(path, state, device)


def _of_tflite(path: Path, device: Target | None) -> Inspection:
    from edgeopt.graph.tflite.costs import cost_of_tflite, operators_of_tflite
    from edgeopt.graph.tflite.quantization import quantization_state_of_tflite
    from edgeopt.graph.tflite.read import read_tflite, tflite_artifact
    from edgeopt.graph.tflite.schema import VERSION

    model = read_tflite(path)
    artifact, cost = tflite_artifact(path, model), cost_of_tflite(model)
    return Inspection(
        artifact=artifact,
        opsets={"tflite": VERSION},
        cost=cost,
        operators=operators_of_tflite(model),
        quantization=quantization_state_of_tflite(model),
        fit=_fit_of_tflite(model, artifact, cost, device) if device else None,
    )


def _fit_of_tflite(model: TfliteModel, artifact: Artifact, cost: Cost, device: Target) -> Fit:
    if device.kind == "cpu":
        from edgeopt.graph.tflite.support import lacking_in_litert

        return fit_of_cost(cost, device, lacking=lacking_in_litert(model))
    from edgeopt.workflow.micro_fit import micro_fit

    return micro_fit(model, artifact.size_bytes, device)
