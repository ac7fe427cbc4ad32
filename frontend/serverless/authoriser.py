"""Whom API Gateway lets in: a known API key, from an allowed address. The keys are those of oncoserve/keys."""

import ipaddress
import logging
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
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
        """The answer that API Gateway wants: whether, and who it is.

        Args:
            event: of an HTTP API (payload format 2.0), which takes a simple answer; or of a REST API: a policy.
        """
        if "http" in event["requestContext"]:
            owner = self.owner(event["requestContext"]["http"]["sourceIp"], event["headers"])
            return {"isAuthorized": False} if owner is None else {"isAuthorized": True, "context": {"owner": owner}}
        owner = self.owner(event["requestContext"]["identity"]["sourceIp"], event.get("headers") or {})
        # For the whole stage: the answer is kept for a minute, and the next request may be for another path.
        everything = "/".join(event["methodArn"].split("/")[:2]) + "/*"
        effect = "Deny" if owner is None else "Allow"
        statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": everything}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        return {
            "principalId": owner or "nobody",
            "policyDocument": policy,
            "context": {"owner": owner} if owner else {},
        }

    def owner(self, source_ip: str, headers: Mapping[str, str]) -> str | None:
        """Whose key it is, from an address that may ask; None for anybody else."""
        address = ipaddress.ip_address(source_ip)
        if not any(address in network for network in self._networks):
            return None
        given = next((value for name, value in headers.items() if name.lower() == "x-api-key"), "")
        keys = self._current()
        key = None if keys is None else keys.find(given.encode())
        return None if key is None else key.name

    def _current(self) -> KeyFile | None:
        """The keys as they were read last; None while they have never been, so that nobody is let in."""
        if self._keys is None or self._clock() >= self._renew_at:
            try:
                self._copy.write_bytes(self._fetch())
                self._keys = KeyFile(self._copy)
            except (BotoCoreError, ClientError, ValueError):
                stay = "nobody is let in" if self._keys is None else "the earlier ones stay"
                log.exception("API keys cannot be read, %s: is there a valid key file in the bucket?", stay)
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
