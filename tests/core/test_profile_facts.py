"""What the collected hardware facts mark as unverified is marked so in the profiles too."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from edgeopt.core.profiles import load_target

# profile -> target of the table
ROWS = {
    "rpi-zero2w": "rpi_zero2w",
    "rpi3": "rpi3b",
    "rpi4": "rpi4",
    "rpi5": "rpi5",
    "jetson-nano": "jetson_nano",
    "orin-nano": "orin_nano",
    "n100": "intel_n100",
    "stm32l4r5": "stm32l4r5zi",
    "stm32h7": "stm32h7a3zi",
    "stm32u5": "stm32u575zi",
    "nrf5340": "nrf5340",
}
# column -> figure
COLUMNS = {
    "l1d_per_core": "l1d_bytes",
    "l2": "l2_bytes",
    "l3": "l3_bytes",
    "ram": "ram_bytes",
    "flash": "flash_bytes",
    "load_W": "load_w",
}
# Found in a source since: OpenCV Zoo's table of boards; an answer by ST on the part number.
FOUND = {("orin-nano", "l2_bytes"), ("orin-nano", "l3_bytes"), ("stm32u5", "flash_bytes"), ("n100", "load_w")}


@pytest.mark.shared
@pytest.mark.parametrize("name", ROWS)
def test_marks_of_the_collected_facts_are_kept(shared_data: Path, name: str) -> None:
    with (shared_data / "latency" / "hardware_facts.csv").open(newline="") as stream:
        facts = {row["target"]: row for row in csv.DictReader(stream)}[ROWS[name]]
    figures = dict(load_target(name).figures())
    doubtful = {figure for column, figure in COLUMNS.items() if "unverified" in facts[column] and figure in figures}

    assert [key for key in sorted(doubtful) if figures[key].verified and (name, key) not in FOUND] == []
    assert figures["cores"].value == float(facts["cores"])
    assert figures["clock_hz"].value == pytest.approx(float(facts["max_ghz"]) * 1e9)
