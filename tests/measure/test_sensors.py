"""Sensors of the system: those that count, and what becomes of silent ones."""

import sys

import pytest

from edgeopt.measure.sensors import find_sensors, preemptions


@pytest.fixture
def system(tmp_path):
    """Writes files below a root of its own and gives that."""

    def write(**files):
        for name, content in files.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path

    return write


CLOCK = "sys__devices__system__cpu__cpu{}__cpufreq__scaling_cur_freq"
ZONE = "sys__class__thermal__thermal_zone{}__{}"
CHIP = "sys__class__hwmon__hwmon{}__{}"


def test_the_clock_is_the_mean_of_the_cpus_that_are_used(system):
    root = system(**{CLOCK.format(0): "600000\n", CLOCK.format(1): "1500000\n", CLOCK.format(2): "1700000\n"})

    assert find_sensors([1, 2], root=root).clock_hz() == 1.6e9


def test_the_temperature_is_that_of_the_hottest_place_of_the_processor(system):
    root = system(
        **{ZONE.format(0, "type"): "cpu-thermal\n", ZONE.format(0, "temp"): "61500\n"},
        **{ZONE.format(1, "type"): "battery\n", ZONE.format(1, "temp"): "99000\n"},
        **{CHIP.format(0, "name"): "k10temp\n", CHIP.format(0, "temp1_input"): "70250\n"},
        **{CHIP.format(1, "name"): "nvme\n", CHIP.format(1, "temp1_input"): "98000\n"},
    )

    assert find_sensors([0], root=root).celsius() == 70.25


def test_a_sensor_that_is_not_connected_does_not_count(system):
    root = system(
        **{ZONE.format(0, "type"): "soc-thermal", ZONE.format(0, "temp"): "-274000"},
        **{ZONE.format(1, "type"): "cpu-thermal", ZONE.format(1, "temp"): "asleep"},
    )

    assert find_sensors([0], root=root).celsius() is None


def test_resident_memory_is_the_second_number_of_statm(system):
    import resource

    root = system(proc__self__statm="9000 250 90 1 0 700 0")

    assert find_sensors([0], root=root).resident_bytes() == 250 * resource.getpagesize()


def test_a_system_that_tells_nothing_gives_nothing(tmp_path):
    sensors = find_sensors([0], root=tmp_path)

    assert (sensors.clock_hz(), sensors.celsius(), sensors.resident_bytes()) == (None, None, None)


def test_a_file_that_goes_away_is_no_failure(system):
    root = system(**{CLOCK.format(0): "600000"}, proc__self__statm="9000 250 90")
    sensors = find_sensors([0], root=root)
    (root / "proc/self/statm").unlink()
    (root / CLOCK.format(0).replace("__", "/")).unlink()

    assert (sensors.clock_hz(), sensors.resident_bytes()) == (None, None)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_this_process_has_memory_and_lost_turns():
    assert find_sensors([0]).resident_bytes() > 1_000_000
    assert preemptions() >= 0
