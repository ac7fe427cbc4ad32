"""The rules of the house that a reviewer would otherwise have to remember."""

import ast
import subprocess
import tomllib
from pathlib import Path

import pytest

import oncoserve

PACKAGES = ("client", "frontend", "inference_server", "model_export", "oncoserve")
MODULES = sorted(path for package in PACKAGES for path in Path(package).rglob("*.py"))
SERVICE = [path for path in MODULES if path.parts[0] in {"frontend", "oncoserve"}]
MAX_MODULE_LINES, MAX_FUNCTION_LINES = 300, 50


def imports(path):
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.split(".")[0] for name in names} | names


@pytest.mark.parametrize("path", SERVICE, ids=str)
def test_only_the_adapter_knows_triton_and_grpc(path):
    allowed = path == Path("oncoserve/inference/triton.py")
    assert bool(imports(path) & {"tritonclient", "grpc"}) is allowed


@pytest.mark.parametrize("path", SERVICE, ids=str)
def test_only_the_http_side_knows_fastapi(path):
    assert path.parts[0] == "frontend" or not imports(path) & {"fastapi", "starlette"}


@pytest.mark.parametrize("path", [path for path in SERVICE if "tasks" in path.parts], ids=str)
def test_tasks_are_pure(path):
    above = {"oncoserve.prediction", "oncoserve.results"}
    assert not imports(path) & {"asyncio", "threading", "uvicorn", "pathlib", *above}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_the_frontend_and_the_inference_server_do_not_know_each_other(path):
    service = {"frontend", "oncoserve"}
    own = service if path.parts[0] in service else {path.parts[0]}
    others = set(PACKAGES) - own
    assert not imports(path) & others


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_modules_and_functions_stay_small(path):
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_MODULE_LINES
    for node in ast.walk(ast.parse(text)):
        # A router's function is a list of small routes; each route is held to the limit itself.
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name != "router":
            assert node.end_lineno - node.lineno < MAX_FUNCTION_LINES, node.name


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_no_state_at_module_level(path):
    for node in ast.parse(path.read_text()).body:
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


def test_the_runtime_lock_is_part_of_the_development_lock():
    def pins(name):
        return {line.rstrip(" \\") for line in Path(name).read_text().splitlines() if "==" in line}

    assert pins("requirements.lock") <= pins("requirements-dev.lock")


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
