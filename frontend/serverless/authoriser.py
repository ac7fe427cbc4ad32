"""Whom API Gateway lets in: a known API key, from an allowed address. The keys are those of oncoserve/keys."""

import ipaddress
import logging
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from oncoserve.keys import KeyFile

RENEW_S = 60.0

log = logging.getLogger(__name__)


class Authoriser:
    """Decides.

    Args:
        fetch: gives the key file.
        cidrs: the networks that may ask.
        copy: where the key file's copy lies.
        clock: seconds.
    """

    def __init__(
        self,
        fetch: Callable[[], bytes],
        cidrs: Sequence[str],
        copy: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._networks = [ipaddress.ip_network(each.strip()) for each in cidrs]
        self._copy = copy
        self._clock = clock
        self._renew_at = clock()
        self._keys: KeyFile | None = None

    def decide(self, event: dict[str, Any]) -> dict[str, Any]:
        """The simple response of an HTTP API's authoriser: whether, and who it is.

        Args:
            event: of API Gateway, payload format 2.0.
        """
        address = ipaddress.ip_address(event["requestContext"]["http"]["sourceIp"])
        if not any(address in network for network in self._networks):
            return {"isAuthorized": False}
        given = next((value for name, value in event["headers"].items() if name.lower() == "x-api-key"), "")
        key = self._current().find(given.encode())
        return {"isAuthorized": False} if key is None else {"isAuthorized": True, "context": {"owner": key.name}}

    def _current(self) -> KeyFile:
        if self._keys is None or self._clock() >= self._renew_at:
            try:
                self._copy.write_bytes(self._fetch())
                self._keys = KeyFile(self._copy)
            except (BotoCoreError, ClientError, ValueError):
                if self._keys is None:
                    raise
                log.exception("API keys not read again, the earlier ones stay")
            self._renew_at = self._clock() + RENEW_S
        return self._keys


@cache
def _authoriser() -> Authoriser:
    s3: Any = get_session().create_client("s3", endpoint_url=os.environ.get("ONCO_AWS_ENDPOINT_URL") or None)
    where = {"Bucket": os.environ["ONCOSERVE_KEYS_BUCKET"], "Key": os.environ["ONCOSERVE_KEYS_OBJECT"]}

    def fetch() -> bytes:
        return bytes(s3.get_object(**where)["Body"].read())

    return Authoriser(
        fetch,
        os.environ["ONCOSERVE_ALLOWED_CIDRS"].split(","),
        Path(tempfile.gettempdir()) / "api_keys",
    )


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer API Gateway's question; its answer is kept there for a minute."""
    del context
    return _authoriser().decide(event)
