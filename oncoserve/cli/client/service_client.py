"""The service's HTTP interface as the commands need it: patient with a service that is busy or away."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from oncoserve.cli.client.client_errors import OTHERS, ClientError, Lost, Refused, Unreachable, UsageError
from oncoserve.cli.client.picture_files import Upload
from oncoserve.runtime.nearby import by_way_of, is_near, proxy_variable

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
FIRST_PATIENCE_S = 10.0  # a wrong address is noticed before anything else
PREDICTION_TIMEOUT_S = 600  # a whole slide is many tiles
NOT_FOUND = 404
TOO_MANY, UNAVAILABLE = 429, 503  # refused before anything was done, if it is the service that says so
PASSING = {502, 503, 504}  # a gateway between may have given up on a request that is carried out all the same

Document = dict[str, Any]


class ServiceClient:
    """One service.

    Args:
        url: its address, such as http://localhost:5000.
        key: the API key; None where the service needs none.
        patience_s: seconds without an answer after which the service counts as unreachable; before its first answer no
            more than FIRST_PATIENCE_S.
        sleep: waits for so many seconds.
        tell: gets the words for a user who waits for the first answer.
    """

    def __init__(
        self,
        url: str,
        key: str | None,
        patience_s: float,
        sleep: Callable[[float], None] = time.sleep,
        tell: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.url = url
        self.patience_s = patience_s
        self.sleep = sleep
        self._tell = tell
        self._answered = False
        self._http = _client(url, base_url=url, headers={} if key is None else {"X-API-Key": key})
        self._stores: dict[bool, httpx.Client] = {}  # of addresses nearby, and of others

    def close(self) -> None:
        """Close the connections."""
        for each in (self._http, *self._stores.values()):
            each.close()

    def models(self) -> Document:
        """All models: the ready ones, and why others are not."""
        return self._read("/v1/models")

    def model(self, name: str) -> Document:
        """A model's card and configuration."""
        return self._read(f"/v1/models/{quote(name, safe='')}")

    def check_model(self, name: str) -> None:
        """Find out early about a wrong address, key or model.

        Raises:
            Refused, Unreachable
        """
        try:
            self.model(name)
        except Refused as error:
            # Where Lambda functions answer, only jobs have an address; there the first job is what is refused.
            if error.status != NOT_FOUND or error.code == "model_not_found":
                raise

    def predict(self, model: str, parameters: Mapping[str, str], image: Upload) -> Document:
        """The result of a picture. Asking twice does no harm: the same picture is one result."""
        files = [(name, (None, value.encode())) for name, value in parameters.items()]
        address = f"/v1/models/{quote(model, safe='')}/predict"
        picture = ("image", (image.name, image.data, image.media_type))
        return _document(self._send("POST", address, files=[*files, picture], timeout=PREDICTION_TIMEOUT_S))

    def job(self, job: str) -> Document:
        """A job as it stands."""
        return self._read(f"/v1/jobs/{quote(job, safe='')}")

    def retry_job(self, job: str) -> Document:
        """A new job of what was given up in that one.

        Raises:
            Refused, Unreachable
        """
        try:
            return _document(self._send("POST", f"/v1/jobs/{quote(job, safe='')}/retry", repeatable=False))
        except Lost as error:
            met = f"The connection ended before the answer ({error}); `oncoserve jobs` tells whether the job was made."
            raise Unreachable(met) from error

    def delete_job(self, job: str) -> None:
        """Take a job back: what waits is cancelled, its record goes; results stay."""
        self._send("DELETE", f"/v1/jobs/{quote(job, safe='')}")

    def newest_job(self) -> Document | None:
        """The caller's job made last."""
        return next(self.jobs(1), None)

    def jobs(self, limit: int = 100) -> Iterator[Document]:
        """The caller's jobs without their images, newest first.

        Args:
            limit: how many are asked for at a time.
        """
        address: str | None = f"/v1/jobs?limit={limit}"
        while address:
            page = self._read(address)
            yield from page["jobs"]
            # The service's addresses begin at its host's root; ours may name a path that a proxy has put it below.
            address = page["next"] and page["next"].removeprefix(urlsplit(self.url).path)

    def result(self, result: str) -> Document:
        """A result's document."""
        return self._read(f"/v1/results/{result}")

    def delete_result(self, result: str) -> None:
        """Take a result back, with all that is drawn of it."""
        self._send("DELETE", f"/v1/results/{result}")

    def rendering(self, result: str, name: str, options: Mapping[str, str]) -> bytes:
        """A file made from a result, such as overlay.png, with what its address takes."""
        return self._send("GET", f"/v1/results/{result}/{name}", params=options).content

    def create_job(
        self, model: str, parameters: Mapping[str, str], images: Sequence[Upload], uploads: Sequence[str]
    ) -> Document:
        """Hand in a job: pictures by their bytes, or by the ids of uploads.

        Raises:
            Lost: there may be a job, or not; look before asking again.
            Refused, Unreachable: there is none.
        """
        fields = {**parameters, "model": model}
        # Every part is a file to httpx, those without a name are fields: this keeps the form multipart without images.
        parts = [(name, (None, value.encode())) for name, value in fields.items()]
        parts += [("uploads", (None, each.encode())) for each in uploads]
        files = [("images", (each.name, each.data, each.media_type)) for each in images]
        return _document(self._send("POST", "/v1/jobs", repeatable=False, files=[*parts, *files]))

    def upload(self, image: Upload) -> str:
        """Put a picture's bytes into the service's object store.

        Returns:
            What names it in a job: the upload's id and the file's name.

        Raises:
            Refused: among others with code `uploads_not_supported`, or 413 before anything is sent.
        """
        body = {"name": image.name, "bytes": len(image.data), "sha256": image.sha256}
        place = _document(self._send("POST", "/v1/uploads", json=body))
        self._send(place["method"], place["url"], headers=place["headers"], content=image.data)
        return f"{place['id']}/{image.name}"

    def _read(self, address: str) -> Document:
        return _document(self._send("GET", address))

    def _send(self, method: str, address: str, *, repeatable: bool = True, **content: Any) -> httpx.Response:  # noqa: ANN401
        """Ask until there is an answer.

        Args:
            method: of HTTP.
            address: path below the service's address, or a whole address.
            repeatable: whether doing it twice does no harm.
            content: whatever httpx takes.

        Raises:
            Lost: not repeatable, and it may have been carried out.
            Refused: the answer is an error that waiting does not mend.
            Unreachable: no answer, or busy, for longer than the patience.
        """
        failing_since = time.monotonic()
        for attempt in itertools.count():
            try:
                return self._once(method, address, repeatable=repeatable, **content)
            except _Again as again:
                met = f"{again}{by_way_of(self.url)}"
                patience_s = self.patience_s if self._answered else min(FIRST_PATIENCE_S, self.patience_s)
                limited = again.status == TOO_MANY  # the service is well; it is us who have to wait
                if not limited and time.monotonic() - failing_since > patience_s:
                    words = f"No answer from {self.url} for {patience_s:g} s: {met}"
                    raise Unreachable(words, again.status) from again
                if attempt == 0 and not (self._answered or limited):
                    self._tell(f"{self.url} gives no answer yet ({met}); trying for {patience_s:g} s.")
                self.sleep(again.wait_s or min(FIRST_WAIT_S * 2**attempt, LONGEST_WAIT_S))
                failing_since = time.monotonic() if limited else failing_since
        raise AssertionError  # never: the loop has no end

    def _once(self, method: str, address: str, *, repeatable: bool, **content: Any) -> httpx.Response:  # noqa: ANN401
        through = self._http if address.startswith("/") else self._store(address)
        try:
            answer = through.request(method, address, **content)
            if answer.status_code == httpx.codes.TEMPORARY_REDIRECT and method == "GET":
                presigned = answer.headers["location"]
                answer = self._store(presigned).get(presigned)
        except httpx.ConnectError as error:  # nothing was sent
            raise _Again(str(error)) from error
        except httpx.TransportError as error:
            met = str(error) or type(error).__name__
            raise (_Again(met) if repeatable else Lost(met)) from error
        if answer.is_success:
            self._answered = True
            return answer
        refusal = _refusal(answer)
        nothing_done = answer.status_code == TOO_MANY or (answer.status_code == UNAVAILABLE and refusal.by_service)
        if nothing_done or (answer.status_code in PASSING and repeatable):
            raise _Again(refusal.detail, answer.status_code, _retry_after_s(answer))
        if answer.is_server_error and answer.status_code != httpx.codes.NOT_IMPLEMENTED and not repeatable:
            raise Lost(str(refusal))
        self._answered = True
        raise refusal

    def _store(self, address: str) -> httpx.Client:
        """What asks presigned addresses: they are another service's, which never sees the key."""
        near = is_near(address)
        if near not in self._stores:
            self._stores[near] = _client(address)
        return self._stores[near]


class _Again(Exception):
    """No answer yet, for a reason that may pass."""

    def __init__(self, met: str, status: int | None = None, wait_s: float | None = None) -> None:
        super().__init__(met)
        self.status, self.wait_s = status, wait_s


def _client(url: str, **options: Any) -> httpx.Client:  # noqa: ANN401 - passed on as they are
    """A client for an address and its like: what is near is asked directly, the rest by the proxies of the environment.

    Raises:
        UsageError: such a proxy cannot be used.
    """
    direct = httpx.HTTPTransport() if is_near(url) else None
    try:
        return httpx.Client(timeout=httpx.Timeout(120, connect=10), transport=direct, **options)
    except (ImportError, ValueError) as error:  # of another kind than HTTP, or no address
        name = proxy_variable(url) or "the environment"
        raise UsageError(f"The proxy in {name} cannot be used: {error}{by_way_of(url)}") from error


def _document(answer: httpx.Response) -> Document:
    try:
        document = answer.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ClientError(f"{answer.url} is not an address of this service: its answer is no JSON object.")
    return document


def _refusal(answer: httpx.Response) -> Refused:
    try:
        problem = answer.json()
        return Refused(answer.status_code, str(problem["code"]), str(problem["detail"]))
    except (ValueError, KeyError, TypeError):  # not this service's own words: a proxy, or the object store
        text = " ".join(answer.text.split())[:200] or answer.reason_phrase
        text += by_way_of(str(answer.url))
        if answer.has_redirect_location:
            text = f"It has moved to {answer.headers['location']}."
        return Refused(answer.status_code, f"{OTHERS}{answer.status_code}", text)


def _retry_after_s(answer: httpx.Response) -> float | None:
    """Seconds that the answer asks to wait, at least one; None where it says nothing. RFC 9110: seconds, or a date."""
    given = answer.headers.get("retry-after", "")
    if given.isdecimal():
        return max(1.0, float(given))
    try:
        return max(1.0, (parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
