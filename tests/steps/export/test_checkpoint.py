"""State dicts as people keep them: wrapped, prefixed, tied, and those that do not fit or are none."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgeopt.errors import ExtraMissing, InputError
from edgeopt.steps.export.checkpoint import Loaded, load_checkpoint
from edgeopt.steps.export.reference import Source
from edgeopt.steps.export.torch_export import export_torch

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402  behind the line that skips without it


class Tied(nn.Module):
    """An embedding whose table is the weight of the head too."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(6, 4)
        self.head = nn.Linear(4, 6, bias=False)
        self.head.weight = self.table.weight

    def forward(self, x: Any) -> Any:
        return self.head(self.table(x))


def net() -> Any:
    return nn.Sequential(OrderedDict(first=nn.Linear(3, 4), norm=nn.BatchNorm1d(4), last=nn.Linear(4, 2)))


def filled(value: float) -> dict[str, Any]:
    """A state dict of `net` with one value everywhere."""
    return {name: torch.full_like(tensor, value) for name, tensor in net().state_dict().items()}


def load(content: Any, name: str = "best.pt", module: Any = None) -> tuple[Any, Loaded]:
    torch.save(content, name)
    target = net() if module is None else module
    return target, load_checkpoint(Source(text="net.py:build", kind="torch", value=target), Path(name))


def assert_filled(module: Any, value: float) -> None:
    assert all(bool((tensor == value).all()) for tensor in module.state_dict().values())


def test_a_state_dict_is_loaded_whole() -> None:
    module, loaded = load(filled(2))

    assert_filled(module, 2)
    assert loaded.told == ()
    assert loaded.as_json()["tensors"] == 9
    assert len(loaded.sha256) == 64


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "model_state_dict", "net"])
def test_a_wrapped_state_dict_is_found_and_said(wrapper: str) -> None:
    module, loaded = load({"epoch": 3, "optimizer": {"lr": 0.1}, wrapper: filled(2)})

    assert_filled(module, 2)
    assert loaded.told == (f"the state dict of `best.pt` lies under `{wrapper}`",)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "module.model."])
def test_a_prefix_that_all_keys_share_is_taken_off_and_said(prefix: str) -> None:
    module, loaded = load({prefix + name: tensor for name, tensor in filled(2).items()})

    assert_filled(module, 2)
    assert loaded.told == (f"all keys of `best.pt` begin with `{prefix}`, which is taken off",)


def test_a_part_that_the_module_has_is_no_prefix() -> None:
    module = nn.Sequential(OrderedDict(module=nn.Linear(3, 2)))
    _, loaded = load({"module.weight": torch.ones(2, 3), "module.bias": torch.ones(2)}, module=module)

    assert loaded.told == ()
    assert_filled(module, 1)


def test_safetensors_are_loaded_too() -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    safetensors.save_file({name: tensor.contiguous() for name, tensor in filled(2).items()}, "best.safetensors")
    module = net()
    load_checkpoint(Source(text="net.py:build", kind="torch", value=module), Path("best.safetensors"))

    assert_filled(module, 2)


def test_counters_and_tied_weights_may_be_missing() -> None:
    module, _ = load({name: tensor for name, tensor in filled(2).items() if "num_batches" not in name})

    assert bool((module.last.weight == 2).all())
    tied, _ = load({"table.weight": torch.full((6, 4), 2.0)}, module=Tied())
    assert bool((tied.head.weight == 2).all())


def test_all_that_does_not_fit_is_told_at_once() -> None:
    content = filled(2)
    content["first.wieght"] = content.pop("first.weight")
    content["last.bias"] = torch.zeros(5)
    content["extra"] = torch.zeros(1)
    with pytest.raises(InputError) as caught:
        load(content)

    assert caught.value.message == (
        "checkpoint `best.pt` does not fit model `net.py:build`: lacks `first.weight` (near: `first.wieght`); "
        "holds `first.wieght` (near: `first.weight`), `extra`, which the module does not know; "
        "`last.bias` is 5, the module's is 2"
    )
    assert "another architecture" in caught.value.hint


def test_many_keys_are_cut_short() -> None:
    with pytest.raises(InputError, match="and 4 more, which the module does not know"):
        load({**filled(2), **{f"layer{number}.x": torch.zeros(1) for number in range(9)}})


def test_a_whole_module_is_refused_without_running_its_code() -> None:
    with pytest.raises(InputError) as caught:
        load(net())

    assert caught.value.message.startswith("checkpoint `best.pt` holds a whole module or other objects")
    assert "torch.save(model.state_dict(), 'weights.pt')" in caught.value.hint


class Trap:
    """Writes a file where it is unpickled."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("sprung"),)


def test_a_trap_in_a_checkpoint_is_not_sprung() -> None:
    with pytest.raises(InputError, match="holds a whole module or other objects"):
        load({"state_dict": filled(2), "args": Trap()})

    assert not Path("sprung").exists()


@pytest.mark.parametrize(
    ("content", "holds"),
    [
        ([1, 2], "a `list`"),
        ({"epoch": 3, "loss": 0.1}, "a dict with keys `epoch`, `loss`"),
        ({}, "a `dict`"),
        (torch.zeros(3), "a `Tensor`"),
    ],
)
def test_what_is_no_state_dict_is_refused(content: Any, holds: str) -> None:
    with pytest.raises(InputError) as caught:
        load(content)

    assert caught.value.message == f"checkpoint `best.pt` holds {holds}, no state dict"


@pytest.mark.parametrize("name", ["best.pt", "best.safetensors"])
@pytest.mark.parametrize("content", [b"\x00" * 40, b"not a checkpoint at all", b"PK\x03\x04" + b"\x00" * 60])
def test_a_damaged_file_is_refused(name: str, content: bytes) -> None:
    Path(name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_checkpoint(Source(text="net.py:build", kind="torch", value=net()), Path(name))

    assert caught.value.message.startswith(f"checkpoint `{name}` is no ")
    assert "\n" not in caught.value.message


def test_a_file_that_is_cut_off_is_refused() -> None:
    torch.save(filled(2), "whole.pt")
    Path("best.pt").write_bytes(Path("whole.pt").read_bytes()[:-200])
    with pytest.raises(InputError, match=r"checkpoint `best\.pt` is no file that torch\.save writes, or is cut off"):
        load_checkpoint(Source(text="net.py:build", kind="torch", value=net()), Path("best.pt"))


@pytest.mark.parametrize(
    ("name", "message"), [("gone.pt", "does not exist"), ("empty.pt", "is empty"), (".", "not a r")]
)
def test_a_file_that_is_not_there_is_refused(name: str, message: str) -> None:
    Path("empty.pt").touch()
    with pytest.raises(InputError, match=message):
        load_checkpoint(Source(text="net.py:build", kind="torch", value=net()), Path(name))


def test_safetensors_that_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "safetensors", None)
    Path("best.safetensors").write_bytes(b"x")
    with pytest.raises(ExtraMissing) as caught:
        load_checkpoint(Source(text="net.py:build", kind="torch", value=net()), Path("best.safetensors"))

    assert caught.value.hint == "pip install 'edgeopt[torch]'"


def test_the_export_carries_the_checkpoint(written: Callable[..., str]) -> None:
    from types import SimpleNamespace

    torch.save({"model": {"module.weight": torch.full((2, 3), 7.0), "module.bias": torch.zeros(2)}}, "best.pt")
    file = SimpleNamespace(example_inputs=lambda: torch.randn(1, 3))
    source = Source(text="net.py:build", kind="torch", value=nn.Linear(3, 2), module=file)
    report = export_torch(source, Path("net.onnx"), checkpoint=Path("best.pt"))
    import onnx

    (weight,) = (each for each in onnx.load("net.onnx").graph.initializer if list(each.dims) == [2, 3])
    assert (onnx.numpy_helper.to_array(weight) == 7).all()
    assert report.details["checkpoint"]["path"] == "best.pt"
    assert report.warnings[:2] == (
        "the state dict of `best.pt` lies under `model`",
        "all keys of `best.pt` begin with `module.`, which is taken off",
    )
