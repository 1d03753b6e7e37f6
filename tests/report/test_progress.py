"""The bar on a terminal."""

import io

from rich.console import Console

from edgeopt.report import progress


def test_a_bar_is_drawn_per_stage_and_goes_away(monkeypatch):
    drawn = io.StringIO()
    monkeypatch.setattr(
        progress, "Console", lambda **_options: Console(file=drawn, force_terminal=True, width=80, color_system=None)
    )

    with progress.progress_bar() as report:
        report("calibrating", 1, 2)
        report("calibrating", 2, 2)
        report("measuring", 0, 5)

    assert "calibrating" in drawn.getvalue()
    assert "measuring" in drawn.getvalue()
