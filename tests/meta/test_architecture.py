"""The rules of the house that a reviewer would otherwise have to remember."""

import ast
import subprocess
from collections import defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

# From top to bottom: a room imports from itself and from lower ones. A module belongs to the longest name that fits.
ROOMS = (
    "tests",
    "loadtest",
    "testbed",
    "deploy",
    "training",
    "oncoserve.__main__",
    "client",
    "oncoserve.cli",
    "oncoserve.cli.pacs",
    "oncoserve.cli.client",
    "model_export",
    "frontend",  # app.py and __main__.py, which put the rooms below together
    "frontend.serverless",
    "frontend.pages",
    "frontend.routes",
    "frontend.http",
    "oncoserve.worker_process",
    "oncoserve.wiring",
    "oncoserve.jobs.sagemaker",
    "oncoserve.jobs.aws",
    "oncoserve.jobs.postgres",
    "oncoserve.jobs.embedded",
    "oncoserve.jobs",
    "oncoserve.prediction",
    "oncoserve.results",
    "oncoserve.tasks",
    "oncoserve.pictures",
    "oncoserve.inference",
    "oncoserve.objects",
    "oncoserve.settings",
    "oncoserve.keys",
    "oncoserve.storage",
    "oncoserve.runtime",
    "oncoserve.errors",
    "oncoserve",  # the version, and the notice
    "inference_server",
    "supervision",
)
PRODUCT = {"frontend", "oncoserve", "inference_server", "model_export", "supervision"}
OURS = tuple(f"/v1/{name}" for name in ("jobs", "models", "results", "samples", "uploads"))
MAX_MODULE_LINES, MAX_FUNCTION_LINES, MAX_FILES_IN_A_ROOM = 300, 50, 14


@cache
def modules():
    """Every module of the repository and its file."""
    done = subprocess.run(["git", "ls-files", "-z", "*.py"], capture_output=True, check=True)
    paths = [Path(name) for name in done.stdout.decode().split("\0") if name and Path(name).exists()]
    return {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def product():
    return {name: path for name, path in modules().items() if name.split(".")[0] in PRODUCT}


def house():
    """What is not a test."""
    return {name: path for name, path in modules().items() if not name.startswith("tests")}


@cache
def tree(path):
    return ast.parse(path.read_text())


@cache
def imports(path):
    """The names that a file imports, wherever in it: modules, and what is taken from them."""
    names = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@cache
def own_imports(path):
    """The modules of this repository among them; of a package and a module in it, the module alone."""
    found = imports(path) & modules().keys()
    taken = {name.rpartition(".")[0] for name in found}
    return {name for name in found if name not in taken or not is_bare_package(path, name)}


def is_bare_package(path, package):
    """Whether everything that a file takes from a package are modules."""
    return all(
        f"{package}.{alias.name}" in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and node.module == package
        for alias in node.names
    )


def room(module):
    """The number of the room that a module is in, counted from the top."""
    parts = module.split(".")
    names = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
    found = [ROOMS.index(name) for name in names if name in ROOMS]
    assert found, f"{module} is in no room: name its folder in ROOMS, above what it imports"
    return found[0]


def test_each_room_imports_only_lower_ones():
    upward = [
        f"{name} imports {other}"
        for name, path in modules().items()
        for other in own_imports(path)
        if room(other) < room(name)
    ]
    assert upward == []


def test_no_circles():
    graph = {name: own_imports(path) - {name} for name, path in modules().items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


def test_no_two_modules_of_one_name():
    """A name says where to look. What Python or a tool calls by its name is left out."""
    called = {"__init__", "__main__", "model"}  # model.py is what Triton looks for in a backend's folder
    places = defaultdict(list)
    for name, path in house().items():
        if path.stem not in called:
            places[path.stem].append(name)
    assert {stem: names for stem, names in places.items() if len(names) > 1} == {}


def test_only_the_http_side_knows_fastapi():
    def knows(path):
        return bool({name.split(".")[0] for name in imports(path)} & {"fastapi", "starlette"})

    assert [name for name, path in product().items() if name.split(".")[0] != "frontend" and knows(path)] == []


def test_only_the_adapter_knows_triton_and_grpc():
    def knows(path):
        return bool({name.split(".")[0] for name in imports(path)} & {"tritonclient", "grpc"})

    service = {name: path for name, path in product().items() if name.split(".")[0] in {"frontend", "oncoserve"}}
    assert [name for name, path in service.items() if knows(path)] == ["oncoserve.inference.triton"]


def test_only_the_http_side_composes_addresses():
    """Domain code knows no addresses; the command line, a client of the service, asks at some."""
    core = {name: path for name, path in product().items() if name.startswith("oncoserve")}
    knowing = [
        name
        for name, path in core.items()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(OURS)
    ]
    assert [name for name in knowing if not name.startswith("oncoserve.cli")] == []


def test_tasks_are_pure():
    forbidden = {"asyncio", "threading", "uvicorn", "pathlib"}
    tasks = {name: path for name, path in product().items() if name.startswith("oncoserve.tasks")}
    assert [name for name, path in tasks.items() if imports(path) & forbidden] == []


def test_modules_functions_and_rooms_stay_small():
    rooms = defaultdict(list)
    for name, path in house().items():
        text = path.read_text()
        assert len(text.splitlines()) <= MAX_MODULE_LINES, name
        if path.stem not in {"__init__", "__main__"}:
            rooms[path.parent].append(name)
        for node in ast.walk(tree(path)):
            # A router's function is a list of small routes; each route is held to the limit itself.
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name != "router":
                assert node.end_lineno - node.lineno < MAX_FUNCTION_LINES, f"{name}.{node.name}"
    assert {folder: len(names) for folder, names in rooms.items() if len(names) > MAX_FILES_IN_A_ROOM} == {}


def test_no_state_at_module_level():
    for path in house().values():
        for node in tree(path).body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.List | ast.Dict | ast.Set):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    is_constant = target.id == "__all__" or target.id.lstrip("_").isupper()
                    assert is_constant, f"{path}:{node.lineno} looks like a variable"
