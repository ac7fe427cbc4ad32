"""Where the service on this machine keeps its models, results and work: a project's folder, or a data folder.

A project's folder is a checkout, or any folder with a `model_repository`. An installed wheel has none, so it keeps
one of its own, laid out in the same way:

    model_repository/   the wheel's cards, configurations and trained model, and what was exported
    build/              samples, the fetched weights, Triton's work
    results/            results and jobs
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import oncoserve
from oncoserve.runtime.files import write_whole

REPOSITORY = "model_repository"
REPOSITORY_VARIABLES = ("ONCO_MODEL_REPOSITORY", "ONCO_TRITON_MODEL_REPOSITORY")  # the frontend's and Triton's
_PACKAGE = Path(oncoserve.__file__).resolve().parent
CHECKOUT = _PACKAGE.parent if (_PACKAGE.parent / REPOSITORY).is_dir() else None
"""The checkout that this code belongs to; None in an installed wheel."""
SHIPPED = (CHECKOUT or _PACKAGE) / REPOSITORY
"""Cards, configurations and trained models as they come with this code."""


@dataclass(frozen=True)
class Home:
    """The folder that a service on this machine works in.

    Attributes:
        path: The folder, absolute.
        exports: Whether the models that there is a recipe for belong into it; not so where the models are the user's.
        lays: Whether what comes with the code is laid there first.
    """

    path: Path
    exports: bool
    lays: bool

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The environment for the service: what is not set in it already is below this folder."""
        folders = {
            **dict.fromkeys(REPOSITORY_VARIABLES, self.repository(environ)),
            "ONCO_RESULTS_DIR": self.path / "results",
            "ONCO_SAMPLES_DIR": self.path / "build/samples",
            "ONCO_TRITON_WORK_DIRECTORY": self.path / "build/triton",
        }
        return {**{name: str(value) for name, value in folders.items()}, **environ}

    def repository(self, environ: Mapping[str, str]) -> Path:
        """The folder of the models; whoever set one of the two variables means both."""
        return _named_repository(environ) or self.path / REPOSITORY


def _named_repository(environ: Mapping[str, str]) -> Path | None:
    return next((Path(environ[name]) for name in REPOSITORY_VARIABLES if environ.get(name)), None)


def find_home(data: Path | None, environ: Mapping[str, str], checkout: Path | None = CHECKOUT) -> Home:
    """The folder to work in.

    Args:
        data: What the user named; else the current folder where it is a project's, else the checkout, else a data
            folder as the XDG Base Directory Specification has it.
        environ: The environment.
        checkout: That this code belongs to.
    """
    no_others = _named_repository(environ) is None
    here = Path.cwd()
    if data is None and (here / REPOSITORY).is_dir():
        return Home(here, exports=no_others and here == checkout, lays=False)
    if data is None and checkout is not None:
        return Home(checkout, exports=no_others, lays=False)
    return Home((data or _xdg_data_home(environ) / "oncoserve").absolute(), exports=no_others, lays=no_others)


def _xdg_data_home(environ: Mapping[str, str]) -> Path:
    given = Path(environ.get("XDG_DATA_HOME", ""))
    return given if given.is_absolute() else Path.home() / ".local/share"  # as the specification has it


def lay(home: Home, exported: Collection[str], shipped: Path = SHIPPED) -> None:
    """Bring a folder's cards, configurations and trained models to this code's state; what is right stays as it is.

    Args:
        home: The folder.
        exported: The models whose graphs are not laid but exported.
        shipped: What is laid.

    Raises:
        OSError: The folder cannot be written.
    """
    for file in sorted(path for path in shipped.rglob("*") if path.is_file()):
        model, *below = file.relative_to(shipped).parts
        if below and not (model in exported and below[0].isdecimal()):  # a checkout has its own exports there
            target = home.path.joinpath(REPOSITORY, model, *below)
            content = file.read_bytes()
            if not target.is_file() or target.read_bytes() != content:
                write_whole(target, content)
