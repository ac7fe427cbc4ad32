"""H&E tissue on real pictures, through HTTP and the real Triton."""

import io
import json
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest
import shapely
import tritonclient.grpc
from PIL import Image

from frontend.http.shapes.result_shapes import SegmentationResult
from testbed.encoded_pictures import encoded
from testbed.models.tissue_maps import RULE, blender_of, prepare_tissue
from testbed.servers import PROJECT

PREDICT = "/v1/models/he_tissue/predict"
SAMPLES = PROJECT / "build/samples/he_tissue"
HISTO, IHC = SAMPLES / "he/histo.jpg", SAMPLES / "ihc/ihc.png"
GOLDEN = json.loads((PROJECT / "tests/integration/frontend/he_tissue.json").read_text())


def predict(http, data, **parameters):
    response = http.post(PREDICT, files={"image": data}, params=parameters)
    assert response.status_code == 200, response.text
    return SegmentationResult.model_validate(response.json()).model_dump()


def computed_s(triton):
    """Seconds that the model has computed so far; canaries take next to nothing."""
    client = tritonclient.grpc.InferenceServerClient(triton.grpc_url)
    (stats,) = client.get_inference_statistics("he_tissue").model_stats
    client.close()
    return stats.inference_stats.compute_infer.ns / 1e9


@pytest.mark.parametrize("name", GOLDEN)
def test_areas_are_those_of_the_golden_file(http, name):
    case = GOLDEN[name]
    result = predict(http, (SAMPLES / case["file"]).read_bytes(), um_per_px=case["um_per_px"])
    for label, area in case["areas"].items():
        assert result["areas"][label]["fraction"] == pytest.approx(area["fraction"], abs=0.005)
        assert result["areas"][label]["mm2"] == pytest.approx(area["mm2"], abs=0.005 * 0.1)
    assert sorted(each["code"] for each in result["warnings"]) == case["warnings"]


def test_the_sample_that_the_page_offers_first_shows_what_the_model_does(http):
    first = http.get("/v1/samples").json()["he_tissue"][0]
    result = predict(http, http.get(f"/v1/samples/{first}").content)
    assert result["warnings"] == []
    assert result["um_per_px"] == pytest.approx(0.499, abs=0.001)
    assert 0.25 < result["areas"]["epithelium"]["fraction"] < 0.4


def labels_of(http, pixels, **parameters):
    """The mask of a picture that is asked about."""
    result = predict(http, encoded(Image.fromarray(pixels)), um_per_px=2.0, **parameters)
    mask = http.get(f"/v1/results/{result['id']}/mask.png", params={"threshold": 0.5}).content
    return np.asarray(Image.open(io.BytesIO(mask)))


def test_tta_keeps_labels_when_a_picture_is_turned(http):
    with Image.open(SAMPLES / "he/cmu_1_hair_follicle.jpg") as sample:
        pixels = np.asarray(sample.convert("RGB").reduce(4))  # at the model's resolution nothing has to be resampled
    changed = {}
    for tta in ("true", "false"):
        upright = labels_of(http, pixels, tta=tta)
        turned = np.rot90(labels_of(http, np.ascontiguousarray(np.rot90(pixels)), tta=tta), -1)
        tissue = (upright > 0) | (turned > 0)
        changed[tta] = np.mean(upright[tissue] != turned[tissue])
    assert changed["true"] < 0.005 < changed["false"]


def test_http_gives_what_bare_onnx_runtime_gives(http, model_repository):
    pixels = np.asarray(Image.open(HISTO).convert("RGB"))
    prepared, session = (
        prepare_tissue(pixels, 1.0),
        onnxruntime.InferenceSession(model_repository / "he_tissue/1/model.onnx"),
    )
    blender = blender_of(prepared.grid)
    for tile in prepared.tiles():
        (probabilities,) = session.run(None, {"stains": tile.pixels[np.newaxis]})
        blender.add(tile.top, tile.left, probabilities[0])
    maps = prepared.maps(blender)
    areas = maps.areas(maps.labels(RULE, 0.5), RULE)
    result = predict(http, HISTO.read_bytes(), um_per_px=1.0)
    for name, area in areas.items():
        assert result["areas"][name]["fraction"] == pytest.approx(area.fraction, abs=0.002)


def test_mask_areas_polygons_and_overlay_agree(http):
    data = IHC.read_bytes()
    result = predict(http, data, um_per_px=1.0)
    links = result["links"]
    mask = Image.open(io.BytesIO(http.get(links["mask"]).content))
    assert (mask.mode, mask.size) == ("P", (512, 512))
    pixels = np.bincount(np.asarray(mask).ravel(), minlength=4)
    response = http.get(links["polygons"])
    assert response.headers["content-type"] == "application/geo+json"
    polygons = {}
    for feature in response.json()["features"]:
        shape = shapely.from_geojson(json.dumps(feature["geometry"]))
        assert shape.is_valid
        assert feature["properties"]["objectType"] == "annotation"
        title = feature["properties"]["classification"]["name"]
        polygons[title] = polygons.get(title, 0) + shape.area
    for value, (title, name) in enumerate(
        [("Lumen", "lumen"), ("Epithelium", "epithelium"), ("Other tissue", "other")], 1
    ):
        assert polygons.get(title, 0) == pytest.approx(pixels[value], rel=0.01)
        assert result["areas"][name]["mm2"] == pytest.approx(pixels[value] * 1e-6, rel=0.02, abs=2e-4)
    overlay = Image.open(io.BytesIO(http.get(links["overlay"], params={"opacity": 0}).content))
    assert np.array_equal(np.asarray(overlay), np.asarray(Image.open(IHC).convert("RGB")))
    direct = http.post(PREDICT, content=data, params={"um_per_px": 1.0}, headers={"Accept": "application/geo+json"})
    assert direct.json() == response.json()


def test_mask_polygons_and_overlay_in_the_frame_of_a_file_that_lies_turned(http):
    """Orientation 7 has every trait: sides swapped, both of them mirrored. All eight: the tests of pictures."""
    with Image.open(IHC) as image:
        upright = image.convert("RGB").crop((0, 0, 301, 255))
    exif = Image.Exif()
    exif[0x0112] = 7
    turn = Image.Transpose.TRANSVERSE  # undoes itself
    lying = upright.transpose(turn)
    result = predict(http, encoded(lying, exif=exif), um_per_px=1.0)
    assert result["image"] == {"mm_per_px": None, "dicom": None} | {
        "width": 301,
        "height": 255,
        "format": "PNG",
        "orientation": 7,
        "turned": True,
    }
    links = result["links"]

    def drawn(name, **options):
        return Image.open(io.BytesIO(http.get(links[name], params=options).content))

    masks = {frame: drawn("mask", frame=frame) for frame in ("file", "upright")}
    assert (masks["file"].mode, masks["file"].size, masks["upright"].size) == ("P", (255, 301), (301, 255))
    assert masks["file"].tobytes() == masks["upright"].transpose(turn).tobytes() == drawn("mask").tobytes()
    assert masks["file"].getpalette() == masks["upright"].getpalette()
    assert np.array_equal(np.asarray(drawn("overlay", frame="file", opacity=0)), np.asarray(lying))
    assert np.array_equal(np.asarray(drawn("overlay", opacity=0)), np.asarray(upright))
    y, x = np.indices((301, 255)) + 0.5
    for value, title in enumerate(("Lumen", "Epithelium", "Other tissue"), 1):
        for frame in (None, "file"):
            found = http.get(links["polygons"], params={"frame": frame} if frame else {}).json()
            assert found["frame"] == {"name": "file", "width": 255, "height": 301}
            features = [each for each in found["features"] if each["properties"]["classification"]["name"] == title]
            shape = shapely.MultiPolygon([shapely.from_geojson(json.dumps(each["geometry"])) for each in features])
            area = sum(each["properties"]["measurements"]["Oncoserve: Area px^2"] for each in features)
            assert shape.area == area
            covered = shapely.contains_xy(shape, x, y)
            assert np.mean(covered != (np.asarray(masks["file"]) == value)) < 0.001


def test_drawing_again_costs_no_inference(http, triton):
    began = computed_s(triton)
    result = predict(http, HISTO.read_bytes(), um_per_px=0.9)
    before = computed_s(triton)
    seen = set()
    for threshold in (0.2, 0.5, 0.8):
        query = {"threshold": threshold}
        assert http.get(result["links"]["self"], params=query).json()["threshold"] == threshold
        for name in ("overlay", "mask", "polygons"):
            seen.add(http.get(result["links"][name], params=query).content)
    predict(http, HISTO.read_bytes(), um_per_px=0.9)
    assert computed_s(triton) - before < (before - began) / 4
    assert len(seen) == 9


def test_tiles_are_sent_together(http, triton):
    """Several tiles of a picture wait in Triton at once, so that a batching configuration has something to batch."""
    client = tritonclient.grpc.InferenceServerClient(triton.grpc_url)

    def waiting_and_count():
        (stats,) = client.get_inference_statistics("he_tissue").model_stats
        return np.array([stats.inference_stats.queue.ns, stats.inference_stats.compute_infer.ns, stats.inference_count])

    wide = Image.open(HISTO).convert("RGB").resize((600, 600))
    before = waiting_and_count()
    predict(http, encoded(wide), um_per_px=2.0)
    queued_ns, computed_ns, tiles = waiting_and_count() - before
    client.close()
    assert tiles >= 8
    assert queued_ns > computed_ns / 2  # with two under way, one waits while one is computed


@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGB", (1, 1), "white"),
        Image.new("RGB", (1, 1), "purple"),
        Image.new("RGB", (700, 500), "white"),
        Image.new("RGB", (3000, 2), (200, 120, 170)),
        Image.new("RGB", (2, 3000), (90, 40, 120)),
        Image.new("L", (64, 64), 90),
    ],
    ids=["1x1 white", "1x1 purple", "blank", "a line", "a column", "grey"],
)
def test_odd_pictures_are_results_with_warnings(http, image):
    result = predict(http, encoded(image), um_per_px=0.5)
    assert result["warnings"]
    assert all(0 <= area["fraction"] <= 1 for area in result["areas"].values())
    for name in ("overlay", "mask", "polygons"):
        assert http.get(result["links"][name]).status_code == 200


@pytest.mark.parametrize("value", ["0.05", "4.1", "nan", "inf", "-1", "wide", ""])
def test_resolution_out_of_range(http, value):
    response = http.post(PREDICT, content=HISTO.read_bytes(), params={"um_per_px": value})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_parameter")
    assert "um_per_px" in response.json()["detail"]


@pytest.mark.parametrize("value", ["-0.1", "1.1", "nan", "half"])
def test_threshold_out_of_range(http, value):
    links = predict(http, HISTO.read_bytes(), um_per_px=1.0)["links"]
    for name in ("self", "overlay", "mask", "polygons"):
        response = http.get(links[name], params={"threshold": value})
        assert (response.status_code, response.json()["code"]) == (422, "invalid_parameter")


@pytest.mark.long
def test_both_models_at_once(http, triton):
    """A long segmentation does not stop classifications, and neither gets the other's answer."""
    wide = encoded(Image.open(HISTO).convert("RGB").resize((900, 540)).rotate(180))
    mri = sorted((PROJECT / "build/samples/brain_mri").glob("*/*.jpg"))[:4]
    with ThreadPoolExecutor(5) as pool:
        before = computed_s(triton)
        slow = pool.submit(http.post, PREDICT, content=wide, params={"um_per_px": 2.0})
        while computed_s(triton) < before + 0.05:  # more than canaries make
            assert not slow.done()
            time.sleep(0.02)
        quick = list(pool.map(lambda path: http.post("/v1/models/brain_mri/predict", content=path.read_bytes()), mri))
        assert [each.json()["label"] for each in quick] == [path.parent.name for path in mri]
        assert not slow.done()  # of twelve tiles one was done when they came
        assert slow.result().json()["task"] == "segmentation"


def test_excluded_objects_leave_areas_mask_overlay_and_polygons(http):
    result = predict(http, HISTO.read_bytes(), um_per_px=0.8)
    links = result["links"]
    features = http.get(links["polygons"]).json()["features"]
    names = [each["properties"]["name"] for each in features]
    excluded = [next(name for name in names if name.startswith(kind)) for kind in ("lumen", "epithelium")]
    answer = http.put(f"{links['self']}/corrections", json={"excluded": excluded})
    corrected = SegmentationResult.model_validate(answer.json()).model_dump()
    assert corrected["excluded"] == sorted(excluded)
    assert http.get(links["self"]).json() == answer.json()
    assert http.get(links["self"], params={"threshold": 0.5}).json() == answer.json()
    assert "excluded" not in http.get(links["self"], params={"threshold": 0.6}).json()

    out = [shapely.from_geojson(json.dumps(features[names.index(name)]["geometry"])).area for name in excluded]
    for name, pixels in zip(("lumen", "epithelium"), out, strict=True):
        gone = result["areas"][name]["mm2"] - corrected["areas"][name]["mm2"]
        assert gone == pytest.approx(pixels * 0.8**2 / 1e6, rel=0.05, abs=4e-6)  # a pixel of the model
    assert corrected["areas"]["other"]["mm2"] == result["areas"]["other"]["mm2"]
    assert sum(area["fraction"] for area in corrected["areas"].values()) == pytest.approx(1, abs=1e-5)
    mask = np.asarray(Image.open(io.BytesIO(http.get(links["mask"]).content)))
    layer = np.asarray(Image.open(io.BytesIO(http.get(links["overlay"], params={"base": "none"}).content)))
    assert np.count_nonzero(mask == 0) == np.count_nonzero(layer[..., 3] == 0) >= sum(out)
    left = http.get(links["polygons"]).json()["features"]
    assert left == [each for each in features if each["properties"]["name"] not in excluded]
    again = http.get(links["polygons"], params={"excluded": "ignore"}).json()["features"]
    assert [each["geometry"] for each in again] == [each["geometry"] for each in features]
    assert [each["id"] for each in again] == [each["id"] for each in features]
    assert {each["properties"]["name"] for each in again if each["properties"].get("excluded")} == set(excluded)
    assert sum(each["properties"]["classification"]["name"] == "Ignore*" for each in again) == len(excluded)

    unknown = http.put(f"{links['self']}/corrections", json={"excluded": ["lumen-1", "lumen-99999"]})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_objects")
    for wrong in ({}, {"excluded": "lumen-1"}, {"excluded": [1]}, {"excluded": [], "more": 1}):
        refused = http.put(f"{links['self']}/corrections", json=wrong)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter")
    assert http.get(links["self"]).json() == answer.json()
    http.put(f"{links['self']}/corrections", json={"excluded": []})
    assert http.get(links["self"]).json()["areas"] == result["areas"]
    http.delete(links["self"])
    gone = http.put(f"{links['self']}/corrections", json={"excluded": []})
    assert (gone.status_code, gone.json()["code"]) == (404, "result_not_found")
