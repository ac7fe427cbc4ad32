"""The peers' environments: one each under build/compare/, made when first needed from the lock beside the peer."""

from pathlib import Path
from typing import Final

from testbed.locked_environment import make_environment
from testbed.servers import PROJECT

LOCKS: Final = PROJECT / "loadtest/compare/peers"
ENVIRONMENTS: Final = PROJECT / "build/compare"


def environment(peer: str) -> Path:
    """The bin folder of a peer's environment.

    Raises:
        subprocess.CalledProcessError: The packages cannot be installed.
    """
    folder = ENVIRONMENTS / peer
    if not folder.is_dir():
        print(f"Installing the locked packages of {peer} into {folder} ...", flush=True)
    return make_environment(folder, LOCKS / f"{peer}.lock")
