"""Large constants of a model set apart as inputs, so that its graph can be rewritten and run without copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from edgeopt.graph.save import copy_fields, size_in_bytes
from edgeopt.graph.subgraphs import names_read

if TYPE_CHECKING:
    import onnx

_SMALLEST_BYTES = 1 << 16  # what shapes and axes are computed from is smaller


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """A model whose large constants are inputs.

    Attributes:
        light: The model without them: each is an input of its type and shape.
        constants: Them, by name.
    """

    light: onnx.ModelProto
    constants: dict[str, onnx.TensorProto]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The constants as arrays, to run the light model on."""
        import onnx

        return {name: onnx.numpy_helper.to_array(tensor) for name, tensor in self.constants.items()}

    def with_constants(self, light: onnx.ModelProto) -> onnx.ModelProto:
        """`light`, changed in place: those of its inputs that are constants here are constants again."""
        kept = [value for value in light.graph.input if value.name not in self.constants]
        read = {name for node in light.graph.node for name in names_read(node)}
        read |= {value.name for value in light.graph.output}
        light.graph.initializer.extend(tensor for name, tensor in self.constants.items() if name in read)
        del light.graph.input[:]
        light.graph.input.extend(kept)
        return light


def set_apart(model: onnx.ModelProto) -> Apart:
    """`model`, which stays as it is, and whose large constants keep their data where it is."""
    import onnx

    light = onnx.ModelProto()
    copy_fields(model, light, apart="graph")
    copy_fields(model.graph, light.graph, apart="initializer")
    constants: dict[str, onnx.TensorProto] = {}
    for tensor in model.graph.initializer:
        if size_in_bytes(tensor) < _SMALLEST_BYTES:
            light.graph.initializer.append(tensor)
            continue
        constants[tensor.name] = tensor
        light.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    return Apart(light=light, constants=constants)
