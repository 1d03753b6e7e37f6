"""ONNX files opened without trusting them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeopt.core.artifact import FORMATS, Artifact, TensorSpec, artifact_from_file, unknown_format
from edgeopt.core.files import require_regular_file, sha256_of
from edgeopt.errors import InputError, Unsupported
from edgeopt.graph.impostors import refuse_impostor
from edgeopt.graph.subgraphs import subgraphs

if TYPE_CHECKING:
    import onnx

_PACKED = range(21, 29)  # onnx.TensorProto: UINT4, INT4, FLOAT4E2M1 and narrower ones, several to a byte
_IN_PAIRS = (14, 15)  # COMPLEX64 and COMPLEX128
_EXPORT_HINT = "save it again with onnx.save_model(..., save_as_external_data=True), and keep the files together"
_MOST_DENSE_ELEMENTS = 1 << 28  # 1 GiB of float32; a few bytes can claim any number
_EXTERNAL_KEYS = {"location", "offset", "length", "checksum", "basepath"}


def load_onnx(path: Path) -> onnx.ModelProto:
    """The model in an ONNX file: external data read in, initializers taken off the inputs, sparse ones made dense.

    Raises:
        InputError: Not an ONNX model, damaged, or with external data that is not a plain file in its own folder.
    """
    import onnx

    model = read_proto(path)
    if external_files(path, model):
        try:
            onnx.load_external_data_for_model(model, str(path.parent))
        except (onnx.checker.ValidationError, OSError, ValueError) as error:
            raise InputError(f"external data of `{path}` cannot be read: {error}", hint=_EXPORT_HINT) from error
        left = next(_external_tensors(model), None)
        if left is not None:
            raise InputError(f"external data of sparse tensor `{left.name}` in `{path}` is not read", hint=_EXPORT_HINT)
    _take_initializers_off_inputs(model)
    _make_dense(model.graph, path)
    return model


def read_proto(path: Path) -> onnx.ModelProto:
    """The model without its external data, checked to be one, and its external data checked to be its own.

    Every model goes through here before a runtime opens its file.

    Raises:
        InputError: Not an ONNX model, damaged, without outputs or opset, or with external data that is not a plain
            file in its own folder.
    """
    import onnx
    from google.protobuf.message import DecodeError

    require_regular_file(path, what="model")
    with path.open("rb") as stream:
        refuse_impostor(path, stream.read(64), wanted="an ONNX model")
    not_a_model = InputError(
        f"`{path}` is not an ONNX model, or is cut off", hint="export or download it again; is it complete?"
    )
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except (DecodeError, ValueError, RecursionError) as error:
        raise not_a_model from error
    if not model.ir_version or not model.HasField("graph"):
        raise not_a_model
    if not model.graph.output or not model.opset_import:
        raise InputError(f"`{path}` holds no usable ONNX graph", hint="export it again, with torch.onnx.export or such")
    _require_types(model.graph)
    external_files(path, model)
    return model


def _require_types(graph: onnx.GraphProto) -> None:
    """Refuse constants of an element type that there is not, or whose data are not those of their shape."""
    import onnx

    known = {*onnx.helper.get_all_tensor_dtypes(), onnx.TensorProto.STRING}
    for tensor in graph.initializer:
        if tensor.data_type not in known:
            raise InputError(f"tensor `{tensor.name}` has unknown element type `{tensor.data_type}`", hint=_EXPORT_HINT)
        if min(tensor.dims, default=0) < 0 or not _is_whole(tensor):
            told = f"tensor `{tensor.name}` of shape {list(tensor.dims)} holds other data than its shape says"
            raise InputError(told, hint=_EXPORT_HINT)


def _is_whole(tensor: onnx.TensorProto) -> bool:
    """Whether a constant holds as many elements as its shape says; True for what lies elsewhere or in odd units."""
    import onnx

    count: int = math.prod(tensor.dims)
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.data_type == onnx.TensorProto.STRING:
        return True
    if tensor.HasField("raw_data"):
        width = int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
        return len(tensor.raw_data) == count * width or tensor.data_type in _PACKED
    if tensor.data_type in _PACKED or tensor.data_type in _IN_PAIRS:
        return True
    fields = (tensor.float_data, tensor.int32_data, tensor.int64_data, tensor.double_data, tensor.uint64_data)
    held: int = sum(map(len, fields))
    return held == count


def onnx_artifact(path: Path, model: onnx.ModelProto | None = None) -> Artifact:
    """The artifact in an ONNX file, with its inputs and outputs; external data counts in its size and its digest.

    Args:
        path: The file.
        model: What `read_proto` gave for it, when it was read already.
    """
    require_onnx_ending(path)
    artifact = artifact_from_file(path)
    proto = read_proto(path) if model is None else model
    constants = _initializer_names(proto.graph)
    return replace(
        _with_external_data(artifact, external_files(path, proto)),
        inputs=tuple(_spec(value) for value in proto.graph.input if value.name not in constants),
        outputs=tuple(_spec(value) for value in proto.graph.output),
    )


def require_onnx_ending(path: Path) -> None:
    """Refuse a file whose ending is not that of an ONNX model.

    Raises:
        InputError: The ending is none that edgeopt knows.
        Unsupported: It is that of another format.
    """
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise unknown_format(path)
    if kind != "onnx":
        raise Unsupported(
            f"`{path}` is a {kind} file, this needs an ONNX model",
            hint="give the ONNX model that it was made from, or export one",
        )


def external_files(path: Path, model: onnx.ModelProto) -> tuple[Path, ...]:
    """Files beside the model at `path` that hold its external data, each once, by name; none once they are read in.

    Links are refused: ONNX Runtime 1.32 follows hard links that `onnx` refuses (CVE-2026-34446).

    Raises:
        InputError: One is not a plain file in the model's own folder.
    """
    return tuple(sorted({_own_file(path, tensor) for tensor in _external_tensors(model)}))


def _with_external_data(artifact: Artifact, files: tuple[Path, ...]) -> Artifact:
    if not files:
        return artifact
    digests = "\n".join([artifact.sha256, *(sha256_of(file) for file in files)])
    return replace(
        artifact,
        sha256=hashlib.sha256(digests.encode()).hexdigest(),
        size_bytes=artifact.size_bytes + sum(file.stat().st_size for file in files),
    )


def _initializer_names(graph: onnx.GraphProto) -> set[str]:
    return {tensor.name for tensor in graph.initializer} | {tensor.values.name for tensor in graph.sparse_initializer}


def _take_initializers_off_inputs(model: onnx.ModelProto) -> None:
    """Make initializers that old exporters list among the inputs constant, as IR version 4 and later mean it.

    ONNX Runtime does not fold one that is listed, since a caller might feed another value.
    """
    constants = _initializer_names(model.graph)
    kept = [value for value in model.graph.input if value.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    model.ir_version = max(model.ir_version, 4)


def _make_dense(graph: onnx.GraphProto, path: Path) -> None:
    """Turn sparse initializers of a graph and its subgraphs, in place, into dense ones, which every tool knows."""
    import onnx

    for sparse in graph.sparse_initializer:
        name, dims = sparse.values.name, list(sparse.dims)
        count = math.prod(dims)
        if count > _MOST_DENSE_ELEMENTS or any(length < 0 for length in dims):
            raise InputError(
                f"sparse tensor `{name}` in `{path}` has shape {dims}: too large to be made dense", hint=_EXPORT_HINT
            )
        try:
            values, where = onnx.numpy_helper.to_array(sparse.values), onnx.numpy_helper.to_array(sparse.indices)
            dense = np.zeros(count, values.dtype)
            dense[np.ravel_multi_index(tuple(where.T), dims) if where.ndim > 1 else where] = values
        except (ValueError, IndexError, TypeError, KeyError) as error:
            raise InputError(f"sparse tensor `{name}` in `{path}` is damaged: {error}", hint=_EXPORT_HINT) from error
        graph.initializer.append(onnx.numpy_helper.from_array(dense.reshape(dims), name))
    del graph.sparse_initializer[:]
    for node in graph.node:
        for inner in subgraphs(node):
            _make_dense(inner, path)


def _spec(value: onnx.ValueInfoProto) -> TensorSpec:
    import onnx

    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type"):
        return TensorSpec(name=value.name, shape=(), dtype="object")
    try:
        dtype = str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    except KeyError as error:
        told = f"tensor `{value.name}` has unknown element type `{tensor.elem_type}`"
        raise InputError(told, hint=_EXPORT_HINT) from error
    shape = tuple(axis.dim_value if axis.HasField("dim_value") else axis.dim_param for axis in tensor.shape.dim)
    if any(isinstance(length, int) and length <= 0 for length in shape):
        shape = tuple("" if isinstance(length, int) and length <= 0 else length for length in shape)
    return TensorSpec(name=value.name, shape=shape, dtype=dtype)


def _external_tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor whose data lies in another file: initializers, attributes, sparse ones, subgraphs and functions."""
    import onnx

    def of_graph(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
        for node in graph.node:
            yield from of_node(node)

    def of_node(node: onnx.NodeProto) -> Iterator[onnx.TensorProto]:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
        for graph in subgraphs(node):
            yield from of_graph(graph)

    functions = (tensor for function in model.functions for node in function.node for tensor in of_node(node))
    every = chain(of_graph(model.graph), functions)
    yield from (tensor for tensor in every if tensor.data_location == onnx.TensorProto.EXTERNAL)


def _own_file(path: Path, tensor: onnx.TensorProto) -> Path:
    """The plain file in the folder of the model at `path` that holds the data of `tensor`."""
    keys = [entry.key for entry in tensor.external_data]
    strange = sorted({key for key in keys if key not in _EXTERNAL_KEYS or keys.count(key) > 1})
    if strange:
        raise InputError(
            f"external data of tensor `{tensor.name}` in `{path}` has an unknown or repeated key `{strange[0]}`",
            hint=_EXPORT_HINT,
        )
    named = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
    location = path.parent / named
    try:
        is_inside = location.resolve().is_relative_to(path.parent.resolve())
    except (OSError, RuntimeError, ValueError):  # a circle of links, or a name that no file can have
        is_inside = False
    if not is_inside:
        raise InputError(
            f"external data of tensor `{tensor.name}` lies outside the folder of `{path}`: `{named}`",
            hint="do not run models from a source that you do not trust; else save it again in one folder",
        )
    require_regular_file(location, what="external data")
    if location.is_symlink() or location.stat().st_nlink > 1:
        raise InputError(
            f"external data `{location}` is a link",
            hint=f"put a copy in its place: cp '{location}' copy && mv copy '{location}'",
        )
    if not _lies_within(tensor, location.stat().st_size):
        raise InputError(
            f"external data of tensor `{tensor.name}` in `{path}` does not lie within its file `{named}`",
            hint=_EXPORT_HINT,
        )
    return location


def _lies_within(tensor: onnx.TensorProto, size_bytes: int) -> bool:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    try:
        offset, length = int(entries.get("offset") or 0), int(entries.get("length") or 0)
    except ValueError:
        return False
    return offset >= 0 and length >= 0 and offset + length <= size_bytes
