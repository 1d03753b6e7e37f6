"""Samples made ready for a model: names, shapes, dtypes and finite values checked before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from edgeopt.core.artifact import Quantization, TensorSpec
from edgeopt.core.dataset import Array, Dataset, Samples
from edgeopt.core.stored_rows import StoredRows, blocks
from edgeopt.data.preprocess import Preprocess, fitting_layouts
from edgeopt.errors import InputError

SYNTHETIC = "random inputs"
_IMAGE_RANK = 4
_FREE_PIXELS = 32


def bind_dataset(dataset: Dataset, inputs: tuple[TensorSpec, ...], preprocess: Preprocess | None = None) -> Dataset:
    """`dataset` with each input preprocessed, of the model's dtype and of a shape that it takes.

    For an input whose integers stand for real numbers, samples are real numbers and are quantized, unless they are of
    its own dtype: then they are taken as what the model is to see.

    Raises:
        InputError: An input has another shape, holds NaN, infinity or what the model's dtype cannot, or labels are not
            numbers.
    """
    recipe = preprocess or Preprocess()
    bound = {spec.name: _bound(dataset, spec, recipe) for spec in inputs}
    if dataset.labels is not None:
        _require_numbers(
            dataset.labels.dtype, "labels", dataset.source, hint="write class numbers, 0 for the first class"
        )
        _require_finite(dataset.labels, "labels", dataset.source)
    return replace(dataset, inputs=bound)


def synthetic_dataset(inputs: tuple[TensorSpec, ...], *, samples: int, seed: int) -> Dataset:
    """Samples drawn at random where there is no data: standard normal floats, bytes, zeros for other integers.

    Free axes of images get a length of `_FREE_PIXELS`, others 1. The samples exercise the kernels; a range or an
    accuracy that rests on them proves nothing, and callers say so.

    Raises:
        InputError: An input has no axis of samples.
    """
    generator = np.random.default_rng(seed)
    arrays: dict[str, Array] = {}
    for spec in inputs:
        _require_axis_of_samples(spec)
        arrays[spec.name] = _random(generator, (samples, *_shape_of_sample(spec)), spec)
    return Dataset(inputs=arrays, source=SYNTHETIC, indices=np.arange(samples))


def _random(generator: np.random.Generator, shape: tuple[int, ...], spec: TensorSpec) -> Array:
    dtype = spec.dtype
    if spec.quantization:
        return spec.quantization.quantized(generator.standard_normal(shape), dtype)
    if dtype == "uint8":  # pixels; wider integers are often positions in a table of unknown length
        return generator.integers(0, 256, shape, dtype=np.uint8)
    if np.dtype(dtype).kind == "f":
        return generator.standard_normal(shape).astype(dtype)
    return np.zeros(shape, dtype=dtype)


def _shape_of_sample(spec: TensorSpec) -> tuple[int, ...]:
    """A shape that the model is likely to run on: height and width are not 1, where padding would be all there is."""
    free = sum(not isinstance(length, int) for length in spec.shape[1:])
    is_image = len(spec.shape) >= _IMAGE_RANK and free <= len(spec.shape) - 2
    return tuple(length if isinstance(length, int) else _FREE_PIXELS if is_image else 1 for length in spec.shape[1:])


def _require_axis_of_samples(spec: TensorSpec) -> None:
    if not spec.shape:
        raise InputError(
            f"model input `{spec.name}` has no axis of samples: it is a single number, or its shape is not said",
            hint="export the model with inputs of shape (batch, ...), and single numbers fixed",
        )


def _bound(dataset: Dataset, spec: TensorSpec, preprocess: Preprocess) -> Samples:
    _require_axis_of_samples(spec)
    raw, source = dataset.inputs[spec.name], dataset.source
    _require_numbers(raw.dtype, spec.name, source, hint="give it numbers")
    samples = _prepared(raw, partial(_shaped, spec=spec, preprocess=preprocess))
    _require_shape(samples.shape, spec, source)
    if np.dtype(spec.dtype).kind != "f":  # a cast to floats keeps NaN and infinity, one to integers hides them
        _require_finite(samples, spec.name, source)
    if spec.quantization and samples.dtype != spec.dtype:
        return _prepared(samples, partial(_quantized, quantization=spec.quantization, dtype=spec.dtype))
    if np.dtype(spec.dtype).kind != "f":
        _require_range(samples, spec, source)
    cast = _prepared(samples, partial(_cast, dtype=spec.dtype))
    _require_finite(cast, spec.name, source)
    return cast


def _prepared(samples: Samples, step: Callable[[Array], Array]) -> Samples:
    """All samples after a step: an array now, rows in a file whenever they are read."""
    return samples.prepared(step) if isinstance(samples, StoredRows) else step(samples)


def _shaped(samples: Array, *, spec: TensorSpec, preprocess: Preprocess) -> Array:
    return _with_model_rank(preprocess.apply(samples, spec.shape), spec)


def _cast(samples: Array, *, dtype: str) -> Array:
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(samples, dtype=dtype)


def _quantized(samples: Array, *, quantization: Quantization, dtype: str) -> Array:
    return np.ascontiguousarray(quantization.quantized(samples, dtype))


def _with_model_rank(samples: Array, spec: TensorSpec) -> Array:
    """One number per sample, as columns of tables hold it, as the row of one feature that most models take."""
    if samples.ndim == 1 and len(spec.shape) == 2:
        return samples.reshape(-1, 1)
    return samples


def _require_shape(shape: tuple[int, ...], spec: TensorSpec, source: str) -> None:
    wanted, given = spec.shape[1:], shape[1:]
    fits = len(wanted) == len(given) and all(
        not isinstance(length, int) or length == actual for length, actual in zip(wanted, given, strict=True)
    )
    if not fits:
        raise InputError(
            f"`{spec.name}` of `{source}` has samples of shape {_times(given)}, the model takes {_times(wanted)}",
            hint=_shape_hint(wanted, given),
        )


def _shape_hint(wanted: tuple[int | str, ...], given: tuple[int, ...]) -> str:
    if fitting_layouts(given, wanted):
        return "the data has another layout: `--layout nhwc` (or nchw) says which the data has"
    if len(wanted) == len(given) and sorted(map(str, wanted)) == sorted(map(str, given)):
        return "the axes of the data are in another order, which no layout of images has: transpose them"
    return "is this the data of another model? `edgeopt inspect` shows what the model takes"


def _require_numbers(dtype: np.dtype[Any], name: str, source: str, *, hint: str) -> None:
    if dtype.kind not in "iufb":
        what = "text" if dtype.kind in "US" else f"`{dtype}`"
        raise InputError(f"`{name}` of `{source}` holds {what}, not numbers", hint=hint)


def _require_range(samples: Samples, spec: TensorSpec, source: str) -> None:
    """Refuse samples that a cast to the model's integers would wrap around or cut off."""
    dtype = np.dtype(spec.dtype)
    if dtype.kind not in "iu" or np.can_cast(samples.dtype, dtype):
        return
    limits = np.iinfo(dtype)
    for block in blocks(samples):
        is_whole = block.dtype.kind != "f" or bool(np.all(block == np.rint(block)))
        if block.size and (not is_whole or block.min() < limits.min or block.max() > limits.max):
            raise InputError(
                f"`{spec.name}` of `{source}` holds numbers from {block.min():.6g} to {block.max():.6g}, "
                f"the model takes `{dtype}`",
                hint=f"give whole numbers from {limits.min} to {limits.max}; "
                "are `--scale`, `--mean` and `--std` right?",
            )


def _require_finite(values: Samples, name: str, source: str) -> None:
    if values.dtype.kind != "f":
        return
    bad = np.concatenate([~np.isfinite(block).all(axis=tuple(range(1, block.ndim))) for block in blocks(values)])
    if bad.any():
        raise InputError(
            f"`{name}` of `{source}` holds NaN or infinity in {int(bad.sum())} of {len(values)} samples "
            f"(the first is number {int(np.argmax(bad))})",
            hint="drop or mend these samples; a range taken from them would be meaningless",
        )


def _times(shape: tuple[int | str, ...]) -> str:
    return "x".join(str(length) or "?" for length in shape) or "scalar"
