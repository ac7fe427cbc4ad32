import pytest

from oncoserve.cli.main import main
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
