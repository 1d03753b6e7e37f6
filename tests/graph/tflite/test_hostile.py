"""Files that were changed at random: edgeopt refuses them or reads them, and what it reads LiteRT survives."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgeopt.errors import InputError
from edgeopt.graph.tflite.arena import as_int8, plan_arena
from edgeopt.graph.tflite.cmsis import scratch_with_cmsis
from edgeopt.graph.tflite.costs import cost_of_tflite, operators_of_tflite
from edgeopt.graph.tflite.quantization import quantization_state_of_tflite
from edgeopt.graph.tflite.read import read_tflite
from edgeopt.graph.tflite.support import lacking_in_micro, slow_in_integers, slow_in_words
from tests.small_tflite import EXPECTED, SmallTflite

_CHANGES = 300
_EXTREMES = (-1, 0, 1, 2**31 - 1, -(2**31), 255, 65536)
# Opens each file and infers once; what edgeopt refuses is fine, and anything else ends the process.
_RUN = """
import sys
from pathlib import Path
import numpy as np
from edgeopt.errors import EdgeoptError
from edgeopt.runners import runner_named
for name in sys.argv[2:]:
    print(name, flush=True)
    try:
        with runner_named(sys.argv[1]).open(Path(name)) as session:
            feeds = {spec.name: np.zeros(spec.concrete_shape(), spec.dtype) for spec in session.inputs}
            session.infer(feeds)
    except EdgeoptError:
        continue
"""


def changed(generator: np.random.Generator) -> Iterator[bytes]:
    """Small models with bytes changed, numbers made extreme, a part copied over another, or the end cut off."""
    sources = [getattr(SmallTflite(), name)().content() for name in (*EXPECTED, "custom")]
    for _ in range(_CHANGES):
        content = bytearray(sources[generator.integers(len(sources))])
        at, other = generator.integers(8, len(content) - 4, 2)
        match generator.integers(4):
            case 0:
                for place in generator.integers(len(content), size=generator.integers(1, 6)):
                    content[place] = generator.integers(256)
            case 1:
                content[at : at + 4] = np.int32(generator.choice([*_EXTREMES, len(content)])).tobytes()
            case 2:
                content[at : at + 4] = content[other : other + 4]
            case _:
                content = content[:at]
        yield bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["litert", "litert-reference"])
def test_what_the_check_lets_through_ends_no_process_in_litert(tmp_path: Path, runtime: str) -> None:
    taken = []
    for number, content in enumerate(changed(np.random.default_rng(7))):
        path = tmp_path / f"{number}.tflite"
        path.write_bytes(content)
        try:
            model = read_tflite(path)
        except InputError:
            continue
        cost_of_tflite(model)
        operators_of_tflite(model)
        quantization_state_of_tflite(model)
        taken.append(str(path))
    assert _CHANGES // 10 < len(taken) < _CHANGES // 2

    ran = subprocess.run(
        [sys.executable, "-c", _RUN, runtime, *taken], capture_output=True, text=True, timeout=300, check=False
    )

    assert ran.returncode == 0, f"after {ran.stdout.split()[-1]}: {ran.stderr[-500:]}"
    assert ran.stdout.split() == taken


def test_whatever_the_check_lets_through_can_be_planned_for_a_microcontroller(tmp_path: Path) -> None:
    planned = 0
    for content in changed(np.random.default_rng(11)):
        path = tmp_path / "changed.tflite"
        path.write_bytes(content)
        try:
            model = read_tflite(path)
        except InputError:
            continue
        for one in (model, as_int8(model)):
            for has_vectors in (False, True):
                arena = plan_arena(one, scratch=scratch_with_cmsis(has_vectors=has_vectors))
                assert 0 < arena.used_bytes <= arena.needed_bytes
        lacking_in_micro(model)
        slow_in_integers(model)
        slow_in_words(model)
        planned += 1
    assert planned > _CHANGES // 10
