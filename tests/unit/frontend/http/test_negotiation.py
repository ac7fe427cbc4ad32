import pytest

from frontend.http.negotiation import choose
from oncoserve.errors import NotAcceptable

OFFERED = ["application/json", "image/png"]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("image/png", "image/png"),
        ("IMAGE/PNG", "image/png"),
        ("image/*", "image/png"),
        ("application/json;q=0.5, image/png", "image/png"),
        ("image/png;q=0.5, */*;q=0.8", "application/json"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "application/json"),
        ("application/json;q=0, */*", "image/png"),
        ("image/png;q=nonsense, application/json;q=0.1", "application/json"),
    ],
)
def test_choice(accept, expected):
    assert choose(accept, OFFERED) == expected


@pytest.mark.parametrize("accept", ["text/html", "image/png;q=0", "*/*;q=0", ";;,,"])
def test_nothing_fits(accept):
    with pytest.raises(NotAcceptable, match="offered are: application/json, image/png"):
        choose(accept, OFFERED)
