"""A torch module seen as a function from named tensors to named tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeopt.data.users_code import UsersCode
from edgeopt.errors import InputError
from edgeopt.steps.export.names import output_names
from edgeopt.steps.export.quiet import quiet
from edgeopt.steps.export.reference import PURPOSE

BATCH = "batch"
INNER = "inner."  # what the weights' names begin with in a flat module
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One tensor that goes in.

    Attributes:
        name: Of the argument, or of its place in one that holds several.
        example: Values to trace with, on the CPU.
        free: Axis -> name of those of free length.
        is_drawn: Whether `example` was drawn at random rather than given by the user.
    """

    name: str
    example: NDArray[Any]
    free: Mapping[int, str] = field(default_factory=dict)
    is_drawn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is exported.

    Attributes:
        text: As the user named it.
        module: The torch module, in evaluation mode.
        inputs: What goes in.
        tree: How the inputs lie in the arguments: torch's `TreeSpec` of (args, kwargs), None for each tensor's place.
        constants: Leaves of the arguments that are no tensors, by their position among all leaves.
        outputs: Names of what comes out.
        exported: The `ExportedProgram` that `module` was made of; None where there is none.
    """

    text: str
    module: Any
    inputs: tuple[Input, ...]
    tree: Any
    constants: Mapping[int, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    exported: Any = None

    def flat(self) -> Any:
        """A torch module that takes the inputs by position and gives the outputs as a tuple."""
        return _flat_class()(self.module, self.tree, self.constants)

    def infer(self, feeds: Arrays) -> dict[str, NDArray[Any]]:
        """All outputs by name for one batch of every input.

        Raises:
            InputError: The module fails on them.
        """
        import torch

        tensors = [torch.from_numpy(np.array(feeds[each.name])) for each in self.inputs]
        with UsersCode(self.text, purpose=PURPOSE), quiet(), torch.inference_mode():
            values = self.flat()(*tensors)
        return {name: value.detach().cpu().numpy() for name, value in zip(self.outputs, values, strict=True)}

    def with_outputs(self) -> Program:
        """The program with the names of its outputs, which it is run for.

        Raises:
            InputError: The module fails on its example, or gives something other than tensors.
        """
        import torch
        from torch.utils import _pytree as pytree

        tensors = [torch.from_numpy(np.array(each.example)) for each in self.inputs]
        with UsersCode(self.text, purpose=PURPOSE), quiet(), torch.inference_mode():
            result = called(self.module, self.tree, self.constants, tensors)
        leaves = [(path, value) for path, value in pytree.tree_flatten_with_path(result)[0] if value is not None]
        odd = next((value for _, value in leaves if not isinstance(value, torch.Tensor)), None)
        if odd is not None or not leaves:
            raise InputError(
                f"{PURPOSE} `{self.text}` gives " + (f"a `{type(odd).__name__}`" if leaves else "no tensor"),
                hint="give tensors, or tuples, lists or dicts of tensors; wrap the module in one that does",
            )
        names = output_names([path for path, _ in leaves], [each.name for each in self.inputs])
        return replace(self, outputs=tuple(names))


def called(module: Any, tree: Any, constants: Mapping[int, Any], tensors: Sequence[Any]) -> Any:
    """What `module` returns for tensors put at their places among its arguments."""
    from torch.utils import _pytree as pytree

    waiting = iter(tensors)
    leaves = [constants[index] if index in constants else next(waiting) for index in range(tree.num_leaves)]
    args, kwargs = pytree.tree_unflatten(leaves, tree)
    result = module(*args, **kwargs)
    if hasattr(result, "__dataclass_fields__") and not isinstance(result, dict):
        return {name: getattr(result, name) for name in result.__dataclass_fields__}
    return result


@cache
def _flat_class() -> Any:
    """The wrapper's class, made on first use, since torch is imported late."""
    import torch
    from torch.utils import _pytree as pytree

    class Flat(torch.nn.Module):
        """Tensors in by position, tensors out as a tuple."""

        def __init__(self, module: Any, tree: Any, constants: Mapping[int, Any]) -> None:
            super().__init__()
            self.inner = module
            self.tree, self.constants = tree, dict(constants)
            self.training = False

        def forward(self, *tensors: Any) -> tuple[Any, ...]:
            """The tensors among what the module returns, in order."""
            result = called(self.inner, self.tree, self.constants, tensors)
            return tuple(value for value in pytree.tree_leaves(result) if value is not None)

    return Flat
