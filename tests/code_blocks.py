"""The commands and code of the documents, which are tested as they are written."""

import re
from pathlib import Path


def code_blocks(document: Path, language: str) -> list[str]:
    """What a Markdown file shows in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE)


def code_block(document: Path, language: str, holding: str) -> str:
    """The only one that holds these words."""
    found = [block for block in code_blocks(document, language) if holding in block]
    assert len(found) == 1, f"{len(found)} blocks of {document} hold {holding!r}"
    return found[0]
