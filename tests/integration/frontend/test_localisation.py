"""A model that points, in two versions side by side, through HTTP on the real Triton."""

import io
import shutil

import httpx
import numpy as np
import pytest
from PIL import Image

from frontend.http.shapes.result_shapes import LocalisationResult
from testbed.encoded_pictures import encoded
from testbed.servers import FrontendServer, TritonServer
from testbed.tiny_models import write_localiser

NEWEST, OLDER = "/v1/models/spotter", "/v1/models/spotter/versions/1"


@pytest.fixture(scope="module")
def http(embedded_triton, tmp_path_factory):
    folder = tmp_path_factory.mktemp("localisation")
    repository = folder / "models"
    model = write_localiser(repository, cells=4)
    # The same tensors, and another graph: every cell proposes its right neighbour.
    write_localiser(folder / "aside", cells=4, shift=0.25)
    shutil.copytree(folder / "aside/spotter/1", model / "2")
    configuration = (model / "config.pbtxt").read_text()
    (model / "config.pbtxt").write_text(f"{configuration}version_policy {{ all {{ }} }}\n")
    results = folder / "results"
    with (
        TritonServer(repository, folder) as triton,
        FrontendServer(triton.grpc_url, folder, model_repository=repository, results_dir=results) as server,
        httpx.Client(base_url=server.url, timeout=30) as client,
    ):
        yield client


def spot():
    """A black picture of 160 x 96 pixels; of its 4 x 4 cells the one of row 1 and column 2 is white."""
    pixels = np.zeros((96, 160), np.uint8)
    pixels[24:48, 80:120] = 255
    return Image.fromarray(pixels)


def ask(http, address, picture, **options):
    response = http.post(f"{address}/predict", content=picture, **options)
    assert response.status_code == 200, response.text
    return response


def test_old_and_new_answer_side_by_side(http):
    described = http.get(NEWEST).json()
    assert (described["version"], described["versions"]) == ("2", ["1", "2"])
    older = http.get(OLDER).json()
    assert older["version"] == "1"
    assert older["model_sha256"] != described["model_sha256"]
    picture = encoded(spot())
    found = {
        address: LocalisationResult.model_validate(ask(http, address, picture).json()) for address in (NEWEST, OLDER)
    }
    assert {address: each.version for address, each in found.items()} == {NEWEST: "2", OLDER: "1"}
    where = found[OLDER].localisation.model_dump()
    assert 0.9 < where.pop("certainty") < 1  # the filter blurs the edges
    assert where == {
        "peak": {"x": 100.0, "y": 36.0},
        "box": {"x": 80.0, "y": 24.0, "width": 40.0, "height": 24.0},
    }
    assert found[NEWEST].localisation.box.x == 120.0
    assert found[NEWEST].id != found[OLDER].id
    assert found[OLDER].provenance.model_sha256 == older["model_sha256"]


def test_a_turned_picture_is_answered_in_upright_pixels(http):
    upright = spot()
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(upright.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, exif=exif)
    found = ask(http, OLDER, turned).json()
    assert found["image"] == {"mm_per_px": None, "dicom": None} | {
        "width": 160,
        "height": 96,
        "format": "JPEG",
        "orientation": 6,
        "turned": True,
    }
    assert found["localisation"]["peak"] == {"x": 100.0, "y": 36.0}
    point = http.get(found["links"]["polygons"]).json()["features"][1]["geometry"]["coordinates"]
    assert point == [36.0, 60.0]  # where the file itself, which is 96 x 160, has it
    for frame, size in (("file", (96, 160)), ("upright", (160, 96))):
        drawn = http.get(found["links"]["overlay"], params={"frame": frame}).content
        assert Image.open(io.BytesIO(drawn)).size == size
    refused = http.get(found["links"]["overlay"], params={"frame": "sideways"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter")
    assert "'file' or 'upright'" in refused.json()["detail"]


def test_the_overlay_and_the_polygons(http):
    picture = encoded(spot())
    overlay = Image.open(io.BytesIO(ask(http, OLDER, picture, headers={"Accept": "image/png"}).content))
    assert overlay.size == (160, 96)
    assert np.asarray(overlay)[36, 60].tolist() == [0, 0, 0]
    response = ask(http, OLDER, picture, headers={"Accept": "application/geo+json"})
    box, _ = response.json()["features"]
    assert [80.0, 24.0] in box["geometry"]["coordinates"][0]


def test_a_version_that_is_not_there(http):
    response = http.post("/v1/models/spotter/versions/3/predict", content=encoded(spot()))
    assert (response.status_code, response.json()["code"]) == (404, "version_not_found")
    assert "served are: 1, 2" in response.json()["detail"]
