"""How much a header may hold: whatever is read or written of it afterwards walks over all of it."""

from typing import Final

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from oncoserve.errors import ImageTooComplex

MOST_BYTES: Final = 2**24
"""Before the pixels: an enhanced image takes some 3 KB for each of its frames."""
MOST_ITEMS: Final = 200_000
"""Of sequences."""
MOST_ELEMENTS: Final = 500_000
MOST_DEPTH: Final = 32
"""Of sequences in sequences: reports have some ten."""
ITEMS: Final = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")


def check_size(header: bytes) -> None:
    """Refuse a header that is too long, or may have too many items, before a sequence of it is read.

    Raises:
        ImageTooComplex
    """
    _refuse_above("bytes of header", len(header), MOST_BYTES)
    _refuse_above("items of sequences", max(map(header.count, ITEMS)), MOST_ITEMS)


def check_nesting(dataset: Dataset) -> None:
    """Refuse sequences that are nested too deep, or hold too much.

    Raises:
        ImageTooComplex
    """
    elements, level = 0, [dataset]
    for depth in range(MOST_DEPTH + 1):
        below: list[Dataset] = []
        for each in level:
            elements += len(each)
            _refuse_above("elements", elements, MOST_ELEMENTS)
            for tag in each.keys():  # noqa: SIM118 - an element that is no sequence is left as it is
                if _is_sequence(each, tag):
                    below += each[tag].value
        if not below:
            return
        _refuse_above("sequences in sequences", depth + 1, MOST_DEPTH)
        level = below


def _is_sequence(dataset: Dataset, tag: BaseTag) -> bool:
    """Also where the file leaves it to the standard which elements are some, and none was read yet."""
    kind: str | None = dataset.get_item(tag).VR
    if kind is None and dictionary_has_tag(tag):
        kind = dictionary_VR(tag)
    return kind == "SQ"


def _refuse_above(what: str, met: int, limit: int) -> None:
    if met > limit:
        raise ImageTooComplex(what, met, limit)
