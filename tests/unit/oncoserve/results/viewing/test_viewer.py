"""The tiles over HTTP; tests/integration/frontend has them on real results."""

import io

import numpy as np
import pytest
from PIL import Image

from frontend.http.shapes.viewing_shapes import TilesShape
from oncoserve.keys import new_key
from testbed.encoded_pictures import encoded, noise
from testbed.fakes import FakeBackend, classifier
from testbed.in_process import PREDICT, Service, assert_problem
from testbed.picture_files.dicom_files import mr_slice

PICTURE = noise((600, 520))


async def ask(service, picture=PICTURE, **headers):
    answer = await service.http.post(PREDICT, content=encoded(picture), headers=headers)
    return answer.json()["links"]["self"]


def opened(response):
    assert response.headers["content-type"] == "image/png"
    assert response.headers["cache-control"] == "no-store"
    return Image.open(io.BytesIO(response.content))


async def test_what_there_is_to_look_at(service):
    described = (await service.http.get(f"{await ask(service)}/tiles")).json()
    TilesShape.model_validate(described)
    assert {key: described[key] for key in ("width", "height", "tile", "levels", "um_per_px")} == {
        "width": 600, "height": 520, "tile": 512, "levels": 2, "um_per_px": None,
    }  # fmt: skip
    assert [(each["name"], each["kind"]) for each in described["layers"]] == [("image", "picture"), ("overlay", "heat")]
    assert described["layers"][1]["colours"][0] == "#000000"


async def test_tiles_are_the_picture(service):
    tiles = f"{await ask(service)}/tiles/image"
    made = Image.new("RGB", (600, 520))
    for x in (0, 1):
        for y in (0, 1):
            made.paste(opened(await service.http.get(f"{tiles}/1/{x}_{y}")), (512 * x, 512 * y))
    assert made.tobytes() == PICTURE.tobytes()
    assert opened(await service.http.get(f"{tiles}/0/0_0")).tobytes() == PICTURE.reduce(2).tobytes()


async def test_the_strengths_of_a_heat_layer_are_the_opacity_of_the_overlay(service):
    small = noise((300, 200))
    result = await ask(service, small)
    tile = opened(await service.http.get(f"{result}/tiles/overlay/0/0_0"))
    overlay = opened(await service.http.get(f"{result}/overlay.png?base=none&opacity=1"))
    assert np.array_equal(np.asarray(tile), np.asarray(overlay)[..., 3])


@pytest.mark.parametrize(
    "path",
    ["image/2/0_0", "image/1/2_0", "image/1/0_2", "image/-1/0_0", "image/one/0_0", "image/1/0", "image/1/0_0_0",
     "image/1/-1_0", "image/1/0_", "image/0/0_1", "other/0/0_0", "classes/0/0_0", "image/1/\u0660_\u0660",
     f"image/{'9' * 5000}/0_0", f"image/0/{'9' * 5000}_0"],
)  # fmt: skip
async def test_tiles_that_are_not_there(service, path):
    assert_problem(await service.http.get(f"{await ask(service)}/tiles/{path}"), 404, "tile_not_found")


async def test_no_layer_where_the_model_draws_none(tmp_path):
    async with Service(tmp_path, FakeBackend(classifier())) as service:
        result = await ask(service)
        described = (await service.http.get(f"{result}/tiles")).json()
        assert [each["name"] for each in described["layers"]] == ["image"]
        assert_problem(await service.http.get(f"{result}/tiles/overlay/0/0_0"), 404, "tile_not_found")


@pytest.mark.parametrize("path", ["tiles", "tiles/image/0/0_0"])
async def test_of_unknown_and_deleted_results_nothing_is_shown(service, path):
    result = await ask(service)
    assert (await service.http.get(f"{result}/{path}")).status_code == 200
    await service.http.delete(result)
    assert_problem(await service.http.get(f"{result}/{path}"), 404, "result_not_found")
    assert_problem(await service.http.get(f"/v1/results/nope/{path}"), 404, "result_not_found")


async def test_other_owners_see_nothing_of_it(tmp_path):
    secrets, lines = zip(*(new_key(name) for name in ("ward", "lab")), strict=True)
    (tmp_path / "keys").write_text("".join(f"{line}\n" for line in lines))
    async with Service(tmp_path, FakeBackend(), api_keys_file=tmp_path / "keys") as service:
        ward, lab = ({"X-API-Key": secret} for secret in secrets)
        result = await ask(service, **ward)
        for path in ("tiles", "tiles/image/0/0_0", "tiles/image/1/0_0"):
            assert (await service.http.get(f"{result}/{path}", headers=ward)).status_code == 200
            assert_problem(await service.http.get(f"{result}/{path}", headers=lab), 404, "result_not_found")
            assert_problem(await service.http.get(f"{result}/{path}"), 401, "unauthorised")


async def test_results_of_a_classifier_have_nothing_to_correct(service):
    answer = await service.http.put(f"{await ask(service)}/corrections", json={"excluded": []})
    assert_problem(answer, 404, "corrections_not_available")


@pytest.mark.parametrize("colour", ["MONOCHROME2", "MONOCHROME1"])
async def test_of_a_dicom_file_the_numbers_are_there_and_how_large_a_pixel_is(service, colour):
    numbers = np.random.default_rng(0).integers(7, 4000, (600, 520)).astype(np.uint16)
    data = mr_slice(numbers, PhotometricInterpretation=colour, PixelSpacing=[0.5, 0.5])
    result = (await service.http.post(PREDICT, content=data)).json()["links"]["self"]
    described = (await service.http.get(f"{result}/tiles")).json()
    TilesShape.model_validate(described)
    assert described["um_per_px"] == 500
    (values,) = [each["values"] for each in described["layers"] if each["kind"] == "values"]
    assert values["inverted"] == (colour == "MONOCHROME1")
    assert values["dark"] == pytest.approx(np.percentile(numbers, 1))
    found = np.zeros(numbers.shape)
    for x, y in ((0, 0), (1, 0), (0, 1), (1, 1)):
        address = f"{result}/tiles/values/1/{x}_{y}"
        response = await service.http.get(address)
        if response.status_code == 404:
            continue
        tile = np.asarray(opened(response)).astype(int)
        rows, columns = slice(512 * y, 512 * y + tile.shape[0]), slice(512 * x, 512 * x + tile.shape[1])
        found[rows, columns] = values["low"] + values["step"] * (256 * tile[..., 0] + tile[..., 1])
    np.testing.assert_array_equal(found, numbers)


async def test_a_picture_that_is_no_dicom_file_has_no_numbers(service):
    assert_problem(await service.http.get(f"{await ask(service)}/tiles/values/0/0_0"), 404, "tile_not_found")
