"""Callers that let go of what they hold."""

import subprocess
import sys

from testbed.servers import PROJECT

LETS_GO = """
import weakref
from types import SimpleNamespace

from loadtest.load.users import DirectCaller, PacedUser

PacedUser.supply = SimpleNamespace(triton_url="localhost:1", pace=SimpleNamespace(wait=lambda: None))
caller = DirectCaller.__new__(DirectCaller)
caller.on_start()
client = weakref.ref(caller._triton)
caller.on_stop()
assert client() is None, "left for the end of the process"
"""


def test_a_direct_caller_keeps_no_client_when_it_stops():
    """In a process of its own, since Locust and gRPC's support of gevent change the whole process."""
    done = subprocess.run(
        [sys.executable, "-c", LETS_GO], cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
