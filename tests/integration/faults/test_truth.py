"""What is served is what the service says is served, whatever was changed on the disk."""

import hashlib
import json
import shutil

import pytest

from testbed.http_callers import Callers, until
from testbed.model_folder import CLASSES, card, write_card
from testbed.servers import TritonServer
from testbed.tiny_models import write_classifier


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def problems(callers):
    return (await callers.http.get("/readyz")).json()["problems"]


async def stated_sha256(callers):
    answer = await callers.ask()
    assert answer.status == 200, answer
    return json.loads(answer.text)["provenance"]["model_sha256"]


@pytest.mark.long
async def test_a_graph_that_is_swapped_on_the_disk(embedded_triton, tmp_path, start):
    """Of two frontends one has the models' folder, the other, as in Compose, one with the records and no graph."""
    models, records = tmp_path / "models", tmp_path / "records"
    folder = write_classifier(models, "tiny")
    other = write_classifier(tmp_path / "others", "other")
    old, new = sha256(folder / "1/model.onnx"), sha256(other / "1/model.onnx")
    assert old != new
    shutil.copytree(models, records, ignore=shutil.ignore_patterns("*.onnx"))
    with TritonServer(models, tmp_path) as triton:
        services = [start(triton.grpc_url, model_repository=each) for each in (models, records)]
        async with Callers(services[0].url, "tiny") as first, Callers(services[1].url, "tiny") as second:
            both = (first, second)
            assert [await stated_sha256(each) for each in both] == [old, old]
            shutil.copy(other / "1/model.onnx", folder / "1/model.onnx")
            assert [await problems(each) for each in both] == [{}, {}]
            assert [await stated_sha256(each) for each in both] == [old, old]  # which Triton serves still

            triton.end()
            triton.start()
            triton.wait_ready()
            for callers in both:
                expected = f"the graph that export.json records, sha256 {old}, got one with {new}"
                await until(lambda callers=callers, expected=expected: says(callers, expected))
                refused = await callers.ask()
                assert (refused.status, refused.code) == (503, "model_not_ready")

            for each in (models, records):
                shutil.copy(other / "1/export.json", each / "tiny/1/export.json")
            for callers in both:
                await until(lambda callers=callers: says(callers, ""))
                assert await stated_sha256(callers) == new


async def says(callers, problem):
    """Whether a frontend has this problem with `tiny`, or none if it is empty."""
    found = (await problems(callers)).get("tiny", "")
    return problem in found and bool(problem) == bool(found)


async def test_classes_in_another_order_than_the_labels(server, repository, tmp_path, start):
    models = tmp_path / "models"
    shutil.copytree(repository, models)
    swapped = [CLASSES[0], CLASSES[2], CLASSES[1], CLASSES[3]]
    write_card(models / "tiny", card("tiny", swapped))
    service = start(server.grpc_url, model_repository=models, ready_url="/livez")
    async with Callers(service.url, "tiny") as callers:
        assert await problems(callers) == {
            "tiny": "card.json: expected class 2 to be green as in labels.txt, got blue",
        }
        refused = await callers.ask()
        assert (refused.status, refused.code) == (503, "model_not_ready")
