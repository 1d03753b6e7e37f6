"""Models in memory handed to files and runtimes, those above 2 GiB too, which one protobuf message cannot hold.

Large constants then lie in a second file beside the model. Its name is made from its content, so that a model never
reads the data of another, and one that is overwritten stays whole until the new one takes its name.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from edgeopt.core.files import replacing, sha256_of

if TYPE_CHECKING:
    import onnx

# Protobuf's limit is 2 GiB for a message; what is not the data of constants (nodes, names) has to fit in beside them.
_MOST_BYTES = (1 << 31) - (64 << 20)
_SMALLEST_EXTERNAL_BYTES = 1024
_ALIGNMENT = 4096  # runtimes map pages of the file into memory
_CHUNK_BYTES = 1 << 24


def fits_one_message(model: onnx.ModelProto) -> bool:
    """Whether `model` can be serialized: protobuf itself fails, after gigabytes of copies."""
    return sum(size_in_bytes(tensor) for tensor in model.graph.initializer) < _MOST_BYTES


def save_onnx(model: onnx.ModelProto, path: Path) -> None:
    """Write `model` to `path`, whole or not at all: one file, or above 2 GiB a second one with its large constants.

    Raises:
        InputError: `path` may not be written, or the disk refuses.
    """
    if fits_one_message(model):
        with replacing(path, force=True) as temporary:
            temporary.write_bytes(model.SerializeToString())
        return
    beside = path.with_name(f".{path.name}.data")
    with contextlib.ExitStack() as undo, replacing(path, force=True) as temporary:
        with replacing(beside, force=True) as data:
            light = _written_apart(model, data)
            digest = sha256_of(data)
        named = path.with_name(f"edgeopt-{digest[:16]}.data")
        undo.callback(beside.unlink, missing_ok=True)
        is_new = not named.exists()
        beside.replace(named)
        if is_new:
            undo.callback(named.unlink, missing_ok=True)
        _set_location(light, named.name)
        temporary.write_bytes(light.SerializeToString())
        undo.pop_all()


@contextlib.contextmanager
def as_source(model: onnx.ModelProto) -> Iterator[bytes | str]:
    """`model` as a runtime's session takes it: its bytes, or above 2 GiB the path of a file that is there meanwhile."""
    if fits_one_message(model):
        yield model.SerializeToString()
        return
    with tempfile.TemporaryDirectory(prefix="edgeopt-") as folder:
        data, path = Path(folder, "constants.data"), Path(folder, "model.onnx")
        light = _written_apart(model, data)
        _set_location(light, data.name)
        path.write_bytes(light.SerializeToString())
        yield str(path)


def without_large_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of `model` whose constants of a kilobyte or more have a type and a shape, but no data."""
    import onnx

    light = onnx.ModelProto()
    copy_fields(model, light, apart="graph")
    copy_fields(model.graph, light.graph, apart="initializer")
    for tensor in model.graph.initializer:
        is_large = size_in_bytes(tensor) >= _SMALLEST_EXTERNAL_BYTES
        light.graph.initializer.append(
            onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims) if is_large else tensor
        )
    return light


def _written_apart(model: onnx.ModelProto, data: Path) -> onnx.ModelProto:
    """A copy of `model` whose large constants lie in the file `data`; where that is, `_set_location` says."""
    import onnx

    light = onnx.ModelProto()
    copy_fields(model, light, apart="graph")
    copy_fields(model.graph, light.graph, apart="initializer")
    with data.open("wb") as stream:
        for tensor in model.graph.initializer:
            light.graph.initializer.append(_tensor_apart(tensor, stream))
    return light


def copy_fields(source: Any, copy: Any, *, apart: str) -> None:
    """Copy all fields of a protobuf message but the one named `apart`."""
    for field, value in source.ListFields():
        if field.name == apart:
            continue
        if field.is_repeated:
            getattr(copy, field.name).extend(value)
        elif field.message_type:
            getattr(copy, field.name).CopyFrom(value)
        else:
            setattr(copy, field.name, value)


def _tensor_apart(tensor: onnx.TensorProto, stream: IO[bytes]) -> onnx.TensorProto:
    """`tensor`, or one like it whose data has been written to `stream`."""
    import onnx

    if not tensor.HasField("raw_data") or size_in_bytes(tensor) < _SMALLEST_EXTERNAL_BYTES:
        return tensor
    content = tensor.raw_data
    stream.write(bytes(-stream.tell() % _ALIGNMENT))
    light = onnx.TensorProto(
        name=tensor.name, data_type=tensor.data_type, dims=tensor.dims, data_location=onnx.TensorProto.EXTERNAL
    )
    for key, value in (("offset", stream.tell()), ("length", len(content))):
        light.external_data.add(key=key, value=str(value))
    stream.write(content)
    return light


def _set_location(model: onnx.ModelProto, name: str) -> None:
    import onnx

    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            tensor.external_data.add(key="location", value=name)


def size_in_bytes(tensor: onnx.TensorProto) -> int:
    """Bytes that the data of a constant takes."""
    import onnx

    if tensor.data_type == onnx.TensorProto.STRING:
        return sum(map(len, tensor.string_data))
    width = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return int(np.prod(tensor.dims, dtype=np.int64)) * width
