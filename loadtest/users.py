"""The two kinds of callers: through the frontend over HTTP, and straight to Triton over gRPC."""

import random
import urllib.request
from collections.abc import Sequence
from http import HTTPStatus
from json import loads
from typing import ClassVar

import grpc.experimental.gevent
import numpy as np
import tritonclient.grpc as triton
from locust import FastHttpUser, User, task
from locust.contrib.fasthttp import FastResponse

from loadtest.answers import Model, fault, tensor_fault
from loadtest.pace import Pace
from loadtest.pictures import SIDES, Picture, Pictures

# Locust has patched the standard library when it was imported; gRPC has to be told before its first channel.
grpc.experimental.gevent.init_gevent()

REFUSED = " (refused)"
# A tile of he_tissue takes a second on a CPU; its pictures are one tile each at the assumed resolution.
TASK_WEIGHTS = {"classification": 19, "localisation": 19, "segmentation": 1}
SIDES_OF_TASK = {"classification": SIDES, "localisation": SIDES, "segmentation": SIDES[:3]}


class Supply:
    """What all callers of a run share: the models, the pictures and the pace.

    Args:
        models: What is asked for.
        seed: Decides pictures and their order.
        pace: When requests are due.
        triton_url: host:port of Triton's gRPC service.
    """

    def __init__(self, models: Sequence[Model], seed: int, pace: Pace, triton_url: str) -> None:
        self.pace, self.triton_url = pace, triton_url
        self.generator = np.random.default_rng(seed)
        self._models = list(models)
        self._random = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self._pictures = {each: Pictures(seed, each, SIDES_OF_TASK[each]) for each in {one.task for one in models}}

    def model(self) -> Model:
        """A model, those that answer quickly more often."""
        (model,) = self._random.choices(self._models, [TASK_WEIGHTS[each.task] for each in self._models])
        return model

    def upload(self) -> tuple[Model, Picture]:
        """A model and a picture for it that was never uploaded before."""
        model = self.model()
        return model, self._pictures[model.task].next()


class Caller(User):
    """Sends when a request is due."""

    abstract = True
    host = "http://localhost:5000"
    supply: ClassVar[Supply]

    def on_start(self) -> None:
        """Wait for the first moment too, so that callers who start together do not send together."""
        self.supply.pace.wait()

    def wait_time(self) -> float:
        """Wait for the next moment. Locust ends a caller at once while it is in here."""
        self.supply.pace.wait()
        return 0.0


class Uploader(Caller, FastHttpUser):
    """Uploads pictures through the frontend, each of them once, and checks the answers."""

    weight = 3

    @task
    def upload(self) -> None:
        """POST /v1/models/{model}/predict with the picture as the body."""
        model, picture = self.supply.upload()
        with self.client.post(
            f"/v1/models/{model.name}/predict",
            data=picture.data,  # type: ignore[arg-type] # bytes pass as they are
            headers={"Content-Type": picture.media_type},
            name=f"predict {model.name}",
            catch_response=True,
        ) as response:
            if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE and "Retry-After" in response.headers:
                response.request_meta["name"] += REFUSED
                response.success()
            elif response.status_code != HTTPStatus.OK:
                response.failure(f"{response.status_code} {_code(response)}")
            elif wrong := fault(response.json(), model):
                response.failure(wrong)
            elif "hit" in response.headers["Cache-Status"]:
                response.failure("answered from the store: this measured no inference")
            else:
                response.success()


class DirectCaller(Caller):
    """Sends tensors straight to Triton, for comparison, and checks the answers."""

    def on_start(self) -> None:
        """Connect."""
        self._triton = triton.InferenceServerClient(self.supply.triton_url)
        super().on_start()

    def on_stop(self) -> None:
        """Hang up."""
        self._triton.close()

    @task
    def infer(self) -> None:
        """ModelInfer with a batch of one."""
        model = self.supply.model()
        inputs = []
        for name, array in model.random_inputs(self.supply.generator).items():
            inputs.append(triton.InferInput(name, list(array.shape), "UINT8"))
            inputs[-1].set_data_from_numpy(array)
        with self.environment.events.request.measure("gRPC", f"infer {model.name}"):
            answer = self._triton.infer(model.name, inputs)
            if wrong := "; ".join(
                filter(None, (tensor_fault(answer.as_numpy(each.name), each) for each in model.outputs))
            ):
                raise ValueError(wrong)


def read_models(host: str) -> list[Model]:
    """The models that the service at `host` serves.

    Raises:
        OSError: Nothing answers there.
    """
    with urllib.request.urlopen(f"{host}/v1/models", timeout=10) as answer:  # noqa: S310 - the user's own address
        return [Model.from_document(each) for each in loads(answer.read())["models"]]


def _code(response: FastResponse) -> str:
    """The stable code of a problem document, or what went wrong before there was one."""
    try:
        return str(loads(response.text or "")["code"])
    except (TypeError, ValueError, KeyError):
        return str(getattr(response, "error", None) or "without a problem document")
