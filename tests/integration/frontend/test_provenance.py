"""Every form in which a result leaves the service says where it comes from."""

import hashlib
import io
import json

import pytest
from PIL import Image

from oncoserve import NOTICE, __version__
from oncoserve.pictures.rgb import READING_RULES
from oncoserve.tasks import TASKS
from testbed.servers import PROJECT

GLIOMA = "brain_mri/glioma/Te-gl_0010.jpg"
OLDER = "brain_tumour/versions/1"
PICTURES = {"brain_mri": GLIOMA, "brain_tumour": GLIOMA, OLDER: GLIOMA, "he_tissue": "he_tissue/ihc/ihc.png"}
FILES = {
    "brain_mri": "1/model.cpu.onnx",
    "brain_tumour": "2/model.cpu.onnx",
    OLDER: "1/model.cpu.onnx",
    "he_tissue": "1/model.onnx",
}
GIVEN = {"brain_mri": {}, "brain_tumour": {"mm_per_px": 0.5}, OLDER: {}, "he_tissue": {"um_per_px": 1.0, "tta": False}}


@pytest.fixture(params=PICTURES)
def model(request):
    return request.param


@pytest.fixture
def picture(model):
    return (PROJECT / "build/samples" / PICTURES[model]).read_bytes()


@pytest.fixture
def result(http, model, picture):
    response = http.post(f"/v1/models/{model}/predict", content=picture, params=GIVEN[model])
    assert response.status_code == 200, response.text
    return response.json()


def provenance_in(response):
    """What an exported file says of itself, whatever its kind."""
    kind = response.headers["content-type"]
    if kind == "image/png":
        image = Image.open(io.BytesIO(response.content))
        image.load()
        assert image.info["Description"] == NOTICE
        return json.loads(image.info["Provenance"])
    assert kind == "application/geo+json"
    return response.json()["provenance"]


def test_the_document_and_every_file_say_what_made_them(http, model, picture, result):
    name, version = model.split("/")[0], FILES[model].split("/")[0]
    card = http.get(f"/v1/models/{model}").json()["card"]
    expected = {
        "model": name,
        "version": version,
        "model_sha256": hashlib.sha256((PROJECT / "model_repository" / name / FILES[model]).read_bytes()).hexdigest(),
        "weights": {
            "package": f"{card['origin']['package']} {card['origin']['version']}",
            "sha256": card["origin"]["sha256"],
        },
        "code_version": __version__,
        "input_sha256": hashlib.sha256(picture).hexdigest(),
        "reading": {"rules": READING_RULES, "bits": 8, "scaled_from": None, "profile": None},
        "parameters": GIVEN[model],
        "created": result["provenance"]["created"],
        "notice": "Research use only. Not a medical device.",
    }
    assert result["provenance"] == expected
    renderings = [each for task in TASKS if task.kind == result["task"] for each in task.all_renderings]
    assert renderings
    for each in renderings:
        found = provenance_in(http.get(result["links"][each.kind]))
        drawn_with = found.pop("drawn_with")
        assert drawn_with.keys() >= each.options().model_dump().keys(), each.name
        assert found == expected, each.name


def test_a_file_asked_for_at_once_says_the_same(http, model, picture, result):
    for each in {each.media_type for task in TASKS if task.kind == result["task"] for each in task.all_renderings}:
        response = http.post(
            f"/v1/models/{model}/predict", content=picture, params=GIVEN[model], headers={"Accept": each}
        )
        found = provenance_in(response)
        found.pop("drawn_with")
        assert found == result["provenance"]


@pytest.mark.parametrize("model", ["he_tissue"])
def test_another_threshold_is_stated(http, result):
    for link in ("overlay", "mask", "polygons"):
        found = provenance_in(http.get(result["links"][link], params={"threshold": 0.7}))
        assert found["drawn_with"]["threshold"] == 0.7


def test_every_task_has_a_model_that_is_tested_here(http):
    tasks = {http.get(f"/v1/models/{model}").json()["card"]["task"] for model in PICTURES}
    # No model of the project finds boxes; tests/integration/cli/test_own_models.py adds one that does.
    assert tasks == {task.kind for task in TASKS} - {"detection"}
