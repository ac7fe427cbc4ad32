"""API keys: who may ask.

The key file holds a line per key, `name sha256 [requests per minute]`; blank lines and lines that begin with # are
left out. A key is 256 random bits, which nobody can guess or find from its hash, so that a plain SHA-256 is enough:
slow and salted hashes are for secrets that people choose.
"""

import contextlib
import hashlib
import hmac
import logging
import os
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LOOK_EVERY_S = 1.0
LAST_GOOD = "keys"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")  # also the name of a folder
LINE = re.compile(rf"(?P<name>{NAME.pattern})\s+(?P<sha256>[0-9a-f]{{64}})(?:\s+(?P<per_min>\d{{1,7}}))?")

log = logging.getLogger(__name__)


class KeyFileError(ValueError):
    """A key file that cannot be used, with the line and what is wrong there."""


@dataclass(frozen=True)
class Key:
    """One line of the key file.

    Attributes:
        name: whom the key was given to. Two keys of one name are one caller, so that a new key can be handed out
            before the old one is taken away.
        sha256: of the key, 64 hexadecimal digits.
        per_min: requests per minute over all worker processes, 0 for no limit; None leaves it to the settings.
    """

    name: str
    sha256: str
    per_min: int | None = None

    def __str__(self) -> str:
        return " ".join(str(part) for part in (self.name, self.sha256, self.per_min) if part is not None)


def new_key(name: str, per_min: int | None = None) -> tuple[str, Key]:
    """A new secret, and the line that lets it in."""
    secret = secrets.token_urlsafe(32)
    return secret, Key(name, _sha256(secret.encode()), per_min)


def read_keys(path: Path) -> tuple[Key, ...]:
    """The keys of a file; none at all is allowed, and lets nobody in.

    Raises:
        KeyFileError: it cannot be read, or a line is not as described above.
    """
    try:
        lines = path.read_text().splitlines()
    except UnicodeDecodeError as error:
        raise KeyFileError(f"the key file {path} cannot be read: it is not text") from error
    except OSError as error:
        raise KeyFileError(f"the key file {path} cannot be read: {error.strerror}{_advice(error)}") from error
    found = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = LINE.fullmatch(text)
        if match is None:
            # The line itself is not quoted: somebody may have put the key where its hash belongs.
            raise KeyFileError(f"the key file {path}, line {number}: expected `name sha256 [requests per minute]`")
        found.append(Key(match["name"], match["sha256"], None if match["per_min"] is None else int(match["per_min"])))
    return tuple(found)


class KeyFile:
    """The keys of a file, read again when it changes.

    A file that cannot be used any more leaves the last good keys in force, also for processes that are brought back.

    Args:
        path: the file.
        clock: seconds.
        shared: folder where the processes of one service keep a copy of it, as it was when it could be used last; None
            for a process that is alone.

    Raises:
        KeyFileError: the file cannot be used at the start, and there is no copy.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic, shared: Path | None = None) -> None:
        self._path = path
        self._last_good = None if shared is None else shared / LAST_GOOD
        self._clock = clock
        self._next_look = clock() + LOOK_EVERY_S
        self._stamp = _stamp(path)
        self._trouble = ""
        try:
            self._keys = self._read()
        except KeyFileError as error:
            if self._last_good is None or not self._last_good.exists():
                raise
            self._keys = read_keys(self._last_good)
            self._keep_earlier(error)

    def find(self, secret: bytes) -> Key | None:
        """The key with this secret, or None. Takes the same time whichever key it is, and when there is none."""
        self._renew()
        sha256 = _sha256(secret)
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.sha256, sha256):
                found = key
        return found

    def _renew(self) -> None:
        now = self._clock()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_EVERY_S
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp  # taken before reading: a change in between is seen at the next look
        try:
            self._keys = self._read()
            self._trouble = ""
            log.info("API keys read again", extra={"keys": len(self._keys)})
        except KeyFileError as error:
            self._keep_earlier(error)

    def _keep_earlier(self, error: KeyFileError) -> None:
        self._stamp = None  # look again: the reason may lie in this process, which has no descriptor left
        if str(error) != self._trouble:
            self._trouble = str(error)
            log.error("API keys not read again, the earlier ones stay", extra={"reason": self._trouble})

    def _read(self) -> tuple[Key, ...]:
        keys = read_keys(self._path)
        if self._last_good is not None:
            with contextlib.suppress(OSError):  # the copy before stays
                aside = self._last_good.with_name(f"{self._last_good.name}.{os.getpid()}")
                aside.write_text("".join(f"{key}\n" for key in keys))
                aside.replace(self._last_good)
        return keys


def _advice(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"; let user {os.getuid()} read it, with chmod a+r: it holds hashes, no keys"
    if isinstance(error, FileNotFoundError):
        return "; `oncoserve keys new NAME --file FILE` makes one"
    return ""


def _sha256(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
