"""`edgeopt inspect`: what a model is and what it costs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgeopt.core.artifact import FORMATS, Artifact
from edgeopt.core.measurement import Origin
from edgeopt.core.profiles import load_target
from edgeopt.core.target import Target
from edgeopt.graph.costs import Cost, cost_of, operators_of
from edgeopt.graph.load import load_onnx, onnx_artifact, require_onnx_ending
from edgeopt.graph.quantization import QuantizationState, quantization_state
from edgeopt.workflow.inputs import Named


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What `inspect` gives.

    Attributes:
        artifact: The model, with inputs and outputs.
        opsets: Version per operator domain; of the schema for a TFLite file.
        cost: MACs, parameters and bytes at batch 1.
        operators: Nodes per operator.
        quantization: How it is quantized.
        target: The device it is meant for, where one was named.
    """

    artifact: Artifact
    opsets: dict[str, int]
    cost: Cost
    operators: dict[str, int]
    quantization: QuantizationState
    target: Target | None = None

    @property
    def fits_memory(self) -> bool | None:
        """Whether weights and activations fit the target's memory; None where no target or no figure is known."""
        if self.target is None or self.target.ram_bytes is None:
            return None
        return self.cost.weight_bytes + self.cost.activation_peak_bytes <= self.target.ram_bytes.value

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
            "fit": self._fit_json(),
        }

    def _fit_json(self) -> dict[str, Any] | None:
        if self.target is None:
            return None
        ram = self.target.ram_bytes
        return {
            "target": self.target.name,
            "fits_memory": self.fits_memory,
            "needed_bytes": self.cost.weight_bytes + self.cost.activation_peak_bytes,
            "ram_bytes": ram.value if ram else None,
            "ram_source": ram.source if ram else None,
        }


def inspect(model: Named, *, target: str | None = None) -> Inspection:
    """What `model` is: inputs, outputs, opset, operators, costs and quantization state.

    Args:
        model: An ONNX or a TFLite file.
        target: A device to check the memory of.

    Raises:
        InputError: The model cannot be read, or there is no such target.
    """
    path = Path(model)
    device = load_target(target) if target else None
    if FORMATS.get(path.suffix.lower()) == "tflite":
        return _of_tflite(path, device)
    require_onnx_ending(path)
    proto = load_onnx(path)
    return Inspection(
        artifact=onnx_artifact(path, proto),
        opsets={entry.domain or "ai.onnx": entry.version for entry in proto.opset_import},
        cost=cost_of(proto, where=str(path)),
        operators=operators_of(proto),
        quantization=quantization_state(proto.graph),
        target=device,
    )


def _of_tflite(path: Path, device: Target | None) -> Inspection:
    from edgeopt.graph.tflite.costs import cost_of_tflite, operators_of_tflite
    from edgeopt.graph.tflite.quantization import quantization_state_of_tflite
    from edgeopt.graph.tflite.read import read_tflite, tflite_artifact
    from edgeopt.graph.tflite.schema import VERSION

    model = read_tflite(path)
    return Inspection(
        artifact=tflite_artifact(path, model),
        opsets={"tflite": VERSION},
        cost=cost_of_tflite(model),
        operators=operators_of_tflite(model),
        quantization=quantization_state_of_tflite(model),
        target=device,
    )
