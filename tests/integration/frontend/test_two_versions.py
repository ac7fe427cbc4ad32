"""A model whose versions differ in task, classes and outputs, through HTTP on the real Triton."""

import io

import httpx
import numpy as np
import pytest
import shapely
import tritonclient.grpc as grpcclient
from PIL import Image
from tritonclient.utils import InferenceServerException

from frontend.http.shapes.result_shapes import DelineationResult, LocalisationResult
from testbed.encoded_pictures import encoded
from testbed.model_folder import CLASSES
from testbed.servers import FrontendServer, TritonServer
from tests.two_versions import LIMITS, NAMED, SIZE, patch, write_two_versions

NEWEST, OLDER = "/v1/models/outliner", "/v1/models/outliner/versions/1"


@pytest.fixture(scope="module")
def triton(embedded_triton, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two-versions")
    write_two_versions(folder / "models")
    with TritonServer(folder / "models", folder) as server:
        yield server


@pytest.fixture(scope="module")
def http(triton):
    folder = triton.folder
    options = {"model_repository": folder / "models", "results_dir": folder / "results"}
    with (
        FrontendServer(triton.grpc_url, folder, **options) as server,
        httpx.Client(base_url=server.url, timeout=30) as client,
    ):
        yield client


def ask(http, address, picture, **query):
    response = http.post(f"{address}/predict", params=query, content=encoded(picture))
    assert response.status_code == 200, response.text
    return response.json()


def test_the_newest_version_answers_and_the_older_one_is_there_with_its_boxes(http):
    described, older = http.get(NEWEST).json(), http.get(OLDER).json()
    assert (described["version"], described["versions"]) == ("2", ["1", "2"])
    assert [each["name"] for each in described["card"]["classes"]] == list(NAMED)
    assert [each["name"] for each in older["card"]["classes"]] == list(CLASSES)
    assert (described["card"]["task"], older["card"]["task"]) == ("delineation", "localisation")
    assert (described["card"]["title"], older["card"]["title"]) == ("Tiny test model outliner", "The older one")
    outputs = {address: [each["name"] for each in http.get(address).json()["configuration"]["outputs"]]
               for address in (NEWEST, OLDER)}  # fmt: skip
    assert outputs == {NEWEST: ["probabilities", "mask", "strangeness"], OLDER: ["probabilities", "heatmap", "boxes"]}
    new = DelineationResult.model_validate(ask(http, NEWEST, patch()))
    old = LocalisationResult.model_validate(ask(http, OLDER, patch()))
    assert (new.version, old.version) == ("2", "1")
    assert (set(new.probabilities), set(old.probabilities)) == (set(NAMED), set(CLASSES))
    # Half a mask of 0.75 lies an eighth of a cell of 16 pixels inside of the patch.
    assert new.localisation.area_px == pytest.approx(28 * 60, rel=0.05)
    assert old.localisation.box is not None
    for found in (new, old):  # each is drawn by its own version
        assert http.get(found.links["overlay"]).status_code == 200
        assert http.get(f"{found.links['self']}/tiles").status_code == 200
        assert "Probability" in http.get(f"/results/{found.id}").text
    names = [each["properties"]["name"] for each in http.get(old.links["polygons"]).json()["features"]]
    assert names == ["Box", "Peak"]
    assert "mask" not in old.links


def test_the_outline_in_every_form(http):
    found = ask(http, NEWEST, patch(), mm_per_px=0.5)
    place = found["localisation"]
    assert found["label"] == "red"
    assert found["provenance"]["parameters"] == {"mm_per_px": 0.5}
    assert place["area_mm2"] == pytest.approx(place["area_px"] / 4)
    assert place["longest_diameter_mm"] == pytest.approx(place["longest_diameter_px"] / 2, abs=0.01)
    mask = np.asarray(Image.open(io.BytesIO(http.get(found["links"]["mask"]).content)))
    assert np.count_nonzero(mask) == place["area_px"]
    assert mask[64, 80] == 1
    region, _ = http.get(found["links"]["polygons"]).json()["features"]
    assert shapely.geometry.shape(region["geometry"]).area == place["area_px"]
    assert region["geometry"]["coordinates"] == place["outline"][0]
    assert http.get(f"{found['links']['self']}/tiles").json()["um_per_px"] == 500
    other = ask(http, NEWEST, patch())
    assert other["id"] != found["id"]
    assert other["localisation"]["area_mm2"] is None
    for value, bound in ((0.01, "0.05"), (6, "5")):
        refused = http.post(f"{NEWEST}/predict", params={"mm_per_px": value}, content=encoded(patch()))
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter")
        assert bound in refused.json()["detail"]


@pytest.mark.parametrize(
    ("picture", "code"),
    [
        (patch(corner=255), "unlike_training"),
        (patch((120, 60, 60)), "nothing_seen"),
        (patch((200, 200, 200)), "classes_close"),
    ],
    ids=["unlike", "nothing", "close"],
)
def test_no_class_is_named_on_thin_evidence(http, picture, code):
    found = DelineationResult.model_validate(ask(http, NEWEST, picture))
    assert (found.label, found.undetermined.code) == (None, code)
    assert found.undetermined.limit in LIMITS.values()
    page = http.get(f"/results/{found.id}").text
    assert "Undetermined" in page
    assert found.undetermined.text in page
    for kind in ("overlay", "mask", "polygons"):
        assert http.get(found.links[kind]).status_code == 200


def test_triton_itself_says_which_outputs_a_version_has(triton):
    with grpcclient.InferenceServerClient(triton.grpc_url) as client:
        image = grpcclient.InferInput("image", [1, SIZE, SIZE, 3], "UINT8")
        image.set_data_from_numpy(np.zeros((1, SIZE, SIZE, 3), np.uint8))

        def infer(version, *names):
            outputs = [grpcclient.InferRequestedOutput(name) for name in names] or None
            answer = client.infer("outliner", [image], model_version=version, outputs=outputs)
            return sorted(each.name for each in answer.get_response().outputs)

        assert infer("2", "mask") == ["mask"]
        with pytest.raises(
            InferenceServerException, match="no output mask; it has boxes, heatmap, probabilities"
        ) as caught:
            infer("1", "mask", "probabilities")
        assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
        assert infer("1") == ["boxes", "heatmap", "probabilities"]
        assert infer("2") == ["mask", "probabilities", "strangeness"]
