"""Which objects of a PACS are images to ask about."""

from typing import Final

from pynetdicom import AllStoragePresentationContexts

IMAGES: Final = frozenset(
    context.abstract_syntax
    for context in AllStoragePresentationContexts
    if context.abstract_syntax is not None
    and "Image Storage" in context.abstract_syntax.name
    and "Secondary Capture" not in context.abstract_syntax.name
)
"""Storage classes of pixels as a machine took them. Segmentations, reports and secondary captures, which are what we
store ourselves, are none of them: what comes out never goes in again, even where a PACS sends on all that it gets."""
