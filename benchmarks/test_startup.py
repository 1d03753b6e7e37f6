"""How long edgeopt takes to begin: the budget of `--help` is 0.1 s."""

import sys

import pytest
from places import EDGEOPT
from process import run_process


@pytest.mark.parametrize(
    "command",
    [
        pytest.param([sys.executable, "-c", "pass"], id="python alone"),
        pytest.param([EDGEOPT, "--help"], id="edgeopt --help"),
        pytest.param([EDGEOPT, "quantize", "--help"], id="edgeopt quantize --help"),
        pytest.param([EDGEOPT, "targets", "list"], id="edgeopt targets list"),
    ],
)
def test_start(benchmark, command):
    cost = benchmark.pedantic(run_process, args=(command,), rounds=10, warmup_rounds=1)

    assert cost.exit_code == 0
