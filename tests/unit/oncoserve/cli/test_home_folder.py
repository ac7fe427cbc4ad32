from pathlib import Path

import pytest

from oncoserve.cli.home_folder import SHIPPED, Home, find_home, lay


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "checkout/model_repository").mkdir(parents=True)
    return tmp_path / "checkout"


def test_a_checkout_is_worked_in_from_wherever_it_is_called(here, checkout, monkeypatch):
    assert find_home(None, {}, checkout) == Home(checkout, exports=True, lays=False)
    monkeypatch.chdir(checkout)
    assert find_home(None, {}, checkout) == Home(checkout, exports=True, lays=False)


@pytest.mark.parametrize("own", [True, False], ids=["code of a checkout", "code of a wheel"])
def test_a_folder_with_models_of_its_own_gets_none_of_ours(here, checkout, own):
    (here / "model_repository").mkdir()
    assert find_home(None, {}, checkout if own else None) == Home(here, exports=False, lays=False)


def test_a_wheel_has_a_data_folder(here, tmp_path):
    xdg = {"XDG_DATA_HOME": str(tmp_path / "xdg"), "HOME": "/nowhere"}
    assert find_home(None, xdg, None) == Home(tmp_path / "xdg/oncoserve", exports=True, lays=True)
    assert find_home(Path("data"), xdg, None) == Home(here / "data", exports=True, lays=True)


@pytest.mark.parametrize("given", ["", "relative/path"])
def test_where_xdg_says_nothing_it_is_below_home(here, monkeypatch, given):
    monkeypatch.setenv("HOME", "/home/somebody")
    assert find_home(None, {"XDG_DATA_HOME": given}, None).path == Path("/home/somebody/.local/share/oncoserve")


@pytest.mark.parametrize("variable", ["ONCO_MODEL_REPOSITORY", "ONCO_TRITON_MODEL_REPOSITORY"])
def test_whoever_names_a_repository_means_the_frontend_and_triton(here, variable, tmp_path):
    environ = {variable: "/models", "ONCO_RESULTS_DIR": "elsewhere", "PATH": "/bin"}
    home = find_home(tmp_path / "data", environ, None)
    assert (home.exports, home.lays) == (False, False)
    assert home.environment(environ) == {
        "ONCO_MODEL_REPOSITORY": "/models",
        "ONCO_TRITON_MODEL_REPOSITORY": "/models",
        "ONCO_RESULTS_DIR": "elsewhere",
        "ONCO_SAMPLES_DIR": f"{tmp_path}/data/build/samples",
        "ONCO_TRITON_WORK_DIRECTORY": f"{tmp_path}/data/build/triton",
        "PATH": "/bin",
    }


def test_an_empty_variable_names_nothing(here, tmp_path):
    environ = {"ONCO_MODEL_REPOSITORY": ""}
    home = find_home(tmp_path, environ, None)
    assert (home.exports, home.repository(environ)) == (True, tmp_path / "model_repository")


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_laid_is_all_that_serving_needs_but_what_is_exported(tmp_path):
    home = Home(tmp_path, exports=True, lays=True)
    lay(home, {"brain_mri", "he_tissue"})
    laid = contents(tmp_path / "model_repository")
    shipped = contents(SHIPPED)
    assert laid == {name: shipped[name] for name in laid}
    trained = {f"brain_tumour/{name}" for name in ("1/model.onnx", "1/card.json", "2/model.onnx", "card.json")}
    assert {*trained, "brain_mri/card.json", "brain_mri/configs/gpu.pbtxt"} <= laid.keys()
    assert [name for name in laid if name.startswith(("brain_mri/1", "he_tissue/1"))] == []


def test_newer_cards_replace_older_ones_and_the_rest_stays_untouched(tmp_path):
    shipped = tmp_path / "shipped"
    (shipped / "tiny").mkdir(parents=True)
    (shipped / "tiny/card.json").write_text("old")
    (shipped / "tiny/labels.txt").write_text("labels")
    home = Home(tmp_path, exports=True, lays=True)
    repository = tmp_path / "model_repository"
    lay(home, {"tiny"}, shipped)
    (repository / "tiny/1").mkdir()
    (repository / "tiny/1/model.onnx").write_text("exported")
    (repository / "mine").mkdir()
    (repository / "mine/card.json").write_text("my own")
    before = {path: path.stat() for path in repository.rglob("*") if path.is_file()}
    (shipped / "tiny/card.json").write_text("new")
    lay(home, {"tiny"}, shipped)
    assert contents(repository) == {
        "tiny/card.json": b"new", "tiny/labels.txt": b"labels", "tiny/1/model.onnx": b"exported",
        "mine/card.json": b"my own",
    }  # fmt: skip
    changed = [path.name for path, stat in before.items() if path.stat() != stat]
    assert changed == ["card.json"]
