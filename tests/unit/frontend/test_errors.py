import re
from pathlib import Path

from frontend import errors, input_errors

DOCS = Path("docs/errors.md")


def test_every_code_is_used_once():
    codes = [each.code for each in errors.all_errors()]
    assert len(codes) == len(set(codes)) >= 20
    assert all(re.fullmatch(r"[a-z][a-z_]+", code) for code in codes)


def test_class_families_match_their_status():
    for each in errors.all_errors():
        assert issubclass(each, errors.RequestError if each.status < 500 else errors.ServiceError), each
        assert each.title
        assert each.advice
        assert (each.retry_after_s is not None) is (each.status in (503, 504)), each


def test_the_tree_at_the_top_names_every_class():
    for each in errors.all_errors():
        assert re.search(rf"\b{each.__name__} {each.status}\b", errors.__doc__), each


def test_limits_state_their_value_and_the_value_met():
    assert "at least 51 scans; the limit is 50" in input_errors.ImageTooComplex("scans", 51, 50).detail
    assert "more than 9 bytes" in input_errors.HeadTooLarge(9).detail
    assert "the limit is 10 s" in input_errors.RequestTimeout(10).detail
    assert "5 connections are open" in input_errors.TooManyConnections(5).detail
    assert "5 requests under way; the limit is 5" in errors.TooBusy("m", 5, 5).detail
    assert "has 11 bytes; the limit is 10" in errors.UploadTooLarge(11, 10).detail
    assert "at least 11 bytes" in errors.UploadTooLarge(11, 10, whole=False).detail
    assert "within 0.5 s" in errors.DeadlineExceeded("m", 0.5).detail


def test_every_code_has_its_place_in_the_docs():
    text = DOCS.read_text()
    for each in errors.all_errors():
        assert f"### {each.code} ({each.status})" in text, each.code
