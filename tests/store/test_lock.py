"""A lock between processes."""

import subprocess
import sys

import pytest

from edgeopt.errors import InputError
from edgeopt.store.lock import locked

HOLDER = """
import sys
from pathlib import Path
from edgeopt.store.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock `tmp_path / "lock"` until it is killed."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_lock_is_given_back(tmp_path):
    for _ in range(2):
        with locked(tmp_path / "lock", patience_seconds=0):
            assert (tmp_path / "lock").exists()


def test_a_lock_that_another_process_holds_is_waited_for_and_then_refused(tmp_path, holder):
    with pytest.raises(InputError, match="has held"), locked(tmp_path / "lock", patience_seconds=0.02):
        pass


def test_a_lock_ends_with_the_process_that_held_it(tmp_path, holder):
    holder.kill()
    holder.wait()

    with locked(tmp_path / "lock", patience_seconds=0):
        pass
