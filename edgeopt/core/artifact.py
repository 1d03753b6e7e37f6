"""One immutable model file and the tensors that go in and out of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edgeopt.core.files import require_regular_file, sha256_of
from edgeopt.errors import InputError, Unsupported

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Format = Literal["onnx", "tflite", "torch", "c"]  # `c` is a TFLite model as an array in a C header
FORMATS: dict[str, Format] = {".onnx": "onnx", ".tflite": "tflite", ".pt2": "torch"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """How integers of an input or output stand for real numbers: `real = (integer - zero_point) * scale`.

    Attributes:
        scale: Above 0.
        zero_point: The integer that stands for 0.
    """

    scale: float
    zero_point: int

    def quantized(self, values: NDArray[Any], dtype: str) -> NDArray[Any]:
        """Integers that stand for real `values`: `round(value / scale) + zero_point`, ties to even, cut to `dtype`."""
        import numpy as np  # here: listing the record, which reads no array, starts without it

        limits = np.iinfo(dtype)
        scaled = np.rint(np.asarray(values, np.float32) / np.float32(self.scale)) + self.zero_point
        integers: NDArray[Any] = np.clip(scaled, limits.min, limits.max).astype(dtype)
        return integers

    def dequantized(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """The real numbers, float32, that integers stand for."""
        import numpy as np

        centred: NDArray[np.float32] = (values.astype(np.int32) - np.int32(self.zero_point)).astype(np.float32)
        return centred * np.float32(self.scale)


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """Name, shape and dtype of one input or output.

    Attributes:
        name: As the model calls it.
        shape: One entry per axis: its length, or the name of an axis of free length (`""` when it has none).
        dtype: NumPy's name of the element type, as in `float32`.
        quantization: What its integers stand for, where the model says so, as TFLite models do.
    """

    name: str
    shape: tuple[int | str, ...]
    dtype: str
    quantization: Quantization | None = None

    @property
    def has_free_batch(self) -> bool:
        """Whether the first axis takes any length."""
        return bool(self.shape) and not isinstance(self.shape[0], int)

    def concrete_shape(self, batch: int = 1) -> tuple[int, ...]:
        """The shape with `batch` for a free first axis and 1 for every other free axis."""
        lengths = [length if isinstance(length, int) else 1 for length in self.shape]
        if self.has_free_batch:
            lengths[0] = batch
        return tuple(lengths)

    def __str__(self) -> str:
        axes = " x ".join(str(length) or "?" for length in self.shape)
        return f"{self.name} ({axes}) {self.dtype}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A model file, identified by its content.

    Attributes:
        path: Where it lies.
        format: `onnx`, `tflite`, `torch`, or `c` for a C array.
        sha256: Digest of the file, hexadecimal; with external data, of the digests of all its files.
        size_bytes: Size of the file and of its external data, in bytes.
        inputs: What it takes.
        outputs: What it gives.
        lineage: What it was made from and how; empty for a model that came from outside.
    """

    path: Path
    format: Format
    sha256: str
    size_bytes: int
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    lineage: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The artifact as the JSON record holds it."""
        record = {**asdict(self), "path": str(self.path)}
        for spec in (*record["inputs"], *record["outputs"]):
            if spec["quantization"] is None:
                del spec["quantization"]
        return record if self.lineage else {key: value for key, value in record.items() if key != "lineage"}


def artifact_from_file(
    path: Path, *, inputs: tuple[TensorSpec, ...] = (), outputs: tuple[TensorSpec, ...] = ()
) -> Artifact:
    """The artifact in a file, whose format its ending tells.

    Raises:
        InputError: The file cannot be read.
        Unsupported: The ending is none that edgeopt reads.
    """
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise unknown_format(path)
    require_regular_file(path, what="model")
    return Artifact(
        path=path, format=kind, sha256=sha256_of(path), size_bytes=path.stat().st_size, inputs=inputs, outputs=outputs
    )


def unknown_format(path: Path) -> InputError | Unsupported:
    """The refusal for a model whose ending is not known."""
    if path.suffix.lower() in {".h5", ".keras", ".pb"}:
        return Unsupported(
            f"`{path}` is a Keras or TensorFlow model",
            hint="export it to ONNX first (tf2onnx, or keras' `model.export`)",
        )
    return InputError(f"`{path}` has no known model ending", hint="edgeopt reads " + ", ".join(FORMATS))
