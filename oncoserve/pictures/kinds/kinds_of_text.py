"""Text where a picture should be: most of it is a picture on its way through a form, JSON or base64."""

import base64
import binascii
import codecs
import re
from typing import Final

from oncoserve.pictures.kinds.unread import SLICE, Unread, magick

LOOKED_AT: Final = 2**16  # bytes
SHORTEST: Final = 64  # letters; a shorter word may be base64 by chance
CONTROLS: Final = re.compile(r"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f-\x9f]")
MOSTLY_ASCII: Final = 0.8
BOMS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
SEND: Final = "Send the file's own bytes: curl -F image=@scan.png, or --data-binary @scan.png."
DECODE: Final = f"Decode it first: base64 -d in.txt > out. {SEND}"

# What a picture becomes in base64, or as numbers.
PICTURE: Final = r"(?:iVBORw0K|[/_]9j[/_]|data:image|137, ?80, ?78, ?71|255, ?216, ?255)"

FORM: Final = Unread(
    "a multipart form whose Content-Type does not say so",
    words="Let your client set the header Content-Type: it names the form's boundary.",
)
HEX: Final = r"(?i:89504e470d0a1a0a|ffd8ff)[0-9a-fA-F\s]*$"
# In this order; the first that fits.
TEXTS: Final[tuple[tuple[str, Unread], ...]] = (
    (r"--\S+\r?\nContent-", FORM),
    (r"version https://git-lfs", Unread("a Git LFS pointer", words="Fetch the file itself: git lfs pull.")),
    (r"HTTP/\d", Unread("an HTTP answer with its headers", words="Save the answer's body alone.")),
    (r"(?:ObjectType|NDims) *= *\w", Unread("a MetaImage volume", SLICE.format("mha"))),
    # Each comment ends at its first -->, once for all: there are twice as many ways to read a text with one more.
    (r"(?><\?xml[^>]*>\s*|<!--.*?-->\s*|<!DOCTYPE svg[^>]*>\s*)*+<svg\b",
     Unread("an SVG drawing", magick("svg").replace("[0]", ""))),
    (r"(?:<\?xml[^>]*>\s*)?(?i:<!DOCTYPE html|<html|<head|<body)",
     Unread("an HTML page", words="It may be an error page or a login that was saved in the picture's place.")),
    (r"<\?xml|<[A-Za-z][\w:.-]*[\s>]", Unread("an XML document")),
    (rf'[\[{{"].*{PICTURE}', Unread("JSON with a coded picture in it", words=SEND)),
    (r'[\[{]\s*(?:[\]}"\[{\d-]|true|false|null)', Unread("JSON", words=SEND)),
    (r"data:[\w/+.-]*[;,]", Unread("a data: address", words=DECODE)),
    (r"b['\"](?:\\x89PNG|\\xff\\xd8)", Unread("Python's notation of a picture's bytes", words=SEND)),
    (HEX, Unread("a picture in hexadecimal", words="Decode it first: xxd -r -p in.txt > out.")),
    (r"\[object \w+\]", Unread("the name of a JavaScript object, not its content", words=SEND)),
    (r"[\w.%\[\]-]{1,64}=\S*$", Unread("a form field, not a file", words=SEND)),
    (r"(?:https?|ftp|s3|gs|file)://\S+\s*$", Unread("an address, not the file there", words=f"Fetch it first. {SEND}")),
    (r"@?[^\n]{1,250}\.(?i:png|jpe?g|tiff?|dcm|svs|nii|bmp)\s*$",
     Unread("the name of a file, not its content", words=f"{SEND} The @ is what sends the content.")),
)  # fmt: skip
MATCHES: Final = [(re.compile(pattern, re.DOTALL), kind) for pattern, kind in TEXTS]


def text_kind(data: bytes) -> Unread | None:
    """What a text is; None for what is no text.

    Args:
        data: the file, or its beginning.
    """
    text = _decoded(data[:LOOKED_AT])
    if text is None:
        return None
    text = text.strip()
    for pattern, kind in MATCHES:
        if pattern.match(text):
            return kind
    return Unread("text")


def _decoded(data: bytes) -> str | None:
    """The text, if these bytes are one: nothing but characters that people write."""
    encoding = next((name for mark, name in BOMS if data.startswith(mark)), "utf-8")
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(data)  # the last letter may be cut off
    except UnicodeDecodeError:
        text = data.decode("latin-1")
        if sum(map(str.isascii, text)) < MOSTLY_ASCII * len(text):
            return None
    return None if CONTROLS.search(text) else text.removeprefix("\ufeff")


def from_base64(data: bytes) -> bytes | None:
    """The first bytes of what base64 text stands for; None for what is no such text.

    Args:
        data: the file, or its beginning.
    """
    text = _decoded(data[:LOOKED_AT])
    letters = "".join((text or "").split()).strip("\"'")
    letters = letters.partition("base64,")[2] if letters.startswith("data:") else letters
    letters = letters.replace("-", "+").replace("_", "/")
    if len(letters) < SHORTEST or re.match(HEX, letters) or letters.isdecimal():  # a table of numbers
        return None
    try:
        return base64.b64decode(letters[: len(letters) // 4 * 4], validate=True)
    except binascii.Error:
        return None
