"""`smoke`: one picture's way through the deployment, as a caller's, and away again."""

import io
import time
from argparse import ArgumentParser, Namespace
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from deploy.aws.commands import stacks
from deploy.aws.commands.account import Account, Failed
from oncoserve.cli.client import connection
from oncoserve.cli.client.client_errors import EXIT_FINE, ClientError, Lost, Refused, Unreachable, UsageError
from oncoserve.cli.client.connection import positive
from oncoserve.cli.client.picture_files import Upload
from oncoserve.cli.client.printing import printable
from oncoserve.cli.client.service_client import ServiceClient

ENDED = frozenset({"SUCCEEDED", "PARTIAL", "FAILED", "EXPIRED"})
SIDE_PX = 256
LOOK_EVERY_S = 3.0
Document = dict[str, Any]


def add_options(parser: ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("--model", default="brain_mri", help="default: %(default)s")
    parser.add_argument("--picture", type=Path, help="PNG or JPEG; default: one that is drawn, of nobody")
    parser.add_argument(
        "--wait-s",
        type=positive,
        default=1200,
        metavar="N",
        help="how long the result may take; from no workers one starts within minutes. Default: %(default)s",
    )
    connection.add_options(parser)
    parser.set_defaults(url=None)  # that of the stack


def main(given: Namespace) -> int:
    """Run the command.

    Raises:
        ClientError: it cannot go on, or there was no result.
    """
    picture = _drawn() if given.picture is None else _read(given.picture)
    given.url = given.url or _address(given)
    print(f"1. GET {given.url}/v1/models/{given.model}: is it this service, and is the key known?")
    if not given.yes:
        print(f"2. POST /v1/jobs: {printable(picture.name)}, {len(picture.data)} bytes")
        print(f"3. GET /v1/jobs/{{id}} until it has ended, {given.wait_s} s at most\n4. GET its result")
        print("5. DELETE the job and the result\nDry run: nothing was sent. The same command with --yes does it.")
        return EXIT_FINE
    with closing(connection.connect(given)) as service:
        try:
            _follow(service, given.model, picture, given.wait_s)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            met = f"{given.url} is no address of this service: its answers are not this service's."
            raise UsageError(met) from error
    return EXIT_FINE


def _follow(service: ServiceClient, model: str, picture: Upload, wait_s: float) -> None:
    title = service.model(model)["card"]["title"]
    print(f"   {printable(str(title))}")
    began = time.monotonic()
    try:
        job = service.create_job(model, {}, [picture], [])
    except Lost as error:
        met = f"The connection ended before the answer ({error}); `oncoserve jobs` shows what was made."
        raise Unreachable(met) from error
    job_id, result = str(job["id"]), None
    print(f"2. POST /v1/jobs: {printable(picture.name)}, {len(picture.data)} bytes: {printable(job_id)}", flush=True)
    try:
        (image,) = _ended(service, job, began + wait_s)["images"]
        print(f"3. {image['state']} after {time.monotonic() - began:.1f} s")
        if image["state"] != "SUCCEEDED":
            fault = image["error"] or {}
            raise Failed(printable(f"The picture has no result: {fault.get('code')}: {fault.get('detail')}"))
        result = str(image["result"])
        document = service.result(result)
        if document["id"] != result:
            raise Failed(printable(f"The result that was read is {document['id']}, not {result}."))
        print(f"4. GET /v1/results/{result}: {printable(str(document.get('label') or 'no label'))}")
    finally:
        _delete(service, job_id, result)
    if _can_be_read(service, result):
        raise Failed("The result is deleted, and can still be read.")


def _ended(service: ServiceClient, job: Document, deadline: float) -> Document:
    state = ""
    while job["state"] not in ENDED:
        if job["state"] != state:
            state = job["state"]
            print(f"   {printable(str(state))}", flush=True)
        if time.monotonic() > deadline:
            raise Failed(f"It is still {state}: no worker has ended it in time. `status` shows workers and queues.")
        service.sleep(LOOK_EVERY_S)
        job = service.job(job["id"])
    return job


def _delete(service: ServiceClient, job: str, result: str | None) -> None:
    """Leave nothing behind; the bucket's lifecycle takes what cannot be deleted now."""
    done = []
    with suppress(ClientError):
        service.delete_job(job)
        done.append("the job")
    if result is not None:
        with suppress(ClientError):
            service.delete_result(result)
            done.append("the result")
    print(f"5. deleted: {' and '.join(done) or 'nothing; it expires within 8 days'}")


def _can_be_read(service: ServiceClient, result: str) -> bool:
    try:
        service.result(result)
    except Refused:
        return False
    return True


def _address(given: Namespace) -> str:
    account = Account(given.region)
    print(f"{account.in_words}, name {given.name}")
    stack = stacks.ours(account, given.name, workers=False)
    if stack is None or "ApiUrl" not in stack.outputs:
        raise UsageError(f"There is no stack {given.name} with an API in {account.region}; --url names an address.")
    return stack.outputs["ApiUrl"].rstrip("/")


def _drawn() -> Upload:
    """Rings in grey: something to look at, of no patient."""
    image = Image.new("L", (SIDE_PX, SIDE_PX))
    draw = ImageDraw.Draw(image)
    for step in range(8):
        edge = step * SIDE_PX // 20
        draw.ellipse((edge, edge, SIDE_PX - edge, SIDE_PX - edge), fill=40 + 25 * step)
    data = io.BytesIO()
    image.save(data, "PNG")
    return Upload("smoke.png", data.getvalue(), "image/png")


def _read(path: Path) -> Upload:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"The picture {path} cannot be read: {error.strerror}.") from error
    return Upload(path.name, data, "image/png" if data.startswith(b"\x89PNG") else "image/jpeg")
