"""Cost of `quantize --no-measure` as a whole command: the budget for ResNet8, 200 samples, is 1.0 s and 130 MB."""

import pytest
from places import EDGEOPT, cases
from process import run_process


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_whole_command(benchmark, tmp_path, case):
    output = str(tmp_path / "int8.onnx")
    command = [EDGEOPT, "quantize", str(case.model), "--data", str(case.data), "--no-measure", "--force", "-o", output]

    cost = benchmark.pedantic(run_process, args=(command,), rounds=7, warmup_rounds=1)

    benchmark.extra_info["peak_bytes"] = cost.peak_bytes
    assert cost.exit_code == 0
