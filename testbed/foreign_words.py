"""What a caller should never read: the words of a library, of Python, or the service's own paths."""

import re
from typing import Final

FOREIGN_WORDS: Final = re.compile(
    r"object at 0x|BytesIO|<_io|<class|Traceback|\w(?:Error|Exception)\b|site-packages|PIL|zlib|/\w+\.py|(?<!\w)b'"
)
