"""Signal to noise is a finite number of decibels, whatever the sums."""

import pytest

from edgeopt.measure.signal import signal_to_noise_db


@pytest.mark.parametrize(
    ("signal", "noise", "decibels"),
    [
        (100.0, 1.0, 20.0),
        (1.0, 10.0, -10.0),
        (1.0, 0.0, 120.0),
        (0.0, 0.0, 120.0),
        (0.0, 1.0, -120.0),
        (1, 1e-15, 120.0),
    ],
)
def test_signal_over_noise_in_decibels(signal, noise, decibels):
    assert signal_to_noise_db(signal, noise) == pytest.approx(decibels)
