"""A folder of one folder of images per class; classes are numbered in the order of their names."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from edgeopt._optional import require
from edgeopt.core.artifact import TensorSpec
from edgeopt.core.dataset import Array, Dataset
from edgeopt.core.files import require_regular_file
from edgeopt.errors import InputError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


def read_image_folder(path: Path, inputs: tuple[TensorSpec, ...]) -> Dataset:
    """The images in a folder, resized to the model's input and laid out as it wants them.

    Values stay 0 to 255; scaling is said in `[preprocess]` or by `--scale`, `--mean` and `--std`.

    Raises:
        ExtraMissing: Pillow is not installed.
        InputError: No images, one that cannot be read, or a model that does not take images.
    """
    pillow = require("PIL.Image", purpose="read images")
    height, width, channels, is_nhwc = _image_shape(path, inputs)
    classes = sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    named = [
        (image, label)
        for label, folder in enumerate(classes)
        for image in sorted(folder.iterdir())
        if image.suffix.lower() in ENDINGS
    ]
    if not named:
        raise InputError(f"folder `{path}` holds no images", hint="it needs one folder of images per class")
    pixels = np.stack([_read_image(pillow, image, (width, height), channels) for image, _ in named])
    names = [image.relative_to(path).as_posix() for image, _ in named]
    return Dataset(
        inputs={inputs[0].name: pixels if is_nhwc else pixels.transpose(0, 3, 1, 2)},
        labels=np.array([label for _, label in named], dtype=np.int64),
        columns={"file": np.array(names)},
        source=str(path),
        digest=hashlib.sha256("\n".join(names).encode(errors="surrogateescape") + pixels.tobytes()).hexdigest(),
        indices=np.arange(len(named)),
    )


def _image_shape(path: Path, inputs: tuple[TensorSpec, ...]) -> tuple[int, int, int, bool]:
    """(height, width, channels, whether channels come last) of the model's only input."""
    match inputs[0].shape if len(inputs) == 1 else ():
        case (_, 1 | 3 as channels, int(height), int(width)):
            return height, width, channels, False
        case (_, int(height), int(width), 1 | 3 as channels):
            return height, width, channels, True
    raise InputError(
        f"`{path}` is a folder of images, but the model takes " + "; ".join(str(spec) for spec in inputs),
        hint="give a .npz with one array per input",
    )


def _read_image(pillow: Any, path: Path, size: tuple[int, int], channels: int) -> Array:
    require_regular_file(path, what="image")
    try:
        with pillow.open(path) as image:
            resized = image.convert("L" if channels == 1 else "RGB").resize(size, pillow.Resampling.BILINEAR)
            return np.asarray(resized, dtype=np.uint8).reshape(size[1], size[0], channels)
    except (OSError, ValueError, pillow.DecompressionBombError) as error:
        raise InputError(f"image `{path}` cannot be read: {error}", hint="mend it, or take it out") from error
