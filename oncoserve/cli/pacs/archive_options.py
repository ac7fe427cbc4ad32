"""How a command finds its PACS: the address, the credentials as secrets, the certificates."""

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

import requests
from requests.auth import HTTPBasicAuth
from requests.utils import get_environ_proxies

from oncoserve.cli.client.client_errors import UsageError
from oncoserve.cli.client.connection import LOOPBACK, address, positive
from oncoserve.cli.client.printing import say
from oncoserve.cli.pacs.dicomweb_archive import Archive, UnusableAnswer
from oncoserve.runtime.nearby import is_near

PASSWORD_VARIABLE: Final = "ONCO_PACS_PASSWORD"  # noqa: S105 - where it is, not what
SLOWEST_ANSWER_S: Final = 600
"""Of a large instance over a slow line; a PACS that sends a byte now and then is given up."""


def add_archive_options(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add what names a DICOMweb interface."""
    options = parser.add_argument_group("the PACS by DICOMweb")
    options.add_argument(
        "--dicomweb",
        type=address,
        required=required,
        metavar="URL",
        help="where QIDO-RS, WADO-RS and STOW-RS are, such as https://pacs.example/dicom-web",
    )
    options.add_argument("--user", help=f"with --password-file, or the variable {PASSWORD_VARIABLE}")
    options.add_argument("--password-file", type=Path, metavar="FILE")
    options.add_argument("--token-file", type=Path, metavar="FILE", help="with a bearer token, instead of a user")
    options.add_argument("--ca-file", type=Path, metavar="FILE", help="certificates that sign the PACS's, in PEM")
    options.add_argument("--client-cert", type=Path, metavar="FILE", help="our certificate for the PACS, in PEM")
    options.add_argument("--client-key", type=Path, metavar="FILE", help="its key, where that is not in the same file")
    options.add_argument(
        "--insecure-http", action="store_true", help="send credentials and images without TLS to another machine"
    )
    options.add_argument(
        "--max-mb", type=positive, default=512, metavar="N", help="largest answer that is taken; default: %(default)s"
    )


def open_archive(given: argparse.Namespace) -> Archive:
    """The PACS that the options name; nothing is sent yet.

    Raises:
        UsageError: the credentials cannot be had, or would travel in clear.
    """
    parts = urlsplit(given.dicomweb)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK and not given.insecure_http:
        raise UsageError(
            f"What goes to {parts.hostname} by http can be read on the way, patients and credentials: use https, or "
            "--insecure-http where nobody else is on that network."
        )
    session = requests.Session()
    session.trust_env = False  # no password out of .netrc, no other certificates than those named
    session.max_redirects = 0
    session.proxies = {} if is_near(given.dicomweb) else get_environ_proxies(given.dicomweb)
    session.headers["Accept"] = "application/dicom+json"  # of what STOW-RS answers; the others say for themselves
    session.hooks["response"] = [_bounded(given.max_mb * 10**6)]
    _give_credentials(session, given)
    if given.ca_file is not None:
        session.verify = str(_there(given.ca_file))
    if given.client_cert is not None:
        certificate = str(_there(given.client_cert))
        session.cert = (certificate, str(_there(given.client_key))) if given.client_key else certificate
    return Archive(given.dicomweb, session, given.patience_s, tell=say)


def _give_credentials(session: requests.Session, given: argparse.Namespace) -> None:
    """Put the secrets into the session; never from the command line, which other users of the machine can read."""
    if given.token_file is not None:
        if given.user:
            raise UsageError("Either --user or --token-file.")
        session.headers["Authorization"] = f"Bearer {_secret(given.token_file)}"
    elif given.user:
        password = _secret(given.password_file) if given.password_file else os.environ.get(PASSWORD_VARIABLE, "")
        if not password:
            raise UsageError(
                f"The password of --user is missing: --password-file, or the variable {PASSWORD_VARIABLE}."
            )
        session.auth = HTTPBasicAuth(given.user.encode(), password.encode())
    elif given.password_file:
        raise UsageError("--password-file needs --user.")


def _secret(path: Path) -> str:
    try:
        found = path.read_text().strip()
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}.") from error
    if not found or not found.isprintable():
        raise UsageError(f"{path} has no secret in it, or more than one line.")
    return found


def _there(path: Path) -> Path:
    if not path.is_file():
        raise UsageError(f"There is no file {path}.")
    return path


def _bounded(most: int) -> Any:  # noqa: ANN401 - requests' own kind of function
    """What has the session read no more than so many bytes of an answer, and no longer than SLOWEST_ANSWER_S."""

    def bound(answer: requests.Response, *_: object, **__: object) -> None:
        answer.raw = _Bounded(answer.raw, most)

    return bound


class _Bounded:
    """The body of an answer as requests reads it.

    Args:
        raw: where it comes from.
        most: bytes, decoded.
    """

    def __init__(self, raw: Any, most: int) -> None:  # noqa: ANN401 - urllib3's
        self._raw, self._most = raw, most

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever else requests wants of it
        return getattr(self._raw, name)

    def stream(self, size: int, **options: bool) -> Iterator[bytes]:
        """The bytes in pieces.

        Raises:
            UnusableAnswer: there are too many, or they come too slowly.
        """
        count, begun = 0, time.monotonic()
        for piece in self._raw.stream(size, **options):
            count += len(piece)
            if count > self._most:
                self._give_up(f"it is larger than --max-mb {self._most // 10**6}")
            if time.monotonic() - begun > SLOWEST_ANSWER_S:
                self._give_up(f"it takes longer than {SLOWEST_ANSWER_S} s")
            yield piece

    def _give_up(self, reason: str) -> NoReturn:
        self._raw.close()  # nobody will read the rest
        raise UnusableAnswer(reason)
