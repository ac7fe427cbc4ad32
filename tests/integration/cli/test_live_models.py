"""Models that come and go while the service runs and somebody asks it all the time."""

import contextlib
import shutil
import subprocess
import sys
import threading
import time

import httpx
import numpy as np
import pytest
from PIL import Image

from testbed.encoded_pictures import encoded
from testbed.servers import PROJECT, WholeService
from tests.unit.model_export.own.graphs import classifier

pytestmark = pytest.mark.timeout(300)
CLASSES = ("--task", "classification", "--classes", "a,b,c")
NEW = ("--version", "new")
LONGEST_S = 60


def models(data, *arguments):
    command = [sys.executable, "-m", "oncoserve", "models", *map(str, arguments), "--data", str(data)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stderr


def pictures():
    """A new one each time, so that a model has to answer."""
    random = np.random.default_rng(0)
    while True:
        yield encoded(Image.fromarray(random.integers(0, 256, (20, 20, 3)).astype(np.uint8)))


@contextlib.contextmanager
def asked_all_the_time(service, model):
    """Asks a model without a pause; gives the answers, all of which have to be answers."""
    answers, stop = [], threading.Event()

    def ask():
        with httpx.Client(base_url=service.url, timeout=30) as http:
            for picture in pictures():
                if stop.is_set():
                    return
                answers.append(http.post(f"/v1/models/{model}/predict", content=picture))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield answers
    finally:
        stop.set()
        asking.join()
    assert [(each.status_code, each.text) for each in answers if each.status_code != 200] == []


def kill(pattern):
    """SIGKILL the processes whose command line is like that."""
    assert subprocess.run(["pkill", "-KILL", "-f", pattern]).returncode == 0


def until(look):
    deadline = time.monotonic() + LONGEST_S
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return found


@pytest.mark.long
def test_models_come_and_go_beside_callers(embedded_triton, tmp_path):
    repository = tmp_path / "model_repository"
    models(tmp_path, "add", classifier(tmp_path / "first.onnx"), "--name", "first", *CLASSES)
    (tmp_path / "service").mkdir()
    fresh = pictures()
    with (
        WholeService(repository, tmp_path / "service") as service,
        httpx.Client(base_url=service.url, timeout=30) as http,
    ):

        def predict(model):
            return http.post(f"/v1/models/{model}/predict", content=next(fresh))

        with asked_all_the_time(service, "first") as answers:
            assert predict("second").status_code == 404
            models(tmp_path, "add", classifier(tmp_path / "second.onnx", softmax=True), "--name", "second", *CLASSES)
            until(lambda: predict("second").status_code == 200)

            # One that is broken is told, and takes nothing away.
            shutil.copytree(repository / "second", tmp_path / "broken")
            (tmp_path / "broken/1/model.onnx").write_bytes(b"no graph")
            card = (tmp_path / "broken/card.json").read_text().replace('"name": "second"', '"name": "broken"')
            (tmp_path / "broken/card.json").write_text(card)
            (tmp_path / "broken").rename(repository / "broken")
            ready = until(lambda: (found := http.get("/readyz").json())["problems"].get("broken") and found)
            assert (ready["ready"], ready["models"]) == (True, ["first", "second"])
            assert http.get("/readyz").status_code == 200
            shutil.rmtree(repository / "broken")
            until(lambda: not http.get("/readyz").json()["problems"])

            # Nor does one over which Triton would end.
            shutil.copytree(repository / "second", tmp_path / "odd")
            (tmp_path / "odd/1").rename(tmp_path / "odd" / ("9" * 30))
            (tmp_path / "odd").rename(repository / "odd")
            until(lambda: "Refused: 'odd' is not loaded: it has a version 999" in service.output())

            models(tmp_path, "remove", "second")
            until(lambda: predict("second").status_code == 404)
        assert answers

        # What comes in while Triton is being killed is served by the next one, and watched there.
        shutil.copytree(repository / "first", tmp_path / "late")
        card = (tmp_path / "late/card.json").read_text().replace('"name": "first"', '"name": "late"')
        (tmp_path / "late/card.json").write_text(card)
        (tmp_path / "late").rename(repository / "late")
        until(lambda: "New: late" in service.output())
        kill(f"tritonserver.*{repository}")
        until(lambda: predict("late").status_code == 200)
        kill(f"triton_python_backend_stub.*{repository}/late")
        until(lambda: "Lost: backend of late" in service.output())
        until(lambda: predict("late").status_code == 200)


def test_versions_take_over_and_go_back_beside_callers(embedded_triton, tmp_path):
    repository = tmp_path / "model_repository"
    models(tmp_path, "add", classifier(tmp_path / "first.onnx"), "--name", "first", *CLASSES)
    (tmp_path / "service").mkdir()
    with WholeService(repository, tmp_path / "service") as service:
        with asked_all_the_time(service, "first") as one, asked_all_the_time(service, "first") as other:

            def answers_with(version):
                until(lambda: all(each and each[-1].json()["version"] == version for each in (one, other)))

            answers_with("1")
            second = classifier(tmp_path / "second.onnx", softmax=True)
            models(tmp_path, "add", second, "--name", "first", *CLASSES, *NEW)
            answers_with("2")

            # One that cannot be loaded takes nothing away, nor do those who serve it forget which could.
            (tmp_path / "3").mkdir()
            (tmp_path / "3/model.onnx").write_bytes(b"no graph")
            (tmp_path / "3").rename(repository / "first/3")
            until(lambda: "Refused: first" in service.output())
            assert "Version 2 of it is served on." in service.output()
            answers_with("2")
        assert "Lost:" not in service.output()  # the end of a replaced version's process is no loss
        for victim in (f"triton_python_backend_stub.*{repository}/first", f"tritonserver.*{repository}"):
            restarts = service.output().count("Back: ")
            kill(victim)
            until(lambda before=restarts: service.output().count("Back: ") > before)
            until(lambda: httpx.get(f"{service.url}/readyz", timeout=30).status_code == 200)
        with asked_all_the_time(service, "first") as one, asked_all_the_time(service, "first") as other:
            answers_with("2")
            shutil.rmtree(repository / "first/3")
            until(lambda: "Served: first, version 2." in service.output().rpartition("Refused")[2])
            models(tmp_path, "rollback", "first")
            answers_with("1")
