"""The number of threads that NumPy multiplies with: one inside the block, and what it was behind it."""

import numpy as np
import pytest

from edgeopt.steps.quantize.rounding import blas


@pytest.fixture
def threads():
    functions = blas._openblas()
    if functions is None:
        pytest.skip("NumPy does not multiply with OpenBLAS here")
    return functions


def test_openblas_is_found_where_numpy_says_that_it_uses_it():
    built_with = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]

    assert (blas._openblas() is not None) == ("openblas" in built_with)


def test_products_run_on_one_thread_inside_the_block_only(threads):
    get, set_ = threads
    before = get()
    try:
        set_(2)
        most = get()  # 1 where OpenBLAS was told so from outside
        with blas.single_threaded():
            assert get() == 1
            assert np.ones((300, 300)) @ np.ones(300) == pytest.approx(np.full(300, 300))
        assert get() == most
    finally:
        set_(before)


def test_a_failure_inside_the_block_gives_the_threads_back(threads):
    get, _ = threads
    before = get()

    def fail():
        raise ArithmeticError

    with pytest.raises(ArithmeticError), blas.single_threaded():
        fail()

    assert get() == before


def test_without_openblas_nothing_changes(monkeypatch):
    monkeypatch.setattr(blas, "_openblas", lambda: None)

    with blas.single_threaded():
        assert (np.eye(3) @ np.ones(3)).tolist() == [1, 1, 1]
