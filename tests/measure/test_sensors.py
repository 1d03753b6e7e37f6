"""What the system tells of clock, temperature and memory, from trees of files like its own."""

import sys

import pytest

from edgeopt.measure.sensors import find_sensors


@pytest.fixture
def system(tmp_path):
    """Writes files of a system under a root of its own."""

    def write(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def test_the_clock_is_the_mean_of_the_cpus_that_measure(system):
    root = system(
        sys__devices__system__cpu__cpu0__cpufreq__scaling_cur_freq="600000\n",
        sys__devices__system__cpu__cpu2__cpufreq__scaling_cur_freq="1500000\n",
        sys__devices__system__cpu__cpu3__cpufreq__scaling_cur_freq="1700000\n",
    )

    assert find_sensors([2, 3], root=root).clock_hz() == pytest.approx(1.6e9)


def test_the_temperature_is_that_of_the_hottest_place_of_the_processor(system):
    root = system(
        sys__class__thermal__thermal_zone0__type="cpu-thermal",
        sys__class__thermal__thermal_zone0__temp="61000",
        sys__class__thermal__thermal_zone1__type="battery",
        sys__class__thermal__thermal_zone1__temp="99000",
        sys__class__hwmon__hwmon0__name="k10temp",
        sys__class__hwmon__hwmon0__temp1_input="64250",
        sys__class__hwmon__hwmon0__temp2_input="-274000",
        sys__class__hwmon__hwmon1__name="iwlwifi",
        sys__class__hwmon__hwmon1__temp1_input="90000",
    )

    assert find_sensors([0], root=root).celsius() == 64.25


def test_a_system_that_tells_nothing_gives_none(tmp_path):
    sensors = find_sensors([0], root=tmp_path)

    assert (sensors.clock_hz(), sensors.celsius(), sensors.resident_bytes()) == (None, None, None)


def test_a_sensor_that_falls_silent_gives_none(system):
    root = system(sys__devices__system__cpu__cpu0__cpufreq__scaling_cur_freq="600000", proc__self__statm="1 2 3")
    sensors = find_sensors([0], root=root)
    (root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq").write_text("<unknown>")
    (root / "proc/self/statm").unlink()

    assert (sensors.clock_hz(), sensors.resident_bytes()) == (None, None)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells it")
def test_this_process_has_memory():
    assert 1_000_000 < find_sensors([0]).resident_bytes() < 100_000_000_000
