"""Addresses that are given as text: a path to be published under, and networks."""

import ipaddress
import re

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST_ROOT = 200  # characters
SEGMENT = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*", re.ASCII)  # nothing that a proxy might resolve, such as ..
# First parts of the service's own addresses: below such a path nobody could tell `/jobs/x` from `/x`.
OWN_PARTS = frozenset({
    "ask", "docs", "errors", "jobs", "livez", "metrics", "openapi.json", "readyz", "results", "samples", "static",
    "static-offline-docs", "v1",
})  # fmt: skip


def root_path(text: str) -> str:
    """A path that a service can be published under, without the slash at its end.

    Args:
        text: the path; empty or a single slash for the root of a host.

    Raises:
        ValueError: it is none, with the reason in words.
    """
    path = text.removesuffix("/")
    if not path:
        return ""
    first, *parts = path.split("/")
    if first or len(path) > LONGEST_ROOT or not all(SEGMENT.fullmatch(part) for part in parts):
        raise ValueError(
            f"it has to be a path such as /oncology, of at most {LONGEST_ROOT} characters: "
            "letters, digits, . _ ~ - and single slashes between them"
        )
    if parts[0] in OWN_PARTS:
        raise ValueError(f"/{parts[0]} is an address of the service itself; choose another path")
    return path


def networks(text: str) -> tuple[Network, ...]:
    """Networks given as addresses or in CIDR notation, comma-separated.

    Raises:
        ValueError: one is neither, with the reason in words.
    """
    found = []
    for each in filter(None, (part.strip() for part in text.split(","))):
        try:
            found.append(ipaddress.ip_network(each))
        except ValueError as error:
            raise ValueError(f"{error}; write addresses or networks such as 127.0.0.1,10.0.0.0/8") from error
    return tuple(found)


def is_in(host: str, known: tuple[Network, ...]) -> bool:
    """Whether an address, as text, is in one of the networks; a name is in none."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in known)
