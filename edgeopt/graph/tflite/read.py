"""TFLite files opened without trusting them: every offset, count and place is checked before it is followed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import NDArray

from edgeopt.core.artifact import Artifact, artifact_from_file
from edgeopt.core.files import require_regular_file
from edgeopt.errors import InputError
from edgeopt.graph.impostors import refuse_impostor
from edgeopt.graph.tflite import schema
from edgeopt.graph.tflite.flatbuffer import Buffer, Damaged, Table
from edgeopt.graph.tflite.interface import interface_of
from edgeopt.graph.tflite.model import Graph, Interface, Operator, Tensor, TfliteModel
from edgeopt.graph.tflite.operators import OPERATORS

_Read = TypeVar("_Read")
_MOST_AXES = 8  # as LiteRT's kernels
_MOST_BYTES = 1 << 40  # of a tensor: a few bytes can claim any shape
_DAMAGED_HINT = "download or convert it again; is it complete?"


def read_content(path: Path) -> bytes:
    """The content of a file that begins as a TFLite file does.

    Raises:
        InputError: It cannot be read, or is something else.
    """
    require_regular_file(path, what="model")
    content = path.read_bytes()
    if content[4:8] == schema.IDENTIFIER:
        return content
    refuse_impostor(path, content[:64], wanted="a TFLite model")
    raise InputError(f"`{path}` is not a TFLite model (it lacks their mark, `TFL3`)", hint=_DAMAGED_HINT)


def read_tflite(path: Path, content: bytes | None = None) -> TfliteModel:
    """All that a file holds but the values of its constants.

    Args:
        path: The file.
        content: What `read_content` gave for it, when it was read already.

    Raises:
        InputError: Not a TFLite file, or damaged.
    """
    return _checked(path, content, _model)


def read_interface(path: Path, content: bytes | None = None) -> Interface:
    """What the model in a file takes and gives; the rest of the file is not looked at.

    Args:
        path: The file.
        content: What `read_content` gave for it, when it was read already.

    Raises:
        InputError: Not a TFLite file, or damaged where this lies.
    """
    return _checked(path, content, _interface_alone)


def has_state(path: Path, content: bytes | None = None) -> bool:
    """Whether a tensor of the main graph keeps its value from one inference to the next.

    Raises:
        InputError: Not a TFLite file, or damaged where this lies.
    """
    return _checked(path, content, _has_variable)


def read_metadata(path: Path) -> dict[str, bytes]:
    """The entries of a file's metadata, by name.

    Raises:
        InputError: Not a TFLite file, or damaged.
    """
    content = read_content(path)
    places = read_tflite(path, content).metadata
    return {name: content[start : start + size] for name, (start, size) in places.items()}


def tflite_artifact(path: Path, model: TfliteModel | None = None) -> Artifact:
    """The artifact in a TFLite file, with its inputs and outputs.

    The whole file is checked, so that a runtime's native code is given none that is damaged.

    Args:
        path: The file.
        model: What `read_tflite` gave for it, when it was read already.

    Raises:
        InputError: Not a TFLite file, or damaged.
    """
    interface = (model or read_tflite(path)).interface
    return replace(artifact_from_file(path), inputs=interface.inputs, outputs=interface.outputs)


def _checked(path: Path, content: bytes | None, read: Callable[[Table], _Read]) -> _Read:
    held = read_content(path) if content is None else content
    try:
        return read(_root(held))
    except Damaged as error:
        raise InputError(f"`{path}` is a damaged TFLite file: {error}", hint=_DAMAGED_HINT) from error


def _root(content: bytes) -> Table:
    root = Buffer(content).root()
    version = root.scalar(schema.Model.VERSION, "uint32")
    if version != schema.VERSION:
        raise Damaged(f"its schema has version {version}, not {schema.VERSION}")
    return root


def _model(root: Table) -> TfliteModel:
    buffers = [_span(table, root.size_bytes) for table in root.tables(schema.Model.BUFFERS)]
    kinds = [_kind(table) for table in root.tables(schema.Model.OPERATOR_CODES)]
    graphs = tuple(_graph(table, buffers, kinds) for table in root.tables(schema.Model.SUBGRAPHS))
    if not graphs:
        raise Damaged("it holds no graph")
    metadata = {}
    for entry in root.tables(schema.Model.METADATA):
        place = entry.scalar(schema.Metadata.BUFFER, "uint32")
        metadata[entry.text(schema.Metadata.NAME)] = buffers[_inside(place, len(buffers), "an entry of metadata")]
    main = graphs[0]
    interface = interface_of(root, main.inputs, main.outputs, main.tensors.__getitem__)
    return TfliteModel(graphs=graphs, interface=interface, metadata=metadata)


def _interface_alone(root: Table) -> Interface:
    """As `_model` gives it, from nothing but the tensors that are named."""
    main = _main(root)
    places = main.places(schema.SubGraph.TENSORS)
    inputs, outputs = (
        _places(main.numbers(field, "i4"), len(places), "the graph")
        for field in (schema.SubGraph.INPUTS, schema.SubGraph.OUTPUTS)
    )
    return interface_of(root, inputs, outputs, lambda index: _tensor(main.at(places[index]), (0, 0)))


def _has_variable(root: Table) -> bool:
    return any(table.scalar(schema.Tensor.IS_VARIABLE, "bool") for table in _main(root).tables(schema.SubGraph.TENSORS))


def _main(root: Table) -> Table:
    found = root.places(schema.Model.SUBGRAPHS)
    if not found:
        raise Damaged("it holds no graph")
    return root.at(found[0])


def _span(table: Table, file_bytes: int) -> tuple[int, int]:
    """(first byte, bytes) of a buffer: in the flatbuffer, or behind it where that would be too large."""
    start, size = (table.scalar(field, "uint64") for field in (schema.Buffer.OFFSET, schema.Buffer.SIZE))
    if start <= 1:  # 0 and 1 stand for none
        return table.span(schema.Buffer.DATA)
    if start + size > file_bytes:
        raise Damaged(f"a buffer of {size} bytes at byte {start} runs out of the file")
    return start, size


def _kind(table: Table) -> tuple[str, bool, int]:
    """(name, whether it is custom, version) of a kind of operator; the larger of its two numbers counts."""
    field = schema.OperatorCode
    number = max(table.scalar(field.DEPRECATED_BUILTIN_CODE, "int8"), table.scalar(field.BUILTIN_CODE, "int32"))
    version = table.scalar(field.VERSION, "int32", 1)
    if number == schema.CUSTOM:
        return table.text(field.CUSTOM_CODE), True, version
    return OPERATORS.get(number, f"UNKNOWN_{number}"), False, version  # unknown: of a schema that is newer than ours


def _graph(table: Table, buffers: list[tuple[int, int]], kinds: list[tuple[str, bool, int]]) -> Graph:
    tensors = []
    for one in table.tables(schema.SubGraph.TENSORS):
        place = one.scalar(schema.Tensor.BUFFER, "uint32")
        tensors.append(_tensor(one, buffers[_inside(place, len(buffers), "a tensor")]))
    return Graph(
        tensors=tuple(tensors),
        inputs=_places(table.numbers(schema.SubGraph.INPUTS, "i4"), len(tensors), "the graph"),
        outputs=_places(table.numbers(schema.SubGraph.OUTPUTS, "i4"), len(tensors), "the graph"),
        operators=tuple(_operator(one, kinds, len(tensors)) for one in table.tables(schema.SubGraph.OPERATORS)),
    )


def _operator(table: Table, kinds: list[tuple[str, bool, int]], tensors: int) -> Operator:
    place = table.scalar(schema.Operator.OPCODE_INDEX, "uint32")
    name, is_custom, version = kinds[_inside(place, len(kinds), "an operator")]
    return Operator(
        name=name,
        is_custom=is_custom,
        version=version,
        inputs=_places(table.numbers(schema.Operator.INPUTS, "i4"), tensors, f"operator `{name}`", least=-1),
        outputs=_places(table.numbers(schema.Operator.OUTPUTS, "i4"), tensors, f"operator `{name}`", least=-1),
    )


def _tensor(table: Table, data: tuple[int, int]) -> Tensor:
    field = schema.Tensor
    name, number = table.text(field.NAME), table.scalar(field.TYPE, "int8")
    if number not in schema.TYPES:
        raise Damaged(f"tensor `{name}` has element type {number}, which the schema does not know")
    dtype, bits = schema.TYPES[number]
    lengths = tuple(table.numbers(field.SHAPE, "i4").tolist())
    signature = tuple(table.numbers(field.SHAPE_SIGNATURE, "i4").tolist())
    if len(lengths) > _MOST_AXES or any(length < -1 for length in lengths):
        raise Damaged(f"tensor `{name}` has the shape {list(lengths)[: _MOST_AXES + 1]}")
    free = tuple(axis for axis, length in enumerate(signature[: len(lengths)]) if length < 0)
    found = Tensor(
        name=name,
        shape=tuple(1 if length < 0 else length for length in lengths),
        free_axes=tuple(sorted({*free, *(axis for axis, length in enumerate(lengths) if length < 0)})),
        dtype=dtype,
        bits=bits,
        data=data,
        is_variable=table.scalar(field.IS_VARIABLE, "bool", False),
        **_quantization(table.table(field.QUANTIZATION)),
    )
    if found.size_bytes > _MOST_BYTES:
        raise Damaged(f"tensor `{name}` has the shape {list(lengths)}, which no memory holds")
    return found


def _quantization(table: Table | None) -> dict[str, Any]:
    if table is None:
        return {}
    field = schema.QuantizationParameters
    return {
        "scales": tuple(table.numbers(field.SCALE, "f4").tolist()),
        "zero_points": tuple(table.numbers(field.ZERO_POINT, "i8").tolist()),
        "axis": table.scalar(field.QUANTIZED_DIMENSION, "int32"),
        "is_blockwise": table.scalar(field.DETAILS_TYPE, "uint8") == schema.BLOCKWISE,
    }


def _inside(place: int, count: int, what: str) -> int:
    if place >= count:
        raise Damaged(f"{what} names entry {place} of {count}")
    return place


def _places(numbers: NDArray[Any], count: int, what: str, *, least: int = 0) -> tuple[int, ...]:
    """Places of tensors, each checked to be one."""
    if numbers.size and not least <= int(numbers.min()) <= int(numbers.max()) < count:
        strange = numbers[(numbers < least) | (numbers >= count)]
        raise Damaged(f"{what} names tensor {int(strange[0])} of {count}")
    return tuple(numbers.tolist())
