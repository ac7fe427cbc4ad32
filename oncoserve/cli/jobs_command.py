"""`oncoserve jobs`: the caller's jobs at a service."""

import argparse
import itertools
import json
from collections.abc import Sequence
from contextlib import closing

from oncoserve.cli.client import finding_words
from oncoserve.cli.client.client_errors import EXIT_FINE, EXIT_SOME_FAILED
from oncoserve.cli.client.connection import add_options, connect, positive
from oncoserve.cli.client.printing import columns, say
from oncoserve.cli.client.service_client import Document, ServiceClient

PAGE = 100  # jobs that the service lists at once, at most


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Returns:
        The process's exit code.

    Raises:
        ClientError: it cannot go on.
    """
    parser = _parser()
    given = parser.parse_intermixed_args(arguments)
    if (given.action == "list") != (not given.job):
        parser.error("`list` takes no ID" if given.job else f"`{given.action}` needs the ID of a job")
    with closing(connect(given)) as service:
        if given.action == "list":
            _list(service, given.limit, as_json=given.json)
        failures = [_act(service, given.action, job, as_json=given.json) for job in given.job]
    return EXIT_SOME_FAILED if any(failures) else EXIT_FINE


def _act(service: ServiceClient, action: str, job: str, *, as_json: bool) -> int:
    """Do what was asked with one job.

    Returns:
        Images that are shown to have failed.
    """
    if action == "show":
        found = service.job(job)
        _show(found, as_json=as_json)
        return int(found["progress"]["failed"])
    if action == "retry":
        _show(service.retry_job(job), as_json=as_json)
    else:
        service.delete_job(job)
        say(f"job {job} is taken back; the results that it has made stay.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="oncoserve jobs",
        usage="%(prog)s [--limit N] [option ...]\n       %(prog)s {show,retry,cancel} ID ... [option ...]",
        description="Your jobs at a service, newest first. `show` ends with 1 where images have failed; "
        "`retry` makes a new job of those that the service gave up.",
    )
    actions = ("list", "show", "retry", "cancel")
    parser.add_argument("action", nargs="?", choices=actions, default="list", help="default: list")
    parser.add_argument("job", nargs="*", metavar="ID", help="of a job")
    parser.add_argument("--limit", type=positive, default=20, help="jobs that are listed; default: %(default)s")
    parser.add_argument("--json", action="store_true", help="a JSON object a line")
    add_options(parser)
    return parser


def _list(service: ServiceClient, limit: int, *, as_json: bool) -> None:
    # One more than is shown tells whether there are more.
    jobs = list(itertools.islice(service.jobs(min(limit + 1, PAGE)), limit + 1))
    shown = jobs[:limit]
    if as_json:
        for job in shown:
            print(json.dumps(job, ensure_ascii=False))
    elif shown:
        head = "JOB", "STATE", "MODEL", "DONE", "FAILED", "CREATED", "FINDING"
        print(*columns([head, *map(_row, shown)]), sep="\n")
    else:
        say(f"there are no jobs of yours at {service.url}.")
    if len(jobs) > limit:
        say("there are older ones; see --limit.")


def _row(job: Document) -> tuple[object, ...]:
    progress = job["progress"]
    done = f"{progress['succeeded'] + progress['failed']}/{progress['total']}"
    return job["id"], job["state"], job["model"], done, progress["failed"], job["created"], finding_words.of_job(job)


def _show(job: Document, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(job, ensure_ascii=False))
        return
    facts = {"job": job["id"], "state": job["state"], "model": job["model"], "created": job["created"]}
    facts |= {"expires": job["expires"], **job["parameters"]}
    if job["position"]:
        facts["waiting behind"] = f"{job['position']} images of other jobs"
    print(*columns(facts.items()), sep="\n")
    print(*columns([("IMAGE", "STATE", "RESULT", "FINDING"), *map(_image, job["images"])]), sep="\n")


def _image(image: Document) -> tuple[str, str, str, str]:
    error = image["error"]
    said = f"{error['code']}: {error['detail']}" if error else finding_words.of_image(image.get("finding"))
    return image["name"] or "-", image["state"], image["result"] or "", said
