import re

import pytest

from oncoserve.cli.pacs.storage_sender import Peer


@pytest.mark.parametrize(
    ("text", "peer"),
    [
        ("PACS@pacs.example:104", Peer("PACS", "pacs.example", 104)),
        ("MY PACS@[::1]:11112", Peer("MY PACS", "::1", 11112)),
    ],
)
def test_a_peer(text, peer):
    assert Peer.parse(text) == peer


@pytest.mark.parametrize("text", ["PACS", "PACS@host", "@host:104", "A@B@c:1", "SEVENTEEN_LETTERS@h:1", "A@h:port"])
def test_no_peer(text):
    with pytest.raises(ValueError, match=re.escape(text)):
        Peer.parse(text)
