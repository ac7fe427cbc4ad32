"""Asking about pictures one after another, and printing what comes back."""

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing

from oncoserve import NOTICE
from oncoserve.cli.client.client_errors import EXIT_FINE, EXIT_SOME_FAILED, Refused, UsageError
from oncoserve.cli.client.finding_words import area_words, count_words
from oncoserve.cli.client.picture_files import PictureFile
from oncoserve.cli.client.printing import printable
from oncoserve.cli.client.sending import OF_THE_PICTURE
from oncoserve.cli.client.service_client import NOT_FOUND, Document, ServiceClient


def ask(
    service: ServiceClient, model: str, parameters: Mapping[str, str], pictures: Sequence[PictureFile], *, as_json: bool
) -> int:
    """Print a line for each picture as soon as it is known, and close the service.

    A picture that is refused fails alone.

    Args:
        service: who is asked.
        model: by name.
        parameters: of its task.
        pictures: in the order of the lines.
        as_json: a JSON object instead of words: the result's document with the file's name, or an error.

    Returns:
        The process's exit code.

    Raises:
        ClientError: it cannot go on.
    """
    failed = 0
    with closing(service):
        service.check_model(model)
        if not as_json:
            print(NOTICE, file=sys.stderr)
        for picture in pictures:
            found = _ask(service, model, parameters, picture)
            failed += "error" in found
            # At once: whoever stops the command keeps what was printed, wherever it goes.
            print(_as_json(picture, found) if as_json else _line(service.url, picture, found), flush=True)
    return EXIT_SOME_FAILED if failed else EXIT_FINE


def _ask(service: ServiceClient, model: str, parameters: Mapping[str, str], picture: PictureFile) -> Document:
    """The result's document, or what is wrong with the picture as {error: {code, detail}}."""
    try:
        return service.predict(model, parameters, picture.read())
    except OSError as error:
        return {"error": {"code": "unreadable_file", "detail": f"{error.strerror or error}."}}
    except Refused as error:
        if error.status == NOT_FOUND and not error.by_service:
            words = f"{service.url} does not answer about single pictures ({error}); with --out they go as a job."
            raise UsageError(words) from error
        if error.status not in OF_THE_PICTURE or error.code == "invalid_parameter":  # it would be so for all
            raise
        return {"error": {"code": error.code, "detail": error.detail}}


def _as_json(picture: PictureFile, found: Document) -> str:
    return json.dumps({"file": picture.name, **found}, ensure_ascii=False)


def _line(url: str, picture: PictureFile, found: Document) -> str:
    """What was found, its warnings, and the address of the result's page."""
    name = printable(picture.name)
    if "error" in found:
        return f"{name}: {found['error']['code']}: {printable(found['error']['detail'])}"
    parts = [_answer(found), *(f"warning {each['code']}" for each in found["warnings"])]
    return f"{name}: {', '.join(parts)}  {url}/results/{found['id']}"


def _answer(found: Document) -> str:
    if "labels" in found:
        return (
            ", ".join(f"{name} {found['probabilities'][name]:.3f}" for name in found["labels"]) or "none of the classes"
        )
    if "label" in found:
        if found["label"] is None:
            undetermined = found.get("undetermined") or {}
            asked = undetermined.get("value") is not None  # without it the warnings, which follow, say why
            return f"undetermined ({undetermined['code']})" if asked else "no answer"
        return f"{found['label']} {found['probabilities'][found['label']]:.3f}"
    if "counts" in found:
        return count_words(found["counts"])
    areas = [f"{name} {area_words(area)}" for name, area in found["areas"].items()]
    return ", ".join(areas) or "nothing found"
