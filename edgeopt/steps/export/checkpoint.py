"""State dicts read without running code, and put into a module key by key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from edgeopt._optional import require
from edgeopt.core.files import require_regular_file, sha256_of
from edgeopt.errors import InputError
from edgeopt.steps.export.quiet import quiet
from edgeopt.steps.export.reference import PURPOSE, Source

# Keys under which training loops keep the state dict beside optimizers and counters; the first that is there counts.
WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "module", "net", "network", "weights", "params")
_MOST_LISTED = 5
_WHOLE_MODULE = "load it where it was made, and save the numbers alone: torch.save(model.state_dict(), 'weights.pt')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a checkpoint was.

    Attributes:
        path: The file.
        sha256: Its digest, hexadecimal.
        tensors: Number of tensors loaded.
        told: What was done to its keys.
    """

    path: Path
    sha256: str
    tensors: int
    told: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The checkpoint under its JSON keys."""
        return {"path": str(self.path), "sha256": self.sha256, "tensors": self.tensors}


def load_checkpoint(source: Source, path: Path) -> Loaded:
    """Load the state dict at `path` into the module of `source`.

    Wrappers such as `{"state_dict": ...}` are opened, and a prefix that all keys share, as `module.` of DataParallel,
    is taken off where the module has no such part.

    Raises:
        InputError: It is no state dict, is damaged, holds pickled objects, or its keys or shapes are not the module's.
    """
    held, told = _opened(path, _read(path))
    own = dict(source.value.state_dict())
    held, prefix = _without_prefix(held, own)
    if prefix:
        told = (*told, f"all keys of `{path}` begin with `{prefix}`, which is taken off")
    _require_same(source, path, held, own)
    source.value.load_state_dict(held, strict=False)  # what is missing is known to be tied or counters
    return Loaded(path=path, sha256=sha256_of(path), tensors=len(held), told=told)


def _read(path: Path) -> Any:
    require_regular_file(path, what="checkpoint")
    if path.suffix.lower() == ".safetensors":
        safetensors = require("safetensors", purpose="read .safetensors files")
        from safetensors.torch import load_file

        try:
            return load_file(str(path), device="cpu")
        except (safetensors.SafetensorError, ValueError, OSError) as error:
            raise InputError(
                f"checkpoint `{path}` is no safetensors file, or is cut off: {_line(error)}", hint="get it again"
            ) from error
    return _unpickled(path)


def _unpickled(path: Path) -> Any:
    import pickle

    torch = require("torch", purpose="read checkpoints")
    try:
        with quiet():
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "GLOBAL" in str(error) or "global" in str(error):
            raise InputError(
                f"checkpoint `{path}` holds a whole module or other objects, and loading these runs their code",
                hint=_WHOLE_MODULE,
            ) from error
        raise _damaged(path, error) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, IndexError, TypeError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: BaseException) -> InputError:
    return InputError(
        f"checkpoint `{path}` is no file that torch.save writes, or is cut off: {_line(error)}",
        hint="give a state dict: torch.save(model.state_dict(), 'weights.pt'), or a .safetensors file",
    )


def _opened(path: Path, value: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The state dict in what a file holds, and what it was found under."""
    told: tuple[str, ...] = ()
    while isinstance(value, Mapping) and not _is_state_dict(value):
        key = next((key for key in WRAPPERS if isinstance(value.get(key), Mapping)), None)
        if key is None:
            break
        value, told = value[key], (*told, f"the state dict of `{path}` lies under `{key}`")
    if not isinstance(value, Mapping) or not _is_state_dict(value):
        keys = ", ".join(f"`{key}`" for key in list(value)[:_MOST_LISTED]) if isinstance(value, Mapping) else ""
        holds = f"a dict with keys {keys}" if keys else f"a `{type(value).__name__}`"
        raise InputError(f"checkpoint `{path}` holds {holds}, no state dict", hint=_WHOLE_MODULE)
    return dict(value), told


def _is_state_dict(value: Mapping[Any, Any]) -> bool:
    import torch

    return bool(value) and all(isinstance(key, str) and isinstance(each, torch.Tensor) for key, each in value.items())


def _without_prefix(held: dict[str, Any], own: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The state dict without the words that all its keys begin with and none of the module's does."""
    prefix = ""
    while held.keys() - own.keys():
        words = {key.partition(".")[0] for key in held}
        word = next(iter(words))
        if len(words) > 1 or any(key.startswith(f"{word}.") for key in own) or not all("." in key for key in held):
            break
        held = {key.partition(".")[2]: tensor for key, tensor in held.items()}
        prefix += f"{word}."
    return held, prefix


def _require_same(source: Source, path: Path, held: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Refuse keys that are missing, that the module does not know, and tensors of other shapes, all at once."""
    missing = [key for key in own if key not in held and not _may_lack(key, held, own)]
    unexpected = [key for key in held if key not in own]
    misshaped = [
        f"`{key}` is {_times(held[key])}, the module's is {_times(own[key])}"
        for key in own
        if key in held and held[key].shape != own[key].shape
    ]
    faults = [
        *([f"lacks {_listed(missing, unexpected)}"] if missing else []),
        *([f"holds {_listed(unexpected, missing)}, which the module does not know"] if unexpected else []),
        *([f"{', '.join(misshaped[:_MOST_LISTED])}{_more(len(misshaped))}"] if misshaped else []),
    ]
    if faults:
        raise InputError(
            f"checkpoint `{path}` does not fit {PURPOSE} `{source.text}`: {'; '.join(faults)}",
            hint="is it the checkpoint of another architecture, or of other options of the factory?",
        )


def _may_lack(key: str, held: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    """Whether a key may be missing: a counter that inference never reads, or a weight tied to one that is there."""
    if key.endswith(".num_batches_tracked"):
        return True
    place = own[key].data_ptr()
    return any(own[other].data_ptr() == place and own[other].shape == own[key].shape for other in held if other in own)


def _listed(keys: list[str], others: Iterable[str]) -> str:
    """Some keys, each with the nearest of the others where one is near."""
    shown = []
    for key in keys[:_MOST_LISTED]:
        near = get_close_matches(key, list(others), n=1, cutoff=0.7)
        shown.append(f"`{key}`" + (f" (near: `{near[0]}`)" if near else ""))
    return ", ".join(shown) + _more(len(keys))


def _more(count: int) -> str:
    return f" and {count - _MOST_LISTED} more" if count > _MOST_LISTED else ""


def _times(tensor: Any) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
