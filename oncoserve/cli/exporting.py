"""Making the models of this machine ready to be served."""

from collections.abc import Sequence

from model_export.__main__ import main
from model_export.exporters import EXPORTERS
from oncoserve.cli.home_folder import Home, lay
from oncoserve.cli.installed import EXPORT, require


def export(home: Home, models: Sequence[str] = (), *, force: bool = False) -> int:
    """Lay what the wheel brings, and export what has to be exported; what is ready stays.

    Args:
        home: Where they are served from.
        models: Which to export; all when left out.
        force: Export what is ready too.

    Returns:
        The exit code; what went wrong has been told.

    Raises:
        UsageError: Packages are missing.
        OSError: The folder cannot be written.
    """
    require("models export", EXPORT)
    if home.lays:
        lay(home, MODELS)
    return main([*models, *(["--force"] if force else [])], root=home.path)


MODELS = tuple(exporter.name for exporter in EXPORTERS)
