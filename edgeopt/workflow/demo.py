"""`edgeopt demo`: the main job from end to end on the model that ships."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from edgeopt.core.config import CONFIG_NAME
from edgeopt.errors import InputError
from edgeopt.workflow.gate import GateResult, gate
from edgeopt.workflow.init import init
from edgeopt.workflow.inputs import BUNDLED_DATA, BUNDLED_MODEL, Named, bundled
from edgeopt.workflow.progress import Report, silent


def demo(
    folder: Named = "edgeopt-demo", *, report: Report = silent, say: Callable[[str], None] = print, seed: int = 0
) -> GateResult:
    """Copy the bundled model and data to `folder`, write a configuration, and run the gate on it.

    Args:
        folder: Where all of it goes; made where it is missing, files of an earlier demo are replaced.
        report: Called with what is being done.
        say: Called with what is done next.
        seed: Seed of draws.

    Raises:
        InputError: The folder cannot be written.
    """
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
        for name in (BUNDLED_MODEL, BUNDLED_DATA):
            shutil.copyfile(bundled(name), place / name)
    except OSError as error:
        raise InputError(
            f"folder `{place}` cannot be written: {error.strerror}", hint="choose another with -o"
        ) from error
    say(f"{place}/{BUNDLED_MODEL}: a ResNet8 trained on handwritten digits, and {BUNDLED_DATA}: 1,797 samples")
    init(place / BUNDLED_MODEL, output=place / CONFIG_NAME, data=place / BUNDLED_DATA, force=True)
    say(f"{place}/{CONFIG_NAME}: quantize to int8, then judge accuracy, latency and size against the original")
    return gate(config=place / CONFIG_NAME, report=report, seed=seed)
