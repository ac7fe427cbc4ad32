"""The form that nearly every upload is: one picture and nothing else.

The parser that reads any form goes through a callback for each piece of it, a tenth of what a small upload costs here.
"""

import re

SMALL_BYTES = 2**20  # larger bodies are not held in memory at once, and their parsing does not count

CONTENT_TYPE = re.compile(
    r'multipart/form-data; ?boundary=(?P<quote>"?)(?P<boundary>[\w\'()+,./:=?-]{1,70})(?P=quote)', re.ASCII
)
# As browsers, curl and the clients of Python write it. Any other field, header, escape or charset is the parser's.
HEAD = re.compile(
    rb'Content-Disposition: form-data; name="image"; filename="[ !#-\[\]-~]{1,255}"\r\n'
    rb"(?:Content-Type: [ -~]{1,255}\r\n)?\r\n"
)


def lone_picture(content_type: str, body: bytes) -> bytes | None:
    """The field `image` of a form that holds nothing else (RFC 7578); None where the parser has to look.

    Args:
        content_type: the request's.
        body: the whole form.
    """
    found = CONTENT_TYPE.fullmatch(content_type)
    if found is None:
        return None
    delimiter = b"--" + found["boundary"].encode()
    if not body.startswith(delimiter + b"\r\n"):
        return None
    head = HEAD.match(body, len(delimiter) + 2)
    if head is None:
        return None
    # The delimiter has to come for the first time at the end; inside of the picture it might be the next field's.
    end = body.find(b"\r\n" + delimiter, head.end() - 2)
    if end < head.end() or body[end + 2 + len(delimiter) :] not in {b"--", b"--\r\n"}:
        return None
    return body[head.end() : end]
