"""Modules that exporters stumble over: each is exported and proven, or refused with the reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

import edgeopt
from edgeopt.errors import InputError, Unsupported
from edgeopt.steps.export.proof import TOLERANCE
from edgeopt.steps.export.reference import Source
from edgeopt.steps.export.torch_export import export_torch

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from torch import nn  # noqa: E402  behind the line that skips without it


class Moments(NamedTuple):
    mean: Any
    scale: Any


@dataclass
class Boxes:
    corners: Any
    scores: Any


class Counting(nn.Module):
    """Counts its calls in a buffer; `is_used` adds the count to its output."""

    def __init__(self, *, is_used: bool) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))
        self.is_used = is_used

    def forward(self, x: Any) -> Any:
        self.calls += 1
        return x + self.calls if self.is_used else x * 2


def module_of(forward: Callable[..., Any]) -> Any:
    return type("Module", (nn.Module,), {"forward": staticmethod(forward)})()


def decides_by_sign(x: Any) -> Any:
    if x.sum() > 0:
        return x * 2
    return x - 1


def decides_alike(x: Any) -> Any:
    if x.abs().sum() >= 0:
        return x * 2
    return x - 1


def gives_nothing(x: Any) -> None:
    """Nothing."""


def exported(module: Any, *example: Any, **named: Any) -> Any:
    """The report, and what the file takes and gives."""
    file = SimpleNamespace(example_inputs=lambda: named or example)
    report = export_torch(Source(text="net.py:build", kind="torch", value=module, module=file), Path("net.onnx"))
    artifact = edgeopt.inspect("net.onnx").artifact
    for each in report.details["proof"]["compared"]:
        assert all(output["relative"]["value"] <= TOLERANCE for output in each["outputs"].values())
    return SimpleNamespace(
        report=report,
        inputs={each.name: each.shape for each in artifact.inputs},
        outputs={each.name: each.shape for each in artifact.outputs},
        warnings=list(report.warnings),
    )


def test_several_inputs_and_outputs_keep_names_and_shapes() -> None:
    made = exported(
        module_of(lambda left, right: (left @ right.transpose(-1, -2), left.sum(-1))),
        torch.randn(1, 3, 4),
        torch.randn(1, 5, 4),
    )

    assert made.inputs == {"left": ("batch", 3, 4), "right": ("batch", 5, 4)}
    assert made.outputs == {"output_0": ("batch", 3, 5), "output_1": ("batch", 3)}
    assert made.warnings == []


@pytest.mark.parametrize(
    ("forward", "names"),
    [
        (
            lambda x: {"logits": x * 2, "aux": {"a": x + 1, "b": [x, x - 1]}},
            ["logits", "aux_a", "aux_b_0", "aux_b_1"],
        ),
        (lambda x: Moments(x * 2, x.exp()), ["mean", "scale"]),
        (lambda x: Boxes(x * 2, x + 1), ["corners", "scores"]),
        (lambda x: (x * 2, None), ["output_0"]),
        (lambda x: {"x": x * 2}, ["x_out"]),
        (lambda x: x * 2, ["output"]),
    ],
)
def test_outputs_are_named_by_keys_fields_and_places(forward: Any, names: Sequence[str]) -> None:
    assert list(exported(module_of(forward), torch.randn(1, 3)).outputs) == names


def test_tuples_among_the_arguments_are_inputs_of_their_own() -> None:
    made = exported(
        module_of(lambda x, state: x + state[0] * state[1]),
        torch.randn(1, 3),
        (torch.randn(1, 3), torch.randn(1, 3)),
    )

    assert list(made.inputs) == ["x", "state_0", "state_1"]


def test_arguments_that_are_no_tensors_stay_as_they_are() -> None:
    made = exported(
        module_of(lambda x, *, bias=None, is_added=False: x + bias if is_added else x),
        x=torch.randn(1, 3),
        bias=torch.randn(1, 3),
        is_added=True,
    )

    assert list(made.inputs) == ["x", "bias"]


def test_arguments_without_names_are_counted() -> None:
    made = exported(module_of(lambda *xs: xs[0] + xs[1]), torch.randn(1, 3), torch.randn(1, 3))

    assert list(made.inputs) == ["input_0", "input_1"]


@pytest.mark.parametrize("recurrent", [nn.LSTM, nn.GRU])
def test_recurrent_networks_have_a_free_batch(recurrent: Any) -> None:
    made = exported(recurrent(4, 5, batch_first=True, bidirectional=True), torch.randn(1, 7, 4))

    assert made.inputs == {"input": ("batch", 7, 4)}
    assert next(iter(made.outputs.values())) == ("batch", 7, 10)


def test_attention_has_a_free_batch() -> None:
    made = exported(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), torch.randn(1, 5, 8))

    assert made.inputs == {"src": ("batch", 5, 8)}


def test_a_first_axis_that_is_no_batch_is_fixed_and_said() -> None:
    made = exported(module_of(lambda x, mask: x + mask), torch.randn(1, 3, 4), torch.ones(3, 4))

    assert made.inputs == {"x": ("batch", 3, 4), "mask": (3, 4)}
    assert made.report.details["fixed_batch"] == ["mask"]
    assert made.warnings == ["the first axis of `mask` is fixed at 3: the module does not run with more samples there"]


def test_an_input_of_one_number_that_is_no_batch_is_fixed() -> None:
    """It is as long as the batch of the example, and only a run with more samples tells them apart."""
    made = exported(module_of(lambda x, scale: x.view(-1, 3) * scale), torch.randn(1, 3), torch.tensor([2.0]))

    assert made.inputs == {"x": ("batch", 3), "scale": (1,)}


def test_a_module_with_its_batch_written_in_is_fixed() -> None:
    made = exported(module_of(lambda x: x.view(1, 12) * 2), torch.randn(1, 3, 4))

    assert made.inputs == {"x": (1, 3, 4)}
    assert made.warnings == ["the first axis of `x` is fixed at 1: the module does not run with more samples there"]


def test_indices_stay_within_their_table() -> None:
    made = exported(nn.Sequential(nn.Embedding(50, 8), nn.Linear(8, 3)), torch.randint(0, 50, (1, 6)))

    assert made.inputs == {"input": ("batch", 6)}


def test_a_buffer_that_counts_calls_is_exported_where_it_is_not_read() -> None:
    assert exported(Counting(is_used=False), torch.randn(1, 3)).warnings == []


@pytest.mark.parametrize(
    "module",
    [
        Counting(is_used=True),
        module_of(lambda x: x + torch.randn_like(x)),
        module_of(lambda x: nn.functional.dropout(x, 0.5)),
    ],
    ids=["counter", "noise", "dropout"],
)
def test_a_module_that_gives_other_outputs_each_time_is_refused(module: Any) -> None:
    with pytest.raises(Unsupported) as caught:
        exported(module, torch.randn(1, 30))

    assert "gives other outputs each time" in caught.value.hint
    assert not Path("net.onnx").exists()


def test_control_flow_that_cannot_be_traced_falls_back_and_is_said() -> None:
    made = exported(module_of(decides_alike), torch.rand(1, 3))

    assert made.report.details["exporter"]["name"] == "torch (trace)"
    assert made.warnings[0].startswith("torch's older exporter wrote the model, since the current one cannot (")
    assert made.warnings[1].startswith("the module decides by values (test_odd_modules.py line ")


def test_control_flow_that_other_inputs_decide_otherwise_is_refused() -> None:
    with pytest.raises(Unsupported) as caught:
        exported(module_of(decides_by_sign), torch.rand(1, 3) + 1)

    assert "is not what it was made of" in caught.value.message
    assert not Path("net.onnx").exists()


def test_an_operator_without_an_onnx_form_is_named() -> None:
    with pytest.raises(Unsupported) as caught:
        exported(module_of(lambda x: torch.linalg.svd(x)[1]), torch.randn(1, 3, 3))

    assert caught.value.message.startswith("torch cannot export model `net.py:build`: ")
    assert "linalg_svd" in caught.value.message
    assert "its older exporter: " in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(("forward", "what"), [(lambda x: (x, 3.0), "a `float`"), (gives_nothing, "no tensor")])
def test_outputs_that_are_no_tensors_are_refused(forward: Any, what: str) -> None:
    with pytest.raises(InputError) as caught:
        exported(module_of(forward), torch.randn(1, 3))

    assert caught.value.message == f"model `net.py:build` gives {what}"


def compiled(module: Any) -> Any:
    return torch.compile(module, backend="eager")


@pytest.mark.parametrize("wrap", [nn.DataParallel, compiled])
def test_wrappers_around_a_module_are_taken_off(wrap: Any) -> None:
    assert exported(wrap(nn.Linear(3, 2)), torch.randn(1, 3)).inputs == {"input": ("batch", 3)}
