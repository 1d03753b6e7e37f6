"""How the inputs and outputs of a TFLite model are named, shaped and quantized."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from edgeopt.core.artifact import Quantization, TensorSpec
from edgeopt.graph.tflite import schema
from edgeopt.graph.tflite.flatbuffer import Damaged, Table
from edgeopt.graph.tflite.model import SERVING, Interface, Tensor

# What TensorFlow writes round the name that a layer was given, as in `serving_default_image:0`.
_PREFIX, _SUFFIX = f"{SERVING}_", ":0"
_QUANTIZED = ("int8", "uint8", "int16")


def interface_of(
    root: Table, inputs: Sequence[int], outputs: Sequence[int], tensor: Callable[[int], Tensor]
) -> Interface:
    """What the main graph takes and gives, in its order.

    An input or output is called as in the signature of the main graph (`serving_default`, else the first), where there
    is one; else as its tensor, without what TensorFlow writes round it unless two would then be called alike. A tensor
    without a name, and the second of one name, is numbered.

    Args:
        root: The model.
        inputs: Places of the main graph's inputs.
        outputs: Places of its outputs.
        tensor: The tensor at a place.
    """
    signature = _signature(root)
    told = (_told(signature, schema.SignatureDef.INPUTS), _told(signature, schema.SignatureDef.OUTPUTS))
    tensors = ([tensor(index) for index in inputs], [tensor(index) for index in outputs])
    names = [
        _unique([names.get(index, name) for index, name in zip(places, _short(held), strict=True)], what)
        for names, places, held, what in zip(told, (inputs, outputs), tensors, ("input", "output"), strict=True)
    ]
    specs = [tuple(map(_spec, *pair)) for pair in zip(names, tensors, strict=True)]
    return Interface(inputs=specs[0], outputs=specs[1], input_places=tuple(inputs), output_places=tuple(outputs))


def _signature(root: Table) -> Table | None:
    """That of the main graph: `serving_default`, else the first."""
    field = schema.SignatureDef
    of_main = [t for t in root.tables(schema.Model.SIGNATURE_DEFS) if not t.scalar(field.SUBGRAPH_INDEX, "uint32")]
    return next((t for t in of_main if t.text(field.SIGNATURE_KEY) == SERVING), next(iter(of_main), None))


def _told(signature: Table | None, field: int) -> dict[int, str]:
    """Name per place of a tensor, as a signature says; for two names of one tensor the first."""
    names: dict[int, str] = {}
    for entry in signature.tables(field) if signature else ():
        name = entry.text(schema.TensorMap.NAME)
        if name:
            names.setdefault(entry.scalar(schema.TensorMap.TENSOR_INDEX, "uint32"), name)
    return names


def _short(tensors: Sequence[Tensor]) -> list[str]:
    names = [tensor.name for tensor in tensors]
    short = [name.removeprefix(_PREFIX).removesuffix(_SUFFIX) for name in names]
    counts = Counter(short)
    return [one if one and counts[one] == 1 else name for one, name in zip(short, names, strict=True)]


def _unique(names: Sequence[str], what: str) -> list[str]:
    """`names`, each once: one that is empty or was there already gets a number that is free."""
    found: list[str] = []
    for place, name in enumerate(names):
        wanted, number = name or f"{what}_{place}", 1
        unique = wanted
        while unique in found:
            unique, number = f"{wanted}_{number}", number + 1
        found.append(unique)
    return found


def _spec(name: str, tensor: Tensor) -> TensorSpec:
    if any(length < 0 for length in tensor.shape):
        raise Damaged(f"tensor `{name}` has a negative length")
    shape = tuple("" if axis in tensor.free_axes else length for axis, length in enumerate(tensor.shape))
    return TensorSpec(name=name, shape=shape, dtype=tensor.dtype, quantization=_quantization(tensor))


def _quantization(tensor: Tensor) -> Quantization | None:
    if tensor.dtype not in _QUANTIZED or len(tensor.scales) != 1 or not 0 < tensor.scales[0] < float("inf"):
        return None
    return Quantization(scale=tensor.scales[0], zero_point=(*tensor.zero_points, 0)[0])
