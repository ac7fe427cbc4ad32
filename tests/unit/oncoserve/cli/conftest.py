import os
import subprocess
import sys

import pytest

from oncoserve.cli.main import main
from testbed.servers import PROJECT
from tests.unit.oncoserve.cli.stub import Stub


@pytest.fixture
def stub():
    with Stub() as service:
        yield service


@pytest.fixture
def folder(tmp_path):
    """Five small files that are pictures by name."""
    found = tmp_path / "pictures"
    found.mkdir()
    for number in range(5):
        (found / f"{number}.png").write_bytes(b"picture %d" % number)
    return found


@pytest.fixture
def run(monkeypatch, tmp_path, capsys, folder):
    """Runs the command on `folder`; gives the exit code and what it printed."""
    monkeypatch.delenv("ONCO_API_KEY", raising=False)

    def predict(stub, *arguments, where=folder):
        url = stub if isinstance(stub, str) else stub.url
        argv = ["predict", str(where), "--model", "tiny", "--out", str(tmp_path / "out"), "--url", url, *arguments]
        capsys.readouterr()
        code = main(argv)
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return predict


@pytest.fixture
def call(monkeypatch, capsys, stub):
    """Runs a command that asks `stub`; gives the exit code, what it answered, and what it told besides."""
    monkeypatch.delenv("ONCO_API_KEY", raising=False)

    def run_it(*arguments):
        capsys.readouterr()
        code = main([*map(str, arguments), "--url", stub.url])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run_it


@pytest.fixture
def start(tmp_path):
    """Starts the command in a process of its own: `bare` without any package, or with these modules `hidden`."""
    started = []

    def begin(*arguments, bare=False, hidden=(), **options):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ONCO_")}
        settings = {"cwd": PROJECT, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        settings["env"] = environment | settings.get("env", {})
        program = ["-m", "oncoserve"]
        if hidden:
            hide = f"import sys; sys.modules.update(dict.fromkeys({hidden!r}))"
            program = ["-c", f"{hide}; from oncoserve.cli.main import main; sys.exit(main())"]
        argv = [sys.executable, *["-S"] * bare, *program, *map(str, arguments)]
        started.append(subprocess.Popen(argv, **settings))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()
