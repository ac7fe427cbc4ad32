import shutil

import pytest


@pytest.fixture(scope="session")
def prometheus_programs(unavailable):
    """Makes sure that prometheus and promtool are installed."""
    missing = [program for program in ("prometheus", "promtool") if shutil.which(program) is None]
    if missing:
        unavailable("prometheus", f"not installed: {', '.join(missing)} (Debian: apt-get install prometheus)")
