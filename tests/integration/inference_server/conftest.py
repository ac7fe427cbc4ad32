"""One real Triton with tiny models of every kind, and a client for it."""

import pytest
import tritonclient.grpc as grpcclient

from testbed import tiny_models
from testbed.servers import TritonServer


@pytest.fixture(scope="package")
def tiny_triton(embedded_triton, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny_triton")
    repository = folder / "models"
    tiny_models.write_classifier(repository)
    tiny_models.write_classifier(repository, "any_size", size=None)
    tiny_models.write_classifier(repository, "unbatched", max_batch_size=0, batching="")
    tiny_models.write_lookup(repository)
    tiny_models.write_slow(repository, steps=20)
    tiny_models.write_slow(repository, "slow_batches", steps=10, max_batch_size=8)
    tiny_models.write_every_type(repository)
    with TritonServer(repository, folder) as server:
        yield server


@pytest.fixture
def client(tiny_triton):
    with grpcclient.InferenceServerClient(tiny_triton.grpc_url) as client:
        yield client
