"""The rules of the house that a reviewer would otherwise have to remember."""

import ast
import os
import re
import subprocess
import tomllib
from collections import defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import oncoserve

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
    "model_export",
    "frontend",  # app.py and __main__.py, which put the rooms below together
    "frontend.serverless",
    "frontend.pages",
    "frontend.routes",
    "frontend.http",
    "oncoserve.worker_process",
    "oncoserve.wiring",
    "oncoserve.jobs.aws",
    "oncoserve.jobs.embedded",
    "oncoserve.jobs",
    "oncoserve.prediction",
    "oncoserve.results",
    "oncoserve.tasks",
    "oncoserve.pictures",
    "oncoserve.inference",
    "oncoserve.settings",
    "oncoserve.keys",
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


def test_the_version_is_stated_once():
    assert tomllib.loads(Path("pyproject.toml").read_text())["project"]["version"] == oncoserve.__version__
    assert f"## {oncoserve.__version__}" in Path("CHANGELOG.md").read_text()


def test_locks_name_no_index_and_pin_everything():
    for lock in Path().glob("requirements*.lock"):
        lines = lock.read_text().splitlines()
        assert not [line for line in lines if "://" in line or line.startswith("--")], lock
        pins = [line for line in lines if line and not line.startswith((" ", "#"))]
        assert all("==" in pin and pin.endswith("\\") for pin in pins), lock


def pins(name):
    return {line.rstrip(" \\") for line in Path(name).read_text().splitlines() if "==" in line}


def test_the_runtime_lock_is_part_of_the_development_lock():
    assert pins("requirements.lock") <= pins("requirements-dev.lock")


def test_a_gpu_gets_the_same_packages_but_another_onnxruntime_and_what_it_loads():
    """Both of them in one environment would be a mixture of the two: they install the same files."""
    cpu, gpu = pins("requirements.lock"), pins("requirements-gpu.lock")
    assert {pin.partition("==")[0] for pin in cpu - gpu} == {"onnxruntime"}
    names = {pin.partition("==")[0] for pin in gpu - cpu}
    assert "onnxruntime-gpu" in names
    assert {name for name in names if not name.startswith(("nvidia-", "cuda-"))} == {"onnxruntime-gpu"}


@pytest.mark.parametrize(
    ("variables", "driver", "environment", "device"),
    [
        ([], True, ".venv", "cpu"),
        (["DEVICE=cpu", "ONCO_TRITON_DEVICE=gpu"], True, ".venv", "cpu"),
        (["DEVICE=gpu"], True, ".venv-gpu", "gpu"),
        (["DEVICE=gpu"], False, ".venv-gpu", "gpu"),
        (["ONCO_TRITON_DEVICE=gpu"], True, ".venv-gpu", "gpu"),
        (["DEVICE=auto"], True, ".venv-gpu", "auto"),
        (["DEVICE=auto"], False, ".venv", "auto"),
    ],
)
def test_make_installs_for_a_gpu_where_it_is_asked_for_or_has_a_driver(
    variables, driver, environment, device, tmp_path
):
    """With a Python that says of the driver what the test says; nothing is installed."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexit {int(not driver)}\n")
    python.chmod(0o755)
    # Of the variables, DEVICE goes to make and the setting, as a shell has it, into the environment.
    command = ["make", "--dry-run", "--always-make", "run", f"PYTHON={python}"]
    command += [variable for variable in variables if variable.startswith("DEVICE=")]
    ours = ("DEVICE", "ONCO", "MAKE", "MFLAGS")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    inherited |= dict(variable.split("=") for variable in variables if variable.startswith("ONCO"))
    lines = subprocess.run(command, capture_output=True, text=True, check=True, env=inherited).stdout.splitlines()
    assert lines[-1] == f"ONCO_TRITON_DEVICE={device} {environment}/bin/oncoserve run"
    (installation,) = [line for line in lines if "pip install" in line]
    assert installation.startswith(f"{environment}/bin/python ")
    assert installation.endswith(f"requirements{environment.removeprefix('.venv')}.lock")
    download = [
        line for line in lines if "1.6 GB to download" in line and lines.index(line) < lines.index(installation)
    ]
    assert bool(download) is (environment == ".venv-gpu")
    assert bool([line for line in lines if "no NVIDIA driver" in line]) is (device == "auto" and not driver)


def test_development_beside_a_gpu_is_without_the_onnxruntime_of_the_cpu():
    command = ["make", "--dry-run", "--always-make", ".venv-gpu/.dev", "DEVICE=gpu"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    (line,) = [line for line in lines if "requirements-dev.lock" in line]
    passed_on, _, installation = line.partition(" | ")
    assert installation.startswith(".venv-gpu/bin/python -m pip install")
    given = subprocess.run(passed_on, shell=True, capture_output=True, text=True, check=True).stdout  # noqa: S602
    blocks = re.split(r"^(?=\S)", Path("requirements-dev.lock").read_text(), flags=re.MULTILINE)
    assert given == "".join(block for block in blocks if not block.startswith("onnxruntime=="))


@pytest.mark.parametrize(("device", "module"), [("cpu", "compare"), ("gpu", "batching")])
def test_make_compares_on_a_gpu_what_batches_are_worth(device, module):
    command = ["make", "--dry-run", "compare", f"DEVICE={device}", "COMPARE_ARGS=--rounds 1"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    (line,) = [line for line in lines if " -m loadtest." in line]
    assert line.endswith(f" -m loadtest.{module} --rounds 1")


def test_make_names_the_devices_that_there_are():
    done = subprocess.run(["make", "--dry-run", "run", "DEVICE=tpu"], capture_output=True, text=True)
    assert done.returncode != 0
    assert 'DEVICE is "tpu": it is cpu, gpu or auto.' in done.stderr


def tracked():
    files = subprocess.run(["git", "ls-files", "-z"], capture_output=True, check=True).stdout.decode().split("\0")
    return [Path(name) for name in files if name and Path(name).exists()]


def test_nothing_large_is_tracked():
    limits = {path: 3_000_000 if path.suffix == ".onnx" else 1_000_000 for path in tracked()}
    assert [path for path, limit in limits.items() if path.stat().st_size > limit] == []


def test_clean_removes_nothing_that_is_tracked():
    done = subprocess.run(["make", "--dry-run", "clean"], capture_output=True, text=True, check=True)
    (command,) = [line.split() for line in done.stdout.splitlines() if line.startswith("rm ")]
    removed = [Path(word) for word in command[2:]]
    assert Path("build") in removed
    assert [path for path in tracked() for each in removed if path.is_relative_to(each)] == []
