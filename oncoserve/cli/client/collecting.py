"""Bringing results back: asks about the jobs that have not ended, and writes the files of each picture that has."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from oncoserve.cli.client.client_errors import ClientError, Refused, UsageError
from oncoserve.cli.client.job_images import matched
from oncoserve.cli.client.picture_files import sent_name
from oncoserve.cli.client.run_state import Ending, RunState
from oncoserve.cli.client.service_client import Document, ServiceClient
from oncoserve.runtime.files import write_whole

FOLDER, DOCUMENT, DICOM = "images", "result.json", ".dcm"
NOT_FOUND = 404
ENDED = {"SUCCEEDED", "FAILED"}  # of an image
EXPIRED = {"code": "job_expired", "detail": "The job expired before the result was fetched."}
FETCHES_AT_ONCE = 4
JOBS_AT_ONCE = 8  # looked at in turn, the oldest first: a queue ends them in that order
SHORTEST_WAIT_S, LONGEST_WAIT_S = 0.5, 10.0


class Collector:
    """Fetches.

    Args:
        service: who has the results.
        renderings: file names beside result.json, such as overlay.png.
        state: says which job each picture is in, all of them sent, and gets how it ended.
        out: folder of the results.
        report: called with the number of pictures that have just ended.
        options: how the renderings are made, such as their frame.
    """

    def __init__(
        self,
        service: ServiceClient,
        renderings: Sequence[str],
        state: RunState,
        out: Path,
        report: Callable[[int], object],
        options: Mapping[str, str] | None = None,
    ) -> None:
        self._service, self._renderings, self._state, self._out, self._report = service, renderings, state, out, report
        self._options = options or {}
        self._sent = state.sent()

    def collect(self) -> None:
        """Go on until every picture in a job has ended.

        Raises:
            ClientError: it cannot go on; the state says how far it came.
        """
        pool = ThreadPoolExecutor(FETCHES_AT_ONCE)
        wait = True
        try:
            # Files that an earlier run was not asked for, or that somebody has deleted since.
            earlier = {name: each.result for name, each in self._state.done.items() if each.result}
            endings = pool.map(self._fetch, earlier.keys(), earlier.values())
            again = dict(zip(earlier, endings, strict=True))
            self._state.note_done({name: each for name, each in again.items() if each != self._state.done[name]})
            self._collect(pool)
        except KeyboardInterrupt:
            wait = False  # answers that are still on their way may take minutes
            raise
        finally:
            pool.shutdown(wait, cancel_futures=True)

    def _collect(self, pool: ThreadPoolExecutor) -> None:
        unfinished = [job for job in self._state.jobs if self._open(job)]
        wait_s = SHORTEST_WAIT_S
        while unfinished:
            before = len(self._state.done)
            finished = {job for job in unfinished[:JOBS_AT_ONCE] if self._look(job, pool)}
            unfinished = [job for job in unfinished if job not in finished]
            wait_s = SHORTEST_WAIT_S if len(self._state.done) > before else min(2 * wait_s, LONGEST_WAIT_S)
            if unfinished and not finished:
                self._service.sleep(wait_s)

    def _open(self, job: str) -> set[str]:
        """The pictures that this job counts for and that have not ended."""
        state = self._state
        return {name for name in state.jobs[job] if state.job_of.get(name) == job and name not in state.done}

    def _look(self, job: str, pool: ThreadPoolExecutor) -> bool:
        """Note what has ended in a job since the last look, and tell whether all of it has."""
        names = self._state.jobs[job]
        try:
            document = self._service.job(job)
        except Refused as error:
            if error.status != NOT_FOUND:
                raise
            document = _gone(names, {"code": error.code, "detail": error.detail})
        pairs = matched([*names], [image["name"] for image in document["images"]])
        if pairs is None and document["state"] == "EXPIRED":  # its names are gone
            document, pairs = _gone(names, EXPIRED), [(name, name) for name in names]
        if pairs is None:
            met = len(document["images"])
            raise ClientError(f"Job {job} has {met} images; {len(names)} were handed in, of other names.")
        still_open = self._open(job)
        ended = {
            key: image
            for (name, key), image in zip(pairs, document["images"], strict=True)
            if name in still_open and key not in self._state.done
            if image["state"] in ENDED or document["state"] == "EXPIRED"
        }
        if ended:
            endings = pool.map(self._ending, ended.keys(), ended.values())
            self._state.note_done(dict(zip(ended, endings, strict=True)))
            self._note_files_of_frames(still_open, pairs)
            self._report(len(still_open) - len(self._open(job)))
        return not self._open(job)

    def _note_files_of_frames(self, still_open: set[str], pairs: Iterable[tuple[str, str]]) -> None:
        """A file has ended when all of its frames have, each of which has an ending of its own."""
        frames: dict[str, list[str]] = {}
        for name, key in pairs:
            if name in still_open and key != name:
                frames.setdefault(name, []).append(key)
        done = self._state.done
        for name, keys in frames.items():
            if all(key in done for key in keys):
                failed = sum(done[key].state == "FAILED" for key in keys)
                words = f"{failed} of its {len(keys)} frames failed."
                ending = Ending("FAILED", None, "frames_failed", words) if failed else Ending("SUCCEEDED")
                self._state.note_done({name: ending})

    def _ending(self, name: str, image: Document) -> Ending:
        if image["state"] == "SUCCEEDED" and image["result"]:
            return self._fetch(name, image["result"])
        error = image["error"] or EXPIRED
        return Ending("FAILED", None, error["code"], error["detail"])

    def _fetch(self, name: str, result: str) -> Ending:
        """Write the files of a result that are not there yet, the document last."""
        folder = result_folder(self._out, name)
        wanted = [each for each in (*self._renderings, DOCUMENT) if not (folder / each).exists()]
        if not wanted:
            return Ending("SUCCEEDED", result)
        try:
            document = self._service.result(result)
            # A frame has no sum here: the service made its file.
            if document["provenance"]["input_sha256"] != self._sent.get(name, document["provenance"]["input_sha256"]):
                return Ending("FAILED", result, "other_picture", "The result is not of the picture that was sent.")
            offered = _offered(document, self._renderings)
            for each in wanted:
                if each == DOCUMENT:
                    write_whole(folder / each, _text(document), durable=True)
                elif each in offered:
                    options = {} if each.endswith(DICOM) else self._options
                    write_whole(folder / each, self._service.rendering(result, each, options), durable=True)
        except Refused as error:  # of this picture alone: the result is gone, or cannot be drawn
            return Ending("FAILED", result, error.code, error.detail)
        return Ending("SUCCEEDED", result)


def result_folder(out: Path, name: str) -> Path:
    """Where the files of a picture are."""
    return out / FOLDER / name


def _text(document: Document) -> bytes:
    return json.dumps(document, indent=2, ensure_ascii=False).encode()


def _gone(names: Iterable[str], reason: Mapping[str, str]) -> Document:
    """What a job that is no longer there comes to."""
    images = [{"name": sent_name(name), "state": "FAILED", "error": reason} for name in names]
    return {"state": "EXPIRED", "images": images}


def _offered(document: Document, renderings: Sequence[str]) -> set[str]:
    """The files that a result has.

    Raises:
        UsageError: none of the model's results has one that is wanted. DICOM files hang on the picture instead.
    """
    offered = {
        str(link).rsplit("/", 1)[-1] for what, link in document["links"].items() if what not in {"self", "model"}
    }
    for name in renderings:
        if name not in offered and not name.endswith(DICOM):
            there_is = ", ".join(sorted(offered)) or "none"
            raise UsageError(f"Results of model {document['model']!r} have no {name}; there is: {there_is}.")
    return offered
