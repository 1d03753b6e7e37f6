"""A quiet block lets nothing out, whoever writes, and leaves all as it was."""

from __future__ import annotations

import logging
import os
import sys
import warnings

import pytest

from edgeopt.steps.export.quiet import quiet


def test_nothing_comes_out_whoever_writes(capfd: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("noisy")
    handler = logging.StreamHandler(sys.stderr)
    logger.addHandler(handler)
    with quiet() as caught:
        print("printed")  # noqa: T201  that is what is tested
        os.write(1, b"native")
        os.write(2, b"native")
        logger.critical("logged")
        warnings.warn("warned", UserWarning, stacklevel=1)
    logger.removeHandler(handler)

    assert capfd.readouterr() == ("", "")
    assert [str(warning.message) for warning in caught] == ["warned"]


def test_afterwards_all_is_heard_again(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), quiet():
        raise KeyError("failed within")
    os.write(1, b"out")
    os.write(2, b"err")
    logging.getLogger("noisy").error("logged")
    with pytest.warns(UserWarning, match="warned"):
        warnings.warn("warned", UserWarning, stacklevel=1)

    assert capfd.readouterr() == ("out", "err")
    assert logging.root.manager.disable == logging.NOTSET
