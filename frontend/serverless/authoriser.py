"""Whom API Gateway lets in: a known API key, from an allowed address. The keys are those of oncoserve/keys."""

import ipaddress
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from oncoserve.keys import KeyFile

RENEW_S = 60.0
AGAIN_S = 5.0  # after which keys that could not be read are asked for again, whoever asks in between
NOBODY = "nobody"
UNREAD = (
    "API keys not read from %s, so nobody is let in. `oncoserve keys new NAME --file keys` makes a key and its "
    "line; put the file there, and let this function's role read it"
)

log = logging.getLogger(__name__)


class Authoriser:
    """Decides. What it cannot find out lets nobody in: an error of its own would be answered with 500.

    Args:
        fetch: gives the key file.
        cidrs: the networks that may ask.
        copy: where the key file's copy lies.
        clock: seconds.
        place: where the key file is, for the log.
    """

    def __init__(
        self,
        fetch: Callable[[], bytes],
        cidrs: Sequence[str],
        copy: Path,
        clock: Callable[[], float] = time.monotonic,
        place: str = "the bucket",
    ) -> None:
        self._fetch = fetch
        self._networks = list(_networks(cidrs))
        self._copy = copy
        self._clock = clock
        self._place = place
        self._renew_at = clock()
        self._keys: KeyFile | None = None

    def decide(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """What API Gateway asked for: of an HTTP API whether, of a REST API a policy; and who it is.

        Args:
            event: of an HTTP API (payload format 2.0) or of a REST API (type REQUEST).
        """
        owner = self._owner(event)
        if "methodArn" in event:
            return _policy(event["methodArn"], owner)
        return {"isAuthorized": False} if owner is None else {"isAuthorized": True, "context": {"owner": owner}}

    def _owner(self, event: Mapping[str, Any]) -> str | None:
        context = event["requestContext"]
        address = _address((context.get("http") or context.get("identity") or {}).get("sourceIp"))
        if address is None or not any(address in network for network in self._networks):
            return None
        headers = event.get("headers") or {}
        given = next((value for name, value in headers.items() if name.lower() == "x-api-key"), "")
        keys = self._current()
        key = None if keys is None else keys.find(given.encode(errors="replace"))
        return None if key is None else key.name

    def _current(self) -> KeyFile | None:
        if self._clock() >= self._renew_at:
            try:
                self._copy.write_bytes(self._fetch())
                self._keys = KeyFile(self._copy)
            except (BotoCoreError, ClientError, OSError, ValueError):
                if self._keys is None:
                    log.exception(UNREAD, self._place)
                else:
                    log.exception("API keys not read again from %s, the earlier ones stay", self._place)
            self._renew_at = self._clock() + (AGAIN_S if self._keys is None else RENEW_S)
        return self._keys


def _networks(cidrs: Sequence[str]) -> Iterator[IPv4Network | IPv6Network]:
    """The networks that can be read; the others let nobody in."""
    for each in filter(None, map(str.strip, cidrs)):
        try:
            yield ipaddress.ip_network(each, strict=False)
        except ValueError:
            log.exception("AllowedCidrs: %r is no network such as 192.0.2.0/24, so nobody is let in from there", each)


def _address(given: object) -> IPv4Address | IPv6Address | None:
    try:
        return ipaddress.ip_address(str(given))
    except ValueError:
        log.exception("API Gateway gave no address of the caller, so it is not let in")
        return None


def _policy(method: str, owner: str | None) -> dict[str, Any]:
    """The answer to a REST API: for all of a stage's methods, since API Gateway keeps it for the next request, too.

    Args:
        method: the ARN of what was asked for: `...:<account>:<api>/<stage>/<method>/<path>`.
        owner: who is let in.
    """
    stage = "/".join(method.split("/")[:2])
    statement = {
        "Effect": "Deny" if owner is None else "Allow",
        "Action": "execute-api:Invoke",
        "Resource": f"{stage}/*",
    }
    return {
        "principalId": owner or NOBODY,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {} if owner is None else {"owner": owner},
    }


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
        place="s3://{Bucket}/{Key}".format_map(where),
    )


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer API Gateway's question; its answer is kept there for a minute."""
    del context
    return _authoriser().decide(event)
