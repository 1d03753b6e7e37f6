"""The conversions that lead from a source to an output, one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeopt.core.dataset import Dataset, no_samples
from edgeopt.core.files import sha256_of
from edgeopt.data.preprocess import Preprocess
from edgeopt.errors import EdgeoptError
from edgeopt.steps.convert import Convert, axes_of, operators_in, proven, relaid, require_types
from edgeopt.steps.export.reference import Source
from edgeopt.steps.protocol import StepReport
from edgeopt.steps.via.tools import TOOLS
from edgeopt.workflow.convert_plan import Wishes
from edgeopt.workflow.inputs import Named, data_for, data_for_inputs, model_artifact
from edgeopt.workflow.progress import Report, counter
from edgeopt.workflow.step_cache import AppliedStep, apply_step

if TYPE_CHECKING:
    from edgeopt.core.artifact import TensorSpec

_MOST_SAMPLES = 64  # of the user's, that a proof looks at: what is wrong is wrong on the first


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """The samples that the user names, read where they are wanted.

    Attributes:
        data: As the user names them; None for none.
        preprocess: What is done to them.
    """

    data: Named | None
    preprocess: Preprocess | None

    def of_model(self, path: Path) -> Dataset:
        """The first of them for the inputs of an ONNX file; none where none are named."""
        if self.data is None:
            return no_samples()
        return _first(data_for(model_artifact(path), self.data, self.preprocess))

    def of_inputs(self, specs: tuple[TensorSpec, ...]) -> Dataset:
        """The first of them for these inputs."""
        assert self.data is not None
        return _first(data_for_inputs(specs, self.data, self.preprocess))


@dataclass(slots=True, kw_only=True)
class Chain:
    """The conversions from a source to an output, one after the other.

    Attributes:
        named: The source.
        wishes: What the user asks for.
        samples: To compare on.
        folder: Where files between go.
        seed: For the record.
        report: Called with what is being done.
        details: What they did, by JSON key.
        steps: Those that are kept in the record.
        warnings: What the user should know.
        used: Of the user's samples, those that were last compared on.
    """

    named: Source
    wishes: Wishes
    samples: Samples
    folder: Path
    seed: int
    report: Report
    details: dict[str, Any] = field(default_factory=dict)
    steps: list[AppliedStep] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    used: Dataset = field(default_factory=no_samples)

    def run(self, path: Path, *, cache: Named | None) -> Path:
        """The file that is to become `path`."""
        ending = path.suffix.lower()
        if ending == ".onnx":
            return self._onnx(is_final=True)
        tflite = self._tflite(path, cache=cache)
        return self._header(tflite, path) if ending == ".h" else tflite

    def _onnx(self, *, is_final: bool = False) -> Path:
        """An ONNX file of the source."""
        made = self.folder / "model.onnx"
        if self.named.kind == "onnx":
            assert self.named.path is not None
            if not is_final:
                return self.named.path
            from edgeopt.steps.rebind import rebind_onnx

            require_types(self.named.path, self.wishes.inputs)
            self._add(
                rebind_onnx(self.named.path, made, axes=axes_of(self.wishes.inputs), opset=self.wishes.opset), made
            )
            return made
        self.report("exporting", 0, 1)
        self._add(self._exported(made), made)
        return made

    def _exported(self, made: Path) -> StepReport:
        samples = self._samples_of_inputs if self.samples.data is not None else None
        if self.named.kind == "sklearn":
            from edgeopt.steps.export.sklearn_export import export_sklearn

            return export_sklearn(self.named, made, opset=self.wishes.opset, samples=samples)
        from edgeopt.steps.export.shapes import input_shapes_from_texts
        from edgeopt.steps.export.torch_export import export_torch

        return export_torch(
            self.named,
            made,
            checkpoint=self.wishes.checkpoint,
            shapes=input_shapes_from_texts(self.wishes.inputs),
            opset=self.wishes.opset,
            samples=samples,
        )

    def _samples_of_inputs(self, specs: tuple[TensorSpec, ...]) -> Dataset:
        self.used = self.samples.of_inputs(specs)
        return self.used

    def _tflite(self, path: Path, *, cache: Named | None) -> Path:
        """A TFLite file of the source."""
        if self.named.kind == "tflite":
            assert self.named.path is not None
            return self.named.path
        source, made, wishes = self._onnx(), self.folder / "model.tflite", self.wishes
        data = self.used = self.samples.of_model(source)
        if wishes.via and TOOLS[wishes.via].takes == "torch":
            self._add(self._by_program_tool(source, made, data), made)
            return made
        is_file = self.named.kind == "onnx"
        step = Convert(
            layout=wishes.layout or "nchw",
            io=wishes.io or "float32",
            inputs=wishes.inputs if is_file else self._fixed_inputs(source),
            via="onnx2tf" if wishes.via else "",
            via_python=wishes.via_python,
            via_timeout=wishes.via_timeout,
        )
        try:
            applied = apply_step(
                step,
                model_artifact(source),
                made,
                data,
                cache=cache if is_file and not wishes.via else None,  # what another tool makes hangs on its version
                lies_at=path,
                seed=self.seed,
                progress=counter(self.report, "converting"),
            )
        except EdgeoptError as error:
            if is_file:
                raise
            # The user has never heard of the ONNX file between.
            raise type(error)(error.message.replace(str(source), self.named.text), hint=error.hint) from error
        self.steps.append(applied)
        self.warnings += applied.warnings
        self._add(applied.report, made)
        return made

    def _fixed_inputs(self, exported: Path) -> tuple[str, ...]:
        """Of the shapes that the user gives for a torch module, those of its ONNX file that have no free axis."""
        names = {spec.name for spec in model_artifact(exported).inputs}
        return tuple(
            text
            for text in self.wishes.inputs
            for name, axes in axes_of([text]).items()
            if name in names and all(isinstance(axis, int) for axis in axes)
        )

    def _by_program_tool(self, reference: Path, made: Path, data: Dataset) -> StepReport:
        """`made` by a tool that takes torch's programs, held to the ONNX file `reference` of the same source."""
        from edgeopt.steps.export.shapes import input_shapes_from_texts
        from edgeopt.steps.via.program import write_program
        from edgeopt.steps.via.tools import make_via, require_tool

        tool = TOOLS[self.wishes.via]
        python = require_tool(tool, self.wishes.via_python)
        program = self.folder / "program.pt2"
        write_program(self.named, program, self.wishes.checkpoint, input_shapes_from_texts(self.wishes.inputs))
        self.report("converting", 0, 1)
        make_via(tool, program, made, python=python, shapes={}, timeout_seconds=self.wishes.via_timeout)
        proof = proven(reference, made, None, data)
        details = {"via": tool.name, "operators": operators_in(made), "proof": proof.as_json()}
        return StepReport(details=details, warnings=relaid(proof))

    def _header(self, model: Path, path: Path) -> Path:
        """A C header that holds a TFLite file."""
        from edgeopt.steps.c_array import identifier_of, write_c_array

        made, name = self.folder / "model.h", identifier_of(path)
        source = f"{self.named.path.name if self.named.path else self.named.text}"
        write_c_array(model, made, name=name, source=source)
        self.details["array"] = {"name": name, "size_bytes": model.stat().st_size, "sha256": sha256_of(model)}
        if not self.details.get("operators"):
            self.details["operators"] = operators_in(model)
        return made

    def _add(self, report: StepReport, made: Path) -> None:
        """Take in what a step tells; proofs are put together, and operators are counted where it did not."""
        before, details = self.details.get("proof"), dict(report.details)
        if "exporter" in details and "proof" in details:
            details["export_proof"] = details.pop("proof")
            details["proof"] = _export_proof(details["export_proof"])
        if before and details.get("proof"):
            proof = details["proof"]
            details["proof"] = {
                **proof,
                "told": f"{before['told']}; {proof['told']}",
                "outputs": [*before["outputs"], *proof["outputs"]],
            }
        if made.suffix == ".onnx":
            details.setdefault("operators", _onnx_operators(made))
        self.details.update(details)
        self.warnings += report.warnings


def _export_proof(told: dict[str, Any]) -> dict[str, Any]:
    """The proof of an export as that of every conversion is told."""
    outputs = [
        {
            "name": name,
            "runtime": str(told["runtime"]).partition(" ")[0],
            "inputs": compared["inputs"],
            "max_difference": entry["largest"]["value"],
            "mean_difference": entry["mean"]["value"],
            "relative": entry["relative"]["value"],
            "sqnr_db": entry["sqnr"]["value"],
            "unit": "1",
            "origin": told["origin"],
        }
        for compared in told["compared"]
        for name, entry in compared["outputs"].items()
    ]
    inputs = " and ".join(compared["inputs"] for compared in told["compared"])
    return {"told": f"outputs equal those of {told['reference']} on {inputs}", "outputs": outputs}


def _onnx_operators(path: Path) -> dict[str, int]:
    from edgeopt.graph.costs import operators_of
    from edgeopt.graph.load import read_proto

    return operators_of(read_proto(path))


def _first(data: Dataset) -> Dataset:
    import numpy as np

    return data.rows(np.arange(min(len(data), _MOST_SAMPLES)))
