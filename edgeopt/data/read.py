"""The data set behind `--data`: which reader takes it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from edgeopt.core.files import require_regular_file
from edgeopt.errors import InputError

if TYPE_CHECKING:
    from edgeopt.core.artifact import TensorSpec
    from edgeopt.core.dataset import Dataset

# ending -> the function that reads it
READERS: dict[str, str] = {
    ".npz": "edgeopt.data.npz:read_npz",
    ".csv": "edgeopt.data.table:read_csv",
    ".parquet": "edgeopt.data.table:read_parquet",
}


def read_dataset(source: str, inputs: tuple[TensorSpec, ...]) -> Dataset:
    """The samples in `source`, not yet bound to the model.

    Args:
        source: A `.npz`, `.csv` or `.parquet` file, a folder of one folder of images per class, or
            `module:function` (`file.py:function`) that yields batches.
        inputs: What the model takes; readers of images and tables shape the samples by it.

    Raises:
        InputError: No reader takes `source`, it cannot be read, or the model has no inputs.
        ExtraMissing: The reader needs an optional dependency.
    """
    if not inputs:
        raise InputError(f"data `{source}` has nowhere to go: the model takes no inputs", hint="leave `--data` out")
    path = Path(source)
    reader = READERS.get(path.suffix.lower())
    if reader is not None:
        require_regular_file(path, what="data")
        return _load(reader, path, inputs)
    try:
        is_folder, is_there = path.is_dir(), path.exists()
    except OSError:  # a name too long for a file may still be that of a function
        is_folder = is_there = False
    if is_folder:
        return _load("edgeopt.data.images:read_image_folder", path, inputs)
    if ":" in source and not is_there:
        from edgeopt.data.factory import read_factory

        return read_factory(source, inputs)
    if not is_there:
        raise InputError(f"data `{source}` does not exist", hint="check the path")
    raise InputError(
        f"data `{source}` is of no known kind",
        hint=f"give {', '.join(READERS)}, a folder of images per class, or `module:function`",
    )


def _load(reader: str, path: Path, inputs: tuple[TensorSpec, ...]) -> Dataset:
    module, _, function = reader.partition(":")
    return cast("Dataset", getattr(import_module(module), function)(path, inputs))
