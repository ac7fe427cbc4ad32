"""`python -m client FOLDER --model brain_mri --out results/`: a folder of pictures through the service, and a table."""

import argparse
import os
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from tqdm import tqdm

from client.collecting import Collector
from client.errors import EXIT_FINE, EXIT_INTERRUPTED, EXIT_SOME_FAILED, EXIT_USAGE, ClientError, Refused, UsageError
from client.pictures import find
from client.sending import Order, Sender
from client.service import Service
from client.state import State, load, lock
from client.table import FILE, write_table

KEY_VARIABLE = "ONCO_API_KEY"
FILES = ("overlay.png", "mask.png", "polygons.geojson")
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
NOT_FOUND = 404
FIRST_PATIENCE_S = 10.0  # a wrong address is noticed before anything else


def main() -> int:
    """Run the command.

    Returns:
        The process's exit code: 0 all fine, 1 some pictures failed, 2 to be put right by who called, 3 the service
        cannot be reached, 130 interrupted.
    """
    given = _parser().parse_args()
    try:
        return _run(given)
    except ClientError as error:
        print(f"oncoserve: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:  # of this machine's files; those of the network are all turned into a ClientError
        print(f"oncoserve: {error}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        print("oncoserve: stopped. The jobs go on at the service; the same command goes on here.", file=sys.stderr)
        return EXIT_INTERRUPTED


def _run(given: argparse.Namespace) -> int:
    folder, out = given.folder, given.out
    pictures = find(folder, out, recursive=given.recursive)
    names = [each.name for each in pictures]
    run = {"folder": str(folder.resolve()), "url": given.url, "model": given.model, "parameters": dict(given.set)}
    key = _key(given.key_file)
    parts = urlsplit(given.url)
    if key and parts.scheme == "http" and parts.hostname not in LOOPBACK:
        print(f"oncoserve: the API key travels to {parts.hostname} without encryption; use https.", file=sys.stderr)
    out.mkdir(parents=True, exist_ok=True)
    with closing(Service(given.url, key, min(FIRST_PATIENCE_S, given.patience_s))) as service, lock(out):
        state = load(out, run)
        _check_model(service, given.model)
        service.patience_s = given.patience_s
        order = Order(given.model, dict(given.set), given.job_images, given.job_mb * 10**6)
        unsent = len(set(names) - state.sent().keys() - state.done.keys())
        with tqdm(total=unsent, desc="sent", unit="image", disable=None) as bar:
            Sender(service, order, state, bar.update).send(pictures)
        with tqdm(total=len(names), initial=len(state.done), desc="done", unit="image", disable=None) as bar:
            Collector(service, given.files, state, out, bar.update).collect()
        write_table(out, state)
    return _conclude(out, state, names)


def _check_model(service: Service, model: str) -> None:
    """Find out early about a wrong address, key or model."""
    try:
        service.model(model)
    except Refused as error:
        # Where Lambda functions answer, only jobs have an address; there the first job is what is refused.
        if error.status != NOT_FOUND or error.code == "model_not_found":
            raise


def _conclude(out: Path, state: State, names: list[str]) -> int:
    ends = Counter(state.done[name].state for name in names)
    reasons = Counter(state.done[name].code for name in names if state.done[name].state == "FAILED")
    print(f"{len(names)} images: {ends['SUCCEEDED']} succeeded, {ends['FAILED']} failed. {out / FILE}")
    for reason, count in reasons.most_common():
        print(f"  {count} x {reason}")
    return EXIT_SOME_FAILED if reasons else EXIT_FINE


def _key(path: Path | None) -> str | None:
    """The API key; never from the command line, which other users of the machine can read."""
    try:
        key = os.environ.get(KEY_VARIABLE, "") if path is None else path.read_text()
    except (OSError, UnicodeError) as error:
        raise UsageError(f"The key file cannot be read: {error}.") from error
    key = key.strip()
    if path is not None and not key:
        raise UsageError(f"{path} has no key in it.")
    if not (key.isascii() and key.isprintable()):
        raise UsageError("The API key has characters that no key has.")
    return key or None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m client",
        description="Ask a model about a folder of pictures. Research use only. Not a medical device.",
        epilog=f"An API key is read from {KEY_VARIABLE} or --key-file. Interrupted, the same command goes on.",
    )
    parser.add_argument("folder", type=Path, help="with PNG and JPEG files")
    parser.add_argument("--model", required=True, help="GET /v1/models lists them")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the results, new or of the run to go on with"
    )
    parser.add_argument("--url", type=_url, default="http://localhost:5000", help="default: %(default)s")
    parser.add_argument("--recursive", action="store_true", help="take the folders in it too")
    parser.add_argument("--files", nargs="+", action="extend", default=[], choices=FILES, help="beside result.json")
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        type=_parameter,
        metavar="NAME=VALUE",
        help="of the model's task",
    )
    parser.add_argument("--key-file", type=Path, help="with the API key in it")
    parser.add_argument("--job-images", type=_positive, default=Order.max_images, help="a job; default: %(default)s")
    parser.add_argument(
        "--job-mb", type=_positive, default=Order.max_bytes // 10**6, help="a job; default: %(default)s"
    )
    parser.add_argument(
        "--patience-s", type=_positive, default=120, help="without an answer before it gives up; default: %(default)s"
    )
    return parser


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
        raise argparse.ArgumentTypeError(f"expected an address like http://localhost:5000, got {text!r}")
    return text.rstrip("/")


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals) or name in {"model", "images", "uploads"}:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE of a parameter, got {text!r}")
    return name, value


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive whole number, got {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
