"""Which addresses are asked directly, whatever proxy the environment names (`http_proxy` and its like).

A proxy on the way to the Internet knows neither this machine nor the names of its containers, and mostly refuses them.
What is further away is asked as the variables say, `no_proxy` among them.
"""

import ipaddress
import os
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

LOCAL_ENDINGS = (".localhost", ".local", ".internal")  # of this machine, of a link or a cluster, of a private network


def is_near(url: str) -> bool:
    """Whether the host of an address is this machine, one of a private network by its number, or a name without dots.

    Names without dots are those of containers, pods and machines of one's own domain.
    """
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        number = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "." not in host or host.endswith(LOCAL_ENDINGS)
    return number.is_loopback or number.is_private or number.is_link_local


def proxy_variable(url: str) -> str:
    """The environment variable whose proxy stands between here and an address; empty where none does."""
    parts = urlsplit(url)
    if is_near(url) or proxy_bypass(parts.netloc):
        return ""
    names = (f"{parts.scheme}_proxy", "all_proxy")
    return next((each for name in names for each in (name, name.upper()) if os.environ.get(each)), "")


def by_way_of(url: str) -> str:
    """Words to be added for who could not reach an address by way of a proxy; empty where there is none."""
    variable = proxy_variable(url)
    return variable and f", by way of the proxy in {variable} (no_proxy={urlsplit(url).hostname} asks directly)"
