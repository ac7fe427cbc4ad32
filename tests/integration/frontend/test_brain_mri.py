"""The main job on real input: upload a brain MRI picture, the real Triton answers."""

import io
import json
import re
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import onnxruntime
import pytest
import tritonclient.grpc
from PIL import Image

from frontend.http.shapes.result_shapes import ClassificationResult
from oncoserve.pictures.resize import resize
from testbed.encoded_pictures import encoded
from testbed.picture_files.raw_png import raw_png
from testbed.servers import FrontendServer
from tests.integration.inference_server.calls import statistics, statistics_after

PREDICT = "/v1/models/brain_mri/predict"


@pytest.fixture(scope="module")
def bare(model_repository):
    """The graph served on a CPU in a bare ONNX Runtime, fed as the card says."""
    session = onnxruntime.InferenceSession(model_repository / "brain_mri/1/model.cpu.onnx")

    def run(pixels):
        return session.run(["probabilities"], {"image": pixels[np.newaxis]})[0][0]

    return run


def test_every_labelled_picture_gets_its_class_and_the_numbers_of_bare_onnx_runtime(http, samples, bare):
    assert len(samples) == 17
    classes = ["glioma", "meningioma", "notumor", "pituitary"]
    for label, path in samples:
        response = http.post(PREDICT, files={"image": path.read_bytes()})
        result = ClassificationResult.model_validate(response.json())
        assert (result.label, result.undetermined) == (label, None), path.name
        assert list(result.probabilities) == classes
        image = Image.open(path).convert("RGB")
        numbers = list(result.probabilities.values())
        np.testing.assert_allclose(numbers, bare(resize(image, 240, 240, "bicubic")), atol=2e-6)
        # Pillow rounds a value in a thousand otherwise; INT8 makes more of that than FP32 (0.0005).
        pillow = np.asarray(image.resize((240, 240), Image.Resampling.BICUBIC))
        np.testing.assert_allclose(numbers, bare(pillow), atol=0.02)


@pytest.mark.parametrize(("channels", "low", "top"), [(1, 0, 1500), (1, 1000, 800), (2, 0, 1500), (3, 0, 4095)])
def test_a_slice_of_twelve_bits_gets_its_class(http, samples, channels, low, top):
    """As scanners give them: a small part of 16 bits, which would be black by the full range."""
    for label, path in samples[::6]:
        grey = np.asarray(Image.open(path).convert("L"))
        layers = [np.rint(grey * (top / 255)).astype(np.uint16) + np.uint16(low)] * (1 if channels < 3 else 3)
        layers += [np.full_like(layers[0], 65535)] * (channels == 2)
        result = http.post(PREDICT, content=raw_png(np.dstack(layers))).json()
        assert result["label"] == label, path.name
        assert [each["code"] for each in result["warnings"]] == ["sixteen_bit_windowed"]
        assert result["provenance"]["reading"]["scaled_from"][0] == low
        shown = Image.open(io.BytesIO(http.get(result["links"]["overlay"], params={"opacity": 0}).content))
        assert np.abs(np.asarray(shown.convert("L")).astype(int) - grey * (255 / grey.max())).mean() < 2


def test_batching_is_real(triton, samples, tmp_path):
    """Concurrent uploads are executed together: Triton counts fewer executions than inferences."""
    client = tritonclient.grpc.InferenceServerClient(triton.grpc_url)
    before = statistics(client, "brain_mri")
    with (
        FrontendServer(triton.grpc_url, tmp_path, results_dir=tmp_path / "results") as fresh,
        httpx.Client(base_url=fresh.url, timeout=60) as http,
        ThreadPoolExecutor(12) as pool,
    ):
        answers = list(pool.map(lambda row: (row[0], http.post(PREDICT, content=row[1].read_bytes())), samples[:12]))
    assert all(response.json()["label"] == label for label, response in answers)
    inferences, executions = statistics_after(client, "brain_mri", before, 12)
    canaries = inferences - 12  # each of them perhaps executed alone
    assert canaries >= 0
    assert executions - canaries <= 6
    client.close()


def test_stages_sum_to_the_wall_time_of_the_handling(http, samples):
    left_out = []  # of the whole; a busy machine may stop any one request between two stages, but not every one
    for degrees in range(3, 8):
        picture = encoded(Image.open(samples[0][1]).rotate(degrees))  # which has no stored result
        response = http.post(PREDICT, content=picture)
        timing = response.headers["server-timing"]
        stages = {name: float(ms) for name, ms in re.findall(r"([a-z]+);dur=([\d.]+)", timing)}
        total = stages.pop("total")
        assert {"decode", "preprocess", "infer", "postprocess"} <= stages.keys()
        assert response.json()["timings_ms"]["infer"] == pytest.approx(stages["infer"], rel=0.01)
        left_out.append(1 - sum(stages.values()) / total)
    assert min(left_out) > -0.01
    assert min(left_out) < 0.1


def test_overlay_of_the_upload_itself(http, samples):
    _, path = samples[0]
    response = http.post(PREDICT, files={"image": path.read_bytes()}, headers={"Accept": "image/png"})
    overlay = Image.open(io.BytesIO(response.content))
    original = Image.open(path).convert("RGB")
    assert overlay.size == original.size
    assert not np.array_equal(np.asarray(overlay), np.asarray(original))
    plain = http.get(response.headers["content-location"], params={"opacity": 0})
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(plain.content))), np.asarray(original))


def test_model_card_and_live_configuration(http, model_repository):
    model = http.get("/v1/models/brain_mri").json()
    assert model["configuration"]["platform"] == "onnxruntime"
    assert model["configuration"]["inputs"] == [{"name": "image", "dtype": "uint8", "dims": [240, 240, 3]}]
    record = json.loads((model_repository / "brain_mri/1/export.json").read_bytes())["files"]["model.cpu.onnx"]
    assert (model["model_sha256"], model["precision"]) == (record["sha256"], "INT8")
    assert "INT8" in [each["name"] for each in model["card"]["precisions"]]
    assert "Precision: runs here in INT8" in http.get("/").text
    assert model["card"]["performance"][0]["value"] == 0.943


@pytest.mark.parametrize("kind", ["16-bit", "CMYK", "palette", "grey", "alpha", "EXIF-rotated"])
def test_unusual_pictures_are_answered_like_the_plain_one(http, samples, kind):
    label, path = samples[8]
    image = Image.open(path).convert("RGB")
    buffer = io.BytesIO()
    match kind:
        case "16-bit":
            Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257).save(buffer, "PNG")
        case "CMYK":
            image.convert("CMYK").save(buffer, "JPEG", quality=95)
        case "palette":
            image.convert("P", palette=Image.Palette.ADAPTIVE).save(buffer, "PNG")
        case "grey":
            image.convert("L").save(buffer, "PNG")
        case "alpha":
            image.convert("RGBA").save(buffer, "PNG")
        case "EXIF-rotated":
            exif = Image.Exif()
            exif[0x0112] = 6
            image.transpose(Image.Transpose.ROTATE_90).save(buffer, "JPEG", quality=95, exif=exif)
    plain = http.post(PREDICT, content=path.read_bytes()).json()["probabilities"]
    result = http.post(PREDICT, content=buffer.getvalue()).json()
    assert result["label"] == label
    assert result["probabilities"] == pytest.approx(plain, abs=0.05)
    assert (result["image"]["width"], result["image"]["height"]) == image.size


def test_deadline(triton, samples, tmp_path):
    settings = {"results_dir": tmp_path / "results", "infer_timeout_s": 0.002}
    with FrontendServer(triton.grpc_url, tmp_path, **settings) as hasty:
        response = httpx.post(hasty.url + PREDICT, content=samples[0][1].read_bytes(), timeout=60)
    assert (response.status_code, response.json()["code"]) == (504, "deadline_exceeded")
    assert "within 0.002 s" in response.json()["detail"]
