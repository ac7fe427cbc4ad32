"""The files of the page. Their address holds a version, so that a browser need not ask again for what it has."""

import hashlib
import re
from pathlib import Path

from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

FOLDER = Path(__file__).parent / "static"
VERSION = re.compile(r"^v-[0-9a-f]+/")


def base_address() -> str:
    """Where the files are, with a version that is another one when any of them is.

    Scripts import each other by relative addresses, so the version of the first reaches all of them.
    """
    digest = hashlib.sha256()
    for path in sorted(path for path in FOLDER.rglob("*") if path.is_file()):
        digest.update(path.relative_to(FOLDER).as_posix().encode() + b"\0" + path.read_bytes())
    return f"/static/v-{digest.hexdigest()[:12]}"


def files() -> ASGIApp:
    """Serves them compressed. Pictures' answers are not: compressing those would cost more than sending them."""
    return GZipMiddleware(_Files(directory=FOLDER), minimum_size=500, compresslevel=6)


class _Files(StaticFiles):
    """Serves a file under any version: during an update a page may ask the next version's process for its scripts."""

    def get_path(self, scope: Scope) -> str:
        return VERSION.sub("", super().get_path(scope))
