"""What is served is what the service says is served, whatever was changed on the disk."""

import asyncio
import hashlib
import json
import shutil

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


async def test_a_graph_that_is_swapped_on_the_disk(embedded_triton, tmp_path, start):
    models = tmp_path / "models"
    folder = write_classifier(models, "tiny")
    other = write_classifier(tmp_path / "others", "other")
    old, new = sha256(folder / "1/model.onnx"), sha256(other / "1/model.onnx")
    assert old != new
    with TritonServer(models, tmp_path) as triton:
        service = start(triton.grpc_url, model_repository=models)
        async with Callers(service.url, "tiny") as callers:
            assert await stated_sha256(callers) == old
            shutil.copy(other / "1/model.onnx", folder / "1/model.onnx")
            assert await problems(callers) == {}
            assert await stated_sha256(callers) == old  # which Triton serves still

            triton.end()
            triton.start()
            triton.wait_ready()

            async def told():
                expected = f"the graph that export.json records, sha256 {old}, got one with {new}"
                return expected in (await problems(callers)).get("tiny", "")

            await until(told)
            refused = await callers.ask()
            assert (refused.status, refused.code) == (503, "model_not_ready")

            shutil.copy(other / "1/export.json", folder / "1/export.json")
            await until(lambda: asyncio.to_thread(service.is_ready))
            assert await stated_sha256(callers) == new


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
