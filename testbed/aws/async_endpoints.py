"""A stand-in for SageMaker's asynchronous endpoints, which the emulator of AWS has not, and their stack without them.

It speaks the wire of `InvokeEndpointAsync` and does around it what AWS's documentation says: it fetches the picture
with the endpoint's role, asks a container, puts the answer into the bucket and publishes the notice.
"""

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

from botocore.session import get_session

from testbed.aws_emulator import REGION, REGISTRY, Emulator
from testbed.aws_template import read_template

HEADER: Final = "X-Amzn-SageMaker-"
UNKNOWN_TYPES: Final = ("AWS::SageMaker::", "AWS::ApplicationAutoScaling::")
NAME: Final = {
    "Fn::Sub": ["${Pipeline}-${Name}", {"Name": {"Fn::FindInMap": ["Models", {"Ref": "Model"}, "Endpoint"]}}]
}

Container = Callable[[bytes, Mapping[str, str]], tuple[int, bytes]]
"""Answers a picture and the headers of its request with a status and a body."""


def endpoints_stack() -> tuple[dict[str, Any], dict[str, str]]:
    """The template of the endpoints' stack without the resources that the emulator does not know; its parameters."""
    template = read_template("sagemaker")
    resources = template["Resources"]
    for name, resource in list(resources.items()):
        if name.startswith("Fn::ForEach"):
            kept = {key: each for key, each in resource[2].items() if not _is_unknown(each)}
            resource[2] = _named(kept)
            if not kept:
                del resources[name]
    _let_in(resources)
    return template, {"SageMakerImage": f"{REGISTRY}/oncoserve-sagemaker@sha256:{'0' * 64}"}


def _let_in(resources: dict[str, Any]) -> None:
    """Take out the statements that let nobody in without TLS, which the emulator is asked without."""
    for resource in resources.values():
        if isinstance(resource, dict) and resource["Type"] == "AWS::SQS::QueuePolicy":
            policy = resource["Properties"]["PolicyDocument"]
            policy["Statement"] = [each for each in policy["Statement"] if each.get("Sid") != "TlsOnly"]


def _is_unknown(resource: Mapping[str, Any]) -> bool:
    """Whether the emulator knows it not, or what it is about: the alarm that starts an instance."""
    return resource["Type"].startswith(UNKNOWN_TYPES) or "FromZero" in json.dumps(resource)


def _named(part: Any) -> Any:  # noqa: ANN401 - any part of a document
    """The part with the names of endpoints in place of references to them."""
    if isinstance(part, list):
        return [_named(each) for each in part]
    if not isinstance(part, dict):
        return part
    if part == {"Fn::GetAtt": [{"Fn::Sub": "Endpoint${Model}"}, "EndpointName"]}:
        return NAME
    return {key: _named(each) for key, each in part.items()}


class AsyncEndpoints:
    """Endpoints of any name on a free port of 127.0.0.1; a context manager.

    Args:
        emulator: Where everything else is.
        bucket: For answers.
        topics: The ARNs for notices, by their `invocationStatus`: "Completed" and "Failed".
        container: Answers pictures, each in a thread of its own.
        role: The credentials that pictures are fetched with and notices published; the account's root's when left out.

    Attributes:
        url: Its address.
        requests: The headers of each request.
        refuse: Statuses that the next requests are answered with, instead of being taken.
    """

    def __init__(
        self,
        emulator: Emulator,
        bucket: str,
        topics: Mapping[str, str],
        container: Container,
        role: Mapping[str, str] | None = None,
    ) -> None:
        self._bucket, self._topics, self.container = bucket, topics, container
        self._clients = {name: _client(emulator, name, role) for name in ("s3", "sns")}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.requests: list[dict[str, str]] = []
        self.refuse: list[int] = []
        self._computing: list[threading.Thread] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        for thread in self._computing:
            thread.join(timeout=60)

    def take(self, headers: dict[str, str]) -> str:
        """Take a request.

        Returns:
            Where its answer will be.
        """
        self.requests.append(headers)
        key = f"sagemaker/answers/{uuid4()}.out"
        self._computing.append(threading.Thread(target=self._compute, args=(headers, key)))
        self._computing[-1].start()
        return f"s3://{self._bucket}/{key}"

    def _compute(self, headers: Mapping[str, str], key: str) -> None:
        place = headers["InputLocation"].removeprefix(f"s3://{self._bucket}/")
        try:
            picture = self._clients["s3"].get_object(Bucket=self._bucket, Key=place)["Body"].read()
            status, body = self.container(picture, headers)
        except Exception as error:  # noqa: BLE001 - whatever it is, SageMaker says that it failed
            self.notify(headers, failure=f"ClientError: {error}")
            return
        if status != 200:  # noqa: PLR2004 - what SageMaker takes for an answer
            self.notify(headers, failure=f"ClientError: Received server error ({status}) from model.")
            return
        self._clients["s3"].put_object(Bucket=self._bucket, Key=key, Body=body)
        self.notify(headers, answer=f"s3://{self._bucket}/{key}")

    def notify(self, headers: Mapping[str, str], answer: str = "", failure: str = "") -> None:
        """Publish a notice of a request: of its answer, or of its failure."""
        status = "Completed" if answer else "Failed"
        notice: dict[str, Any] = {
            "awsRegion": REGION,
            "invocationStatus": status,
            "requestParameters": {"endpointName": headers["Endpoint"], "inputLocation": headers["InputLocation"]},
            "inferenceId": headers["Inference-Id"],
            "eventVersion": "1.0",
            "eventSource": "aws:sagemaker",
            "eventName": "InferenceResult",
        }
        if answer:
            notice["responseParameters"] = {"contentType": "application/zip", "outputLocation": answer}
        else:
            notice["failureReason"] = failure
        self._clients["sns"].publish(TopicArn=self._topics[status], Message=json.dumps(notice))


def _client(emulator: Emulator, service: str, role: Mapping[str, str] | None) -> Any:  # noqa: ANN401 - botocore's own
    if role is None:
        return emulator.client(service)
    return get_session().create_client(
        service,
        region_name=REGION,
        endpoint_url=emulator.url,
        aws_access_key_id=role["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=role["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=role["AWS_SESSION_TOKEN"],
    )


def _handler(endpoints: AsyncEndpoints) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """InvokeEndpointAsync."""
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            _, _, name, operation = self.path.split("/")
            if endpoints.refuse or operation != "async-invocations":
                status = endpoints.refuse.pop(0) if endpoints.refuse else 404
                self._answer(status, {"Message": "refused"}, {"x-amzn-errortype": "ServiceUnavailable"})
                return
            headers = {
                key[len(HEADER) :]: value
                for key, value in self.headers.items()
                if key.lower().startswith(HEADER.lower())
            }
            answer = endpoints.take(headers | {"Endpoint": name})
            self._answer(202, {"InferenceId": headers["Inference-Id"]}, {f"{HEADER}OutputLocation": answer})

        def _answer(self, status: int, document: dict[str, str], headers: dict[str, str]) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            for key, value in (
                {"Content-Type": "application/json", "Content-Length": str(len(body))} | headers
            ).items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the library's names
            """Quiet."""

    return Handler
