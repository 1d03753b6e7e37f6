"""scikit-learn to ONNX: fitted estimators and pipelines, written by skl2onnx and proven against the estimator."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeopt._optional import require
from edgeopt.data.users_code import UsersCode
from edgeopt.errors import InputError, Unsupported
from edgeopt.graph.save import save_onnx
from edgeopt.graph.simplify import simplified
from edgeopt.runners import runner_named
from edgeopt.steps.export.columns import INPUT, Columns, columns_of
from edgeopt.steps.export.gradient_boosting import as_float32_samples_see_it, converters
from edgeopt.steps.export.heads import Head, head_of, last_step, unwrapped
from edgeopt.steps.export.opsets import checked_opset
from edgeopt.steps.export.proof import Compared, Feeds, Proof, ReadSamples, compared, opened, require_close, trials_of
from edgeopt.steps.export.quiet import quiet
from edgeopt.steps.export.random_rows import hides_trees, random_rows
from edgeopt.steps.export.reference import PURPOSE, Source, source_from_text
from edgeopt.steps.protocol import StepReport

if TYPE_CHECKING:
    import onnx

RANDOM = "random inputs"
_PURPOSE = "convert scikit-learn models"
_SAMPLES, _BATCH = 512, 128  # random rows, and how many at once
_MOST_LISTED = 10
_COARSE = 1e-2  # relative differences up to here are those of rounding, not of another model
_TOO_COARSE = "float32 is too coarse for it: scale its features (StandardScaler) before it is fitted"
_WRONG = "skl2onnx does not write this estimator right: choose another, or a newer skl2onnx"
_ML_OPSET = 3  # of ai.onnx.ml: what skl2onnx writes trees in, and ONNX Runtime takes since 1.9
_RAISED = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, NotImplementedError)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fitted:
    """A fitted estimator, what it is called, and what goes in and comes out."""

    estimator: Any
    text: str
    columns: Columns
    head: Head

    def infer(self, feeds: Feeds) -> Feeds:
        """The outputs that the ONNX model should have for these inputs."""
        with UsersCode(self.text, purpose=PURPOSE), quiet():
            return self.head.outputs_of(self.estimator, self.columns.table(feeds))


def export_sklearn(
    source: str | Source,
    output: Path,
    *,
    opset: int | None = None,
    samples: ReadSamples | None = None,
) -> StepReport:
    """Write a fitted estimator or pipeline to the ONNX file `output`.

    The first output is what is judged: `probabilities` (sample, class) of a classifier, `value` (sample, target) of a
    regressor; a classifier's `label` comes second. The input is `x` (sample, feature) float32.

    Args:
        source: `module:name` or `file.py:name` of the estimator, or of a function that returns it.
        output: The file to write; one that exists is replaced. It is written whole or not at all.
        opset: Version of the ONNX operators; None takes `opsets.DEFAULT_OPSET`.
        samples: Gives the user's samples for the model's inputs, to compare on.

    Returns:
        Details: `source`, `exporter`, `opset`, `estimator`, `features`, `classes` and `proof`.

    Raises:
        InputError: The source is not usable, or the estimator is not fitted.
        Unsupported: skl2onnx knows no form for it, or the file computes something else.
        ExtraMissing: skl2onnx is not installed.
    """
    skl2onnx = require("skl2onnx", purpose=_PURPOSE)
    named = source_from_text(source) if isinstance(source, str) else source
    if named.kind != "sklearn":
        raise InputError(f"`{named.text}` is no estimator, it is of kind `{named.kind}`", hint="check the source")
    version = checked_opset(opset)
    estimator = unwrapped(named.value)
    head, columns = head_of(estimator, named.text), columns_of(estimator, named.text)
    fitted = _Fitted(estimator=estimator, text=named.text, columns=columns, head=head)
    model = _with_head_first(_converted(fitted, version), fitted)
    with tempfile.TemporaryDirectory(prefix="edgeopt-") as folder:
        scratch = Path(folder, "model.onnx")
        save_onnx(model, scratch)
        found = _proven(fitted, scratch, samples)
    save_onnx(model, output)
    proof = Proof(
        reference=f"scikit-learn {require('sklearn', purpose=_PURPOSE).__version__}",
        runtime=f"onnxruntime {runner_named('onnxruntime').version()}",
        compared=found,
    )
    return StepReport(
        details={
            "source": {"kind": named.kind, "name": named.text},
            "exporter": {"name": "skl2onnx", "version": str(skl2onnx.__version__)},
            "opset": version,
            "estimator": type(last_step(estimator)).__name__,
            "features": columns.count,
            "classes": [str(each) for each in head.classes],
            "proof": proof.as_json(),
        },
        warnings=_told(fitted),
    )


def _converted(fitted: _Fitted, opset: int) -> onnx.ModelProto:
    """What skl2onnx writes.

    Raises:
        Unsupported: It knows no form for a step, or fails.
    """
    skl2onnx: Any = require("skl2onnx", purpose=_PURPOSE)
    kinds: Any = require("skl2onnx.common.data_types", purpose=_PURPOSE)
    types = [(name, kinds.FloatTensorType([None, count])) for name, count in fitted.columns.inputs.items()]
    for options in fitted.head.options():
        try:
            with quiet():
                model: onnx.ModelProto = skl2onnx.convert_sklearn(
                    fitted.estimator,
                    initial_types=types,
                    options=dict.fromkeys(map(id, (fitted.estimator, last_step(fitted.estimator))), options)
                    if options
                    else None,
                    target_opset={"": opset, "ai.onnx.ml": _ML_OPSET},
                    custom_conversion_functions=converters(),
                )
        except NameError:  # an option that the converter does not know
            continue
        except _RAISED as error:
            raise Unsupported(
                f"{PURPOSE} `{fitted.text}` cannot be converted: {_reason(error)}",
                hint="skl2onnx lists what it knows: https://onnx.ai/sklearn-onnx/supported.html",
            ) from error
        return model
    raise Unsupported(f"{PURPOSE} `{fitted.text}` cannot be converted: skl2onnx knows none of its options", hint="")


def _with_head_first(model: onnx.ModelProto, fitted: _Fitted) -> onnx.ModelProto:
    """The model with the output that is judged first, inputs, outputs and the free axis named, and each domain once."""
    old = [value.name for value in model.graph.output]
    names = dict(zip(old, fitted.head.names_of(old), strict=True))
    # skl2onnx writes `_` for what is no letter or digit in the name of an input.
    names |= dict(zip([value.name for value in model.graph.input], fitted.columns.inputs, strict=True))
    _rename(model.graph, names)
    by_name = {value.name: value for value in model.graph.output}
    kept = [by_name[name].SerializeToString() for name in fitted.head.order]
    del model.graph.output[:]
    for content in kept:
        model.graph.output.add().ParseFromString(content)
    for value in (*model.graph.input, *model.graph.output):
        axes = value.type.tensor_type.shape.dim
        if axes and not axes[0].dim_value:
            axes[0].dim_param = "batch"
        if value.name == fitted.head.kind and len(fitted.head.classes) > 1:
            axes[1].dim_value = len(fitted.head.classes)  # skl2onnx writes 1 for some of two classes
    versions = {entry.domain: entry.version for entry in model.opset_import}
    del model.opset_import[:]
    for domain, version in versions.items():
        model.opset_import.add(domain=domain, version=version)
    model.producer_name, model.producer_version = "edgeopt", ""
    return simplified(model, where=PURPOSE).model


def _rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Rename inputs and outputs of the graph, in place, wherever they are written and read."""
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*graph.input, *graph.output):
        value.name = names.get(value.name, value.name)


def _proven(fitted: _Fitted, path: Path, samples: ReadSamples | None) -> tuple[Compared, ...]:
    """The comparisons with the estimator, on random float64 rows and on the user's float32 samples.

    Raises:
        Unsupported: An output differs.
    """
    rows = random_rows(fitted.estimator, fitted.columns.count, samples=_SAMPLES, seed=0)
    batches = (fitted.columns.feeds(rows[start : start + _BATCH]) for start in range(0, _SAMPLES, _BATCH))
    found = [compared(path, fitted.infer, batches, inputs=RANDOM)]
    if samples is not None:
        with opened(path) as session:
            data = samples(session.inputs)
        rounded = replace(fitted, estimator=as_float32_samples_see_it(fitted.estimator))
        found.append(compared(path, rounded.infer, trials_of(data, None), inputs=f"`{data.source}`"))
    for each in found:
        require_close(each, what=f"the ONNX form of `{fitted.text}`", hint=partial(_hint_of_difference, fitted, each))
    return tuple(found)


def _hint_of_difference(fitted: _Fitted, each: Compared) -> str:
    if hides_trees(fitted.estimator):
        return (
            "leave out what scales features before trees, which need none: in float32 it moves samples over thresholds"
        )
    return _TOO_COARSE if each.worst[1].relative < _COARSE else _WRONG


def _told(fitted: _Fitted) -> tuple[str, ...]:
    head, columns, told = fitted.head, fitted.columns, list[str]()
    if hides_trees(fitted.estimator):
        told.append(
            "features are changed before trees compare them: in float32 a sample near a threshold may take the other "
            "branch; trees need no scaler, leave it out, or prove the model on `--data`"
        )
    if head.classes and [str(each) for each in head.classes] != [str(index) for index in range(len(head.classes))]:
        classes = ", ".join(f"`{each}`" for each in head.classes[:_MOST_LISTED])
        told.append(
            f"the classes are {classes}{' and more' if len(head.classes) > _MOST_LISTED else ''}: labels of data for "
            "`evaluate` and `gate` count them from 0 in this order"
        )
    if columns.names and not columns.is_apart:
        told.append(f"input `{INPUT}` holds the columns in the order that they were fitted in: see `feature_names_in_`")
    return tuple(told)


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
