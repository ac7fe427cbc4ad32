"""The numbers of a grey frame, kept and read again."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from oncoserve.pictures.grey_values import kept, read


def again(values):
    data, grey = kept(values, inverted=False)
    high, low, nothing = np.moveaxis(read(data).astype(float), 2, 0)
    assert not nothing.any()
    assert grey.steps == (high * 256 + low).max()
    return grey.low + grey.step * (high * 256 + low), grey


@pytest.mark.parametrize(
    "values",
    [
        np.arange(-1024, 3072, dtype=np.int16).reshape(64, 64),
        np.arange(65536, dtype=np.uint16).reshape(256, 256),
        np.arange(256, dtype=np.uint8).reshape(16, 16),
        np.arange(-50.0, 50.0).reshape(10, 10),
        np.full((3, 5), 7),
    ],
)
def test_whole_numbers_are_kept_as_they_are(values):
    found, grey = again(values)
    np.testing.assert_array_equal(found, values)
    assert (grey.low, grey.step) == (values.min(), 1)


def test_others_are_kept_to_a_65536th():
    values = np.random.default_rng(1).normal(size=(40, 30)) * 1e-4
    found, grey = again(values)
    np.testing.assert_allclose(found, values, atol=np.ptp(values) / 65535)
    assert grey.dark == pytest.approx(np.percentile(values, 1))
    assert grey.bright == pytest.approx(np.percentile(values, 99))


@pytest.mark.parametrize("values", [[1e308, -1e308], [5e-324, 0.0], [1e-320, 3e-320], [np.inf, 1e308], [7.5, 7.5]])
def test_what_is_said_of_extreme_numbers_is_numbers(values):
    data, grey = kept(np.array([values]), inverted=False)
    json.dumps(asdict(grey), allow_nan=False)
    assert grey.step > 0
    assert read(data).shape == (1, 2, 3)


def test_what_is_no_number_is_the_smallest():
    values = np.array([[np.nan, 1.5], [np.inf, 2.5]])
    found, _ = again(values)
    np.testing.assert_allclose(found, [[1.5, 1.5], [1.5, 2.5]], atol=1e-4)
    assert again(np.full((2, 2), np.nan))[1].steps == 0
