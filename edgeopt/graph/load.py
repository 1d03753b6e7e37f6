"""ONNX files opened without trusting them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgeopt.core.artifact import Artifact, TensorSpec, artifact_from_file
from edgeopt.core.files import require_regular_file
from edgeopt.errors import InputError, Unsupported

if TYPE_CHECKING:
    import onnx

# What a file that is not a model often is, told by its first bytes.
_IMPOSTORS: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "is a Git LFS pointer, not the model", "run `git lfs pull`"),
    (b"<!DOCTYPE", "is an HTML page, not a model", "the download gave an error page; fetch the file itself"),
    (b"<html", "is an HTML page, not a model", "the download gave an error page; fetch the file itself"),
    (b"PK\x03\x04", "is a zip archive, not an ONNX model", "unpack it, or export the checkpoint to ONNX first"),
    (b"\x80\x02", "is a Python pickle, not an ONNX model", "export the checkpoint to ONNX first"),
    (b"\x89HDF", "is an HDF5 (Keras) file, not an ONNX model", "export it to ONNX first (tf2onnx)"),
)
_EXTERNAL_KEYS = {"location", "offset", "length", "checksum", "basepath"}


def load_onnx(path: Path) -> onnx.ModelProto:
    """The model in an ONNX file, with external data read in.

    Raises:
        InputError: Not an ONNX model, damaged, or with external data outside its own folder.
    """
    import onnx

    model = read_proto(path)
    if any(True for _ in _external_tensors(model)):
        _require_own_external_data(path, model)
        try:
            onnx.load_external_data_for_model(model, str(path.parent))
        except (onnx.checker.ValidationError, OSError, ValueError) as error:
            raise InputError(f"external data of `{path}` cannot be read: {error}", hint="copy it next to it") from error
    return model


def read_proto(path: Path) -> onnx.ModelProto:
    """The model without its external data, checked to be one.

    Raises:
        InputError: Not an ONNX model, damaged, or without graph, operators or opset.
    """
    import onnx
    from google.protobuf.message import DecodeError

    require_regular_file(path, what="model")
    with path.open("rb") as stream:
        head = stream.read(64)
    for magic, what, hint in _IMPOSTORS:
        if head.lstrip().startswith(magic):
            raise InputError(f"`{path}` {what}", hint=hint)
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except (DecodeError, ValueError, RecursionError) as error:
        raise InputError(
            f"`{path}` is not an ONNX model, or is cut off", hint="export or download it again; is it complete?"
        ) from error
    if not model.ir_version or not model.graph.output or not model.opset_import:
        raise InputError(f"`{path}` holds no usable ONNX graph", hint="export it again, with torch.onnx.export or such")
    return model


def onnx_artifact(path: Path, model: onnx.ModelProto | None = None) -> Artifact:
    """The artifact in an ONNX file, with its inputs and outputs.

    Args:
        path: The file.
        model: What `read_proto` gave for it, when it was read already.
    """
    artifact = artifact_from_file(path)
    if artifact.format != "onnx":
        raise Unsupported(f"`{path}` is a {artifact.format} file, this needs an ONNX model", hint="convert from ONNX")
    graph = (model or read_proto(path)).graph
    constants = {tensor.name for tensor in graph.initializer} | {
        tensor.values.name for tensor in graph.sparse_initializer
    }
    return replace(
        artifact,
        inputs=tuple(_spec(value) for value in graph.input if value.name not in constants),
        outputs=tuple(_spec(value) for value in graph.output),
    )


def _spec(value: onnx.ValueInfoProto) -> TensorSpec:
    import onnx

    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type"):
        return TensorSpec(name=value.name, shape=(), dtype="object")
    try:
        dtype = str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    except KeyError as error:
        raise InputError(f"tensor `{value.name}` has unknown element type `{tensor.elem_type}`") from error
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
            if attribute.HasField("g"):
                yield from of_graph(attribute.g)
            for graph in attribute.graphs:
                yield from of_graph(graph)

    every = [*of_graph(model.graph), *(tensor for function in model.functions for n in function.node for tensor in of_node(n))]
    yield from (tensor for tensor in every if tensor.data_location == onnx.TensorProto.EXTERNAL)


def _require_own_external_data(path: Path, model: onnx.ModelProto) -> None:
    """Refuse external data that is not a plain file in the model's own folder.

    Links are refused too: ONNX Runtime 1.32 follows hard links that `onnx` refuses (CVE-2026-34446).
    """
    folder = path.parent.resolve()
    for tensor in _external_tensors(model):
        entries = {entry.key: entry.value for entry in tensor.external_data}
        strange = sorted(entries.keys() - _EXTERNAL_KEYS)
        if strange:
            raise InputError(f"external data of tensor `{tensor.name}` in `{path}` has unknown key `{strange[0]}`")
        location = path.parent / entries.get("location", "")
        if not location.resolve().is_relative_to(folder):
            raise InputError(
                f"external data of tensor `{tensor.name}` lies outside the folder of `{path}`: "
                f"`{entries.get('location', '')}`",
                hint="do not run models from a source that you do not trust; else save it again in one folder",
            )
        require_regular_file(location, what="external data")
        if location.is_symlink() or location.stat().st_nlink > 1:
            raise InputError(
                f"external data `{location}` is a link", hint=f"replace it by a copy: cp --remove-destination '{location}'"
            )
