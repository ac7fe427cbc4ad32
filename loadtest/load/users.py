"""The two kinds of callers: through the frontend over HTTP, and straight to Triton over gRPC."""

import random
import urllib.request
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from json import loads
from typing import ClassVar, Final

import grpc.experimental.gevent
import numpy as np
import tritonclient.grpc as triton
from locust import FastHttpUser, User, task
from locust.contrib.fasthttp import FastResponse

from loadtest.load.pace import Pace
from loadtest.shared.answer_checks import Model, tensor_fault, upload_fault
from loadtest.shared.distinct_uploads import SIDES, EncodedPicture, Pictures
from loadtest.shared.model_mix import choose

# Locust has patched the standard library when it was imported; gRPC has to be told before its first channel.
grpc.experimental.gevent.init_gevent()

REFUSED: Final = " (refused)"


def draw_pictures(seed: int) -> Mapping[str, Pictures]:
    """Pictures for segmenters, and for all others under the empty name. Takes a second or two of processor time."""
    return {
        "": Pictures(seed, ""),
        "segmentation": Pictures(seed, "segmentation", SIDES[:3]),  # one tile each at the assumed resolution
    }


class Supply:
    """What all callers of a process share: the models, the pictures and the pace.

    Args:
        host: Where the models are served.
        models: What is asked for.
        pictures: From `draw_pictures`.
        seed: Decides the order of models.
        pace: When requests are due.
        triton_url: host:port of Triton's gRPC service.
    """

    def __init__(
        self,
        host: str,
        models: Sequence[Model],
        pictures: Mapping[str, Pictures],
        seed: int,
        pace: Pace,
        triton_url: str,
    ) -> None:
        self.host, self.pace, self.triton_url = host, pace, triton_url
        self.generator = np.random.default_rng(seed)
        self._models = list(models)
        self._random = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self._pictures = pictures

    def model(self) -> Model:
        """A model, those that answer quickly more often."""
        return choose(self._models, self._random)

    def upload(self) -> tuple[Model, EncodedPicture]:
        """A model and a picture for it that was never uploaded before."""
        model = self.model()
        return model, self._pictures.get(model.task, self._pictures[""]).next()


class PacedUser(User):
    """Sends when a request is due."""

    abstract = True
    host = "http://localhost:5000"
    pictures: ClassVar[Mapping[str, Pictures]]
    supply: ClassVar[Supply]

    def on_start(self) -> None:
        """Wait for the first moment too, so that callers who start together do not send together."""
        self.supply.pace.wait()

    def wait_time(self) -> float:
        """Wait for the next moment. Locust ends a caller at once while it is in here."""
        self.supply.pace.wait()
        return 0.0


class Uploader(PacedUser, FastHttpUser):
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
            elif wrong := upload_fault(
                response.text or "", response.headers.get("Cache-Status", ""), model, expected="miss"
            ):
                response.failure(wrong)
            else:
                response.success()


class DirectCaller(PacedUser):
    """Sends tensors straight to Triton, for comparison, and checks the answers."""

    def on_start(self) -> None:
        """Connect."""
        self._triton = triton.InferenceServerClient(self.supply.triton_url)
        super().on_start()

    def on_stop(self) -> None:
        """Hang up, and let go: a client that is collected when the process ends waits there for ever, under gevent."""
        self._triton.close()
        del self._triton

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
