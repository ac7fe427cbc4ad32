"""The archive that an endpoint's container answers with, whatever came of a picture: its names, and how large it gets.

The container writes it (frontend/routes/invocations.py), the settler reads it (endpoint_answers.py). It is a ZIP
archive without compression that holds `result.json`, the document as it is stored, and every file that the document
names; or `problem.json` alone, an RFC 9457 problem.
"""

from typing import Final

MEDIA_TYPE: Final = "application/zip"
PROBLEM: Final = "problem.json"

# An overlay of 100 megapixels takes 210 MB where all of it is tissue (2.1 bytes a pixel, by a sample of this project),
# and 300 MB where it is noise; that and the other files fit. It is also what a function of 2 GB holds beside itself.
MAX_BYTES: Final = 2**29
"""Of an archive."""

MAX_CONTENT_BYTES: Final = 2**29
"""Of all that is in it. A bomb of zeros is refused by what its directory says, which is all that is read of it."""

MAX_FILES: Final = 64
"""In it."""
