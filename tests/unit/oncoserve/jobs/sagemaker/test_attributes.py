"""Parameters as the one header that SageMaker passes on."""

import pytest

from oncoserve.errors import InvalidParameter
from oncoserve.jobs.sagemaker.attributes import MAX_LENGTH, custom_attributes, read_attributes


def test_what_is_given_is_written_and_null_is_not():
    given = {"mm_per_px": 0.5, "um_per_px": None, "whole": True, "tiles": 3}
    assert custom_attributes("brain_mri", given) == "model=brain_mri,mm_per_px=0.5,whole=true,tiles=3"


@pytest.mark.parametrize("window", ["40,400", "-600.5,1.5e3", "2", "auto"])
def test_a_window_with_a_comma_is_read_as_it_was_written(window):
    text = custom_attributes("brain_mri", {"window": window, "frame": 3})
    assert read_attributes(text) == [("model", "brain_mri"), ("window", window), ("frame", "3")]


@pytest.mark.parametrize("text", ["40", "40,window=1", "model=tiny,deidentify", "=3", "model=tiny,=3"])
def test_what_is_no_list_is_refused(text):
    with pytest.raises(InvalidParameter, match="it is a list such as"):
        read_attributes(text)


@pytest.mark.parametrize("value", ["a,b", "a=b", "a b", "ä", "a\r\nX-Other: 1", "", [1, 2], {"a": 1}])
def test_what_would_be_read_as_something_else_is_refused(value):
    with pytest.raises(InvalidParameter, match="which an endpoint of SageMaker cannot be told"):
        custom_attributes("tiny", {"note": value})


def test_a_header_that_is_too_long_is_refused_with_both_numbers():
    value = "x" * (MAX_LENGTH - len("model=tiny,note="))
    assert len(custom_attributes("tiny", {"note": value})) == MAX_LENGTH
    with pytest.raises(InvalidParameter, match=f"are {MAX_LENGTH + 1} characters long; an endpoint takes {MAX_LENGTH}"):
        custom_attributes("tiny", {"note": value + "x"})
