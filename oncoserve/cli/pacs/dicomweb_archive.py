"""A PACS by DICOMweb: lists (QIDO-RS), fetches (WADO-RS) and stores (STOW-RS); patient with one that is away."""

import io
import itertools
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Final, TypeVar

import pydicom
import requests
from dicomweb_client.web import DICOMwebClient
from pydicom.dataset import Dataset
from requests.exceptions import HTTPError, RequestException, SSLError

from oncoserve.cli.client.client_errors import ClientError, Unreachable, UsageError
from oncoserve.runtime.nearby import by_way_of

Answer = TypeVar("Answer")
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
FIRST_PATIENCE_S: Final = 10.0
"""A wrong address is noticed before anything else."""
PAGE: Final = 200
"""Answers that are asked for at a time; a PACS may give fewer."""
BUSY: Final = frozenset({408, 429, 502, 503, 504})
"""Waiting mends these."""
DUPLICATE: Final = 0x0111
"""Reason of a failure (PS3.4, table B.2-1): it has such an instance, which is all that we want."""
STUDY, SERIES, INSTANCE, SOP_CLASS = "0020000D", "0020000E", "00080018", "00080016"
MODALITY, FRAMES = "00080060", "00280008"
UID: Final = re.compile(r"[0-9.]{1,64}")
"""What may stand in an address; PACS have UIDs too that break the rules of the standard."""

Found = Mapping[str, Any]


class ArchiveRefused(ClientError):
    """The PACS said no to one request.

    Args:
        what: was asked.
        reason: a few words without a thing of the patient: never the body of the answer.
        status: of HTTP; None where the answer itself is no good.
    """

    def __init__(self, what: str, reason: str, status: int | None = None) -> None:
        super().__init__(f"The PACS refuses to {what}: {reason}.")
        self.reason, self.status = reason, status


@dataclass(frozen=True)
class Listed:
    """An instance in the PACS.

    Attributes:
        study, series, uid: by which it is asked for.
        sop_class: what kind of object it is; empty where the PACS does not say.
        frames: how many; None where the PACS does not say.
    """

    study: str
    series: str
    uid: str
    sop_class: str
    frames: int | None


class Archive:
    """One PACS.

    Args:
        url: of its DICOMweb interface.
        session: with the credentials and certificates, see `archive_options`.
        patience_s: seconds without an answer after which it counts as unreachable; before its first answer no more than
            FIRST_PATIENCE_S.
        sleep: waits for so many seconds.
        tell: gets the words for a user who waits.
    """

    def __init__(
        self,
        url: str,
        session: requests.Session,
        patience_s: float,
        sleep: Callable[[float], None] = time.sleep,
        tell: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.url = url
        self._patience_s, self._sleep, self._tell = patience_s, sleep, tell
        self._answered = False
        self._session = session
        self._client = DICOMwebClient(url, session=session, permissive_uid=True, timeout=(10, min(60, patience_s)))
        self._client.set_http_retry_params(retry=False)  # it would know no bound

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def studies(self, filters: Mapping[str, str]) -> Iterator[str]:
        """The UIDs of studies.

        Args:
            filters: by keyword, such as StudyDate.
        """
        search = self._client.search_for_studies
        for found in self._pages("list studies", STUDY, lambda **page: search(search_filters=dict(filters), **page)):
            yield _text(found, STUDY)

    def series(self, study: str) -> Iterator[tuple[str, str]]:
        """UID and modality of each series of a study."""
        search = self._client.search_for_series
        for found in self._pages("list series", SERIES, lambda **page: search(study, **page)):
            yield _text(found, SERIES), _text(found, MODALITY)

    def instances(self, study: str, series: str) -> Iterator[Listed]:
        """The instances of a series."""
        search = self._client.search_for_instances
        for found in self._pages("list instances", INSTANCE, lambda **page: search(study, series, **page)):
            frames = _text(found, FRAMES)
            yield Listed(
                study,
                series,
                _text(found, INSTANCE),
                _text(found, SOP_CLASS),
                int(frames) if frames.isdecimal() else None,
            )

    def fetch(self, one: Listed) -> bytes:
        """An instance as it is stored there: a file of PS3.10, its pixels coded as they are.

        Raises:
            ArchiveRefused: it is gone, say, or no DICOM file.
            ClientError
        """
        what = "give an instance"

        def retrieve() -> bytes:
            found = self._client.retrieve_instance(
                one.study, one.series, one.uid, media_types=(("application/dicom", "*"),)
            )
            file = io.BytesIO()
            pydicom.dcmwrite(file, found)  # elements that nobody has looked at are written as they were read
            return file.getvalue()

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they quote what is in the file
            return self._patiently(what, retrieve)

    def store(self, file: bytes) -> None:
        """Put an instance into its study; one that is there already stays as it is.

        Raises:
            ArchiveRefused: it did not take it.
            ClientError
        """
        what = "store an instance"
        dataset = pydicom.dcmread(io.BytesIO(file))

        def put() -> Dataset:
            try:
                return self._client.store_instances([dataset], str(dataset.StudyInstanceUID))
            except HTTPError as error:
                if error.response is None or error.response.status_code != HTTPStatus.CONFLICT:
                    raise
                return Dataset.from_json(error.response.json())  # it says why

        answer = self._patiently(what, put)
        reasons = {int(each.get("FailureReason", 0)) for each in answer.get("FailedSOPSequence") or []}
        if reasons - {DUPLICATE}:
            raise ArchiveRefused(what, "failure reason " + ", ".join(f"{each:04X}H" for each in sorted(reasons)))

    def _pages(self, what: str, identity: str, search: Callable[..., Sequence[Found]]) -> Iterator[Found]:
        """All answers to a search; a PACS may cap what it gives at a time, or give the same page for ever."""
        seen: set[str] = set()
        for _ in itertools.count():
            offset = len(seen)
            page = self._patiently(what, partial(search, limit=PAGE, offset=offset))
            if not all(isinstance(each, dict) for each in page):
                raise ArchiveRefused(what, "what it answers is no list of objects")
            fresh = {uid: each for each in page if UID.fullmatch(uid := _text(each, identity)) and uid not in seen}
            if not fresh:
                return
            seen |= fresh.keys()
            yield from fresh.values()

    def _patiently(self, what: str, call: Callable[[], Answer]) -> Answer:
        """Ask until there is an answer.

        Raises:
            ArchiveRefused: the answer is an error that waiting does not mend.
            Unreachable: no answer, or busy, for longer than the patience.
            UsageError: of the credentials or certificates.
        """
        failing_since = time.monotonic()
        for attempt in itertools.count():
            try:
                answer = self._once(what, call)
            except _Again as again:
                patience_s = self._patience_s if self._answered else min(FIRST_PATIENCE_S, self._patience_s)
                if time.monotonic() - failing_since > patience_s:
                    met = f"{again}{by_way_of(self.url)}"
                    raise Unreachable(f"No answer from the PACS for {patience_s:g} s: {met}.") from None
                if attempt == 0:
                    self._tell(f"the PACS gives no answer ({again}); trying for {patience_s:g} s.")
                self._sleep(again.wait_s or min(FIRST_WAIT_S * 2**attempt, LONGEST_WAIT_S))
            else:
                self._answered = True
                return answer
        raise AssertionError  # never: the loop has no end

    def _once(self, what: str, call: Callable[[], Answer]) -> Answer:
        try:
            return call()
        except SSLError as error:
            raise UsageError(
                "The certificate of the PACS is not trusted, or it does not trust ours. "
                "Name the certificate of who signed it with --ca-file."
            ) from error
        except HTTPError as error:
            raise self._refusal(what, error.response) from error
        except requests.exceptions.TooManyRedirects as error:
            raise UsageError("The PACS sends on to another address: name that one.") from error
        except (requests.exceptions.JSONDecodeError, requests.exceptions.InvalidURL) as error:
            raise UsageError(f"{self.url} is not the address of a DICOMweb interface.") from error
        except RequestException as error:  # no connection, broken off, or too slow
            raise _Again(_cause(error)) from error
        except UnusableAnswer as error:
            raise ArchiveRefused(what, str(error)) from error
        except Exception as error:  # a library over what a PACS made up, in any of a dozen ways
            raise ArchiveRefused(what, f"what it answers cannot be read ({type(error).__name__})") from error

    def _refusal(self, what: str, answer: requests.Response | None) -> Exception:
        if answer is None:
            return _Again("no answer")
        status = answer.status_code
        if status in BUSY:
            given = answer.headers.get("Retry-After", "")
            return _Again(_named(status), min(float(given), LONGEST_WAIT_S) if given.isdecimal() else None)
        self._answered = True
        if status == HTTPStatus.UNAUTHORIZED:
            return UsageError("The PACS does not take the credentials (401): --user with a password, or --token-file.")
        return ArchiveRefused(what, _named(status), status)


class UnusableAnswer(Exception):
    """The PACS sends more than is taken, or takes too long over it; raised by the session while it reads."""


class _Again(Exception):
    """No answer yet, for a reason that may pass."""

    def __init__(self, met: str, wait_s: float | None = None) -> None:
        super().__init__(met)
        self.wait_s = wait_s


def _cause(error: BaseException) -> str:
    """In a few words: the libraries' own sentences have addresses, and so UIDs, in them."""
    if isinstance(error, requests.exceptions.Timeout):
        return "it took too long"
    return "the connection fails" if isinstance(error, requests.exceptions.ConnectionError) else type(error).__name__


def _named(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}" if status in {each.value for each in HTTPStatus} else str(status)


def _text(found: Found, tag: str) -> str:
    """The first value of an attribute in DICOM's JSON; empty where there is none."""
    try:
        return str(found[tag]["Value"][0])
    except (KeyError, IndexError, TypeError):
        return ""
