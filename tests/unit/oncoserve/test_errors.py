import re
from pathlib import Path

from oncoserve import errors

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
        assert (each.retry_after_s is not None) is (each.status in (429, 503, 504)), each


def test_the_tree_at_the_top_names_every_class():
    for each in errors.all_errors():
        assert re.search(rf"\b{each.__name__} {each.status}\b", errors.__doc__), each


def test_limits_state_their_value_and_the_value_met():
    busy = errors.TooBusy("m", 5, 5, 8.04, 30.0, 9)
    assert "5 requests under way, about 8 s of work; the limits are 5 requests and 30 s" in busy.detail
    assert busy.retry_after_s == 9
    assert "at least 51 scans; the limit is 50" in errors.ImageTooComplex("scans", 51, 50).detail
    assert "more than 9 bytes" in errors.HeadTooLarge(9).detail
    assert "the limit is 10 s" in errors.RequestTimeout(10).detail
    assert "5 connections have a request" in errors.TooManyConnections(5).detail
    assert "has 11 bytes; the limit is 10" in errors.UploadTooLarge(11, 10).detail
    assert "at least 11 bytes" in errors.UploadTooLarge(11, 10, whole=False).detail
    assert "60 requests were made, and the limit is 60 a minute" in errors.TooManyRequests(60, 0.3).detail
    assert errors.TooManyRequests(60, 1.3).retry_after_s == 2
    assert "within 0.5 s" in errors.DeadlineExceeded("m", 0.5).detail


def test_every_code_has_its_place_in_the_docs():
    sections = dict(re.findall(r"^### (\w+ \(\d+\))\n(.*?)(?=^###|\Z)", DOCS.read_text(), re.MULTILINE | re.DOTALL))
    assert sections.keys() == {f"{each.code} ({each.status})" for each in errors.all_errors()}
    for each in errors.all_errors():
        words = " ".join(sections[f"{each.code} ({each.status})"].split())
        assert words.startswith(f"**{each.title}.** {each.__doc__} {each.advice}"), each.code
