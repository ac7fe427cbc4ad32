"""`oncoserve pacs`: asks about the images of a PACS and stores what comes out back; it looks, or it listens."""

import argparse
import logging
import re
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from oncoserve import NOTICE
from oncoserve.cli.client.client_errors import EXIT_FINE, EXIT_SOME_FAILED, ClientError, UsageError
from oncoserve.cli.client.connection import add_options, connect, parameter, positive
from oncoserve.cli.client.printing import say
from oncoserve.cli.pacs.archive_options import add_archive_options, open_archive
from oncoserve.cli.pacs.carrying import KINDS, Carrier
from oncoserve.cli.pacs.dicomweb_archive import UID
from oncoserve.cli.pacs.pull_run import Pull, Wanted
from oncoserve.cli.pacs.spool import Spool
from oncoserve.cli.pacs.spool_worker import SpoolWorker
from oncoserve.cli.pacs.storage_listener import StorageListener
from oncoserve.cli.pacs.storage_sender import Peer, StorageSender
from oncoserve.cli.pacs.tally import Tally

TITLE: Final = re.compile(r"[\x20-\x5b\x5d-\x7e]{1,16}")
"""An AE title (PS3.5, table 6.2-1)."""
TALKATIVE: Final = ("dicomweb_client", "pydicom", "pynetdicom", "urllib3")
"""Libraries whose log has UIDs, addresses and values in it."""


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Returns:
        The process's exit code.

    Raises:
        ClientError: it cannot go on.
    """
    given = _parser().parse_args(arguments)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: everything that is written is whole
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's quote what is in a file
        code: int = given.run(given)
    return code


def _pull(given: argparse.Namespace) -> int:
    since = given.since or (date.today() - timedelta(days=given.days) if given.days else None)  # noqa: DTZ011 - as studies
    filters = {"StudyDate": f"{since:%Y%m%d}-"} if since else {}
    filters |= {"ModalitiesInStudy": given.modality} if given.modality else {}
    wanted = Wanted(given.study, filters, given.modality or "", given.limit, given.dry_run)
    with closing(open_archive(given)) as archive, closing(connect(given)) as service:
        carrier = Carrier(service, given.model, dict(given.set), given.outputs)
        pull = Pull(archive, carrier, wanted, given.report, _sign_of_life(given.alive))
        if given.watch is None:
            return _look(pull)
        return _watch(pull, given.watch)


def _look(pull: Pull, *, quietly: bool = False) -> int:
    """One run; what it has done is told, however it ends; `quietly` where that is nothing, not at all."""
    tally = Tally()
    try:
        pull.run(tally)
    finally:
        if tally.asked or tally.failures or not (quietly or sys.exc_info()[0]):
            print(tally.words(), flush=True)
    return EXIT_SOME_FAILED if tally.failures else EXIT_FINE


def _watch(pull: Pull, every_s: int) -> int:
    """Run after run, until stopped; a PACS or a service that is away is looked for again."""
    try:
        while True:
            try:
                _look(pull, quietly=True)
            except UsageError:
                raise
            except ClientError as error:
                say(str(error))
            pull.rest(every_s)
    except KeyboardInterrupt:
        return EXIT_FINE


def _listen(given: argparse.Namespace) -> int:
    if (given.dicomweb is None) == (given.send_to is None):
        raise UsageError("Say where the outputs go: either --dicomweb or --send-to.")
    sink = open_archive(given) if given.dicomweb else StorageSender(given.send_to, given.aet, given.patience_s)
    tally = Tally()
    with (
        closing(sink),
        closing(connect(given)) as service,
        closing(Spool(given.spool, given.spool_mb * 10**6, given.keep_free_mb * 10**6)) as spool,
    ):
        worker = SpoolWorker(spool, Carrier(service, given.model, dict(given.set), given.outputs), sink.store, say)
        listener = StorageListener(
            spool, (given.host, given.port), given.aet, given.allow, given.most_at_once, given.max_mb * 10**6
        )
        try:
            with listener:
                say(f"{given.aet} listens on {given.host}:{given.port}.")
                worker.run(tally, _sign_of_life(given.alive))
        except KeyboardInterrupt:
            print(f"{listener.received} received, {listener.turned_away} turned away; {tally.words()}", flush=True)
    return EXIT_FINE


def _sign_of_life(path: Path | None) -> Callable[[], object]:
    return (lambda: None) if path is None else path.touch


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="oncoserve pacs",
        description="Ask a service about the images of a PACS, and store what comes out beside them: a segmentation, "
        f"a structured report and a picture with the finding drawn in. docs/pacs.md says more. {NOTICE}",
    )
    commands = parser.add_subparsers(required=True, metavar="{pull,listen}")
    _add_pull(commands.add_parser("pull", help="look what is there by DICOMweb, and store back what comes out"))
    _add_listen(commands.add_parser("listen", help="let modalities and PACS send by C-STORE"))
    return parser


def _add_pull(parser: argparse.ArgumentParser) -> None:
    parser.description = "Find images, ask about each, store what comes out into its study; what is there stays."
    parser.epilog = "Ends with 0 all fine, 1 some images were refused, 2 to be put right by who called, 3 not reached."
    parser.set_defaults(run=_pull)
    _add_question(parser)
    parser.add_argument("--study", nargs="+", action="extend", default=[], type=_uid, metavar="UID", help="these alone")
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--since", type=_date, metavar="DATE", help="studies of that day and later: 2026-11-28")
    when.add_argument("--days", type=positive, metavar="N", help="studies of the last N days")
    parser.add_argument("--modality", type=_modality, metavar="MR", help="series of this alone")
    parser.add_argument("--limit", type=positive, metavar="N", help="most images that are asked about in a run")
    parser.add_argument("--dry-run", action="store_true", help="count what would be asked about; fetch, store nothing")
    parser.add_argument("--watch", type=positive, metavar="SECONDS", help="look again and again, until stopped")
    parser.add_argument("--report", type=Path, metavar="FILE", help="gets a line of JSON for each study, with its UID")
    add_archive_options(parser, required=True)
    add_options(parser)


def _add_listen(parser: argparse.ArgumentParser) -> None:
    parser.description = "Listen for images. What is received is on disk before its sender hears of success."
    parser.set_defaults(run=_listen)
    _add_question(parser)
    parser.add_argument("--aet", type=_title, default="ONCOSERVE", help="our AE title; default: %(default)s")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 for other machines; default: %(default)s")
    parser.add_argument("--port", type=positive, default=11112, help="default: %(default)s")
    parser.add_argument(
        "--allow", nargs="+", action="extend", default=[], type=_title, metavar="AET", help="who may send"
    )
    parser.add_argument("--send-to", type=_peer, metavar="AET@HOST:PORT", help="send what comes out by C-STORE")
    parser.add_argument("--spool", type=Path, required=True, metavar="FOLDER", help="where what is received waits")
    parser.add_argument(
        "--spool-mb", type=positive, default=10_000, metavar="N", help="most of it; default: %(default)s"
    )
    parser.add_argument(
        "--keep-free-mb", type=positive, default=500, metavar="N", help="of the disk; default: %(default)s"
    )
    parser.add_argument(
        "--most-at-once", type=positive, default=10, metavar="N", help="associations; default: %(default)s"
    )
    add_archive_options(parser, required=False)
    add_options(parser)


def _add_question(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, help="`oncoserve models` lists them")
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], type=parameter, metavar="NAME=VALUE", help="parameters"
    )
    parser.add_argument(
        "--outputs", type=_kinds, default=KINDS, metavar="KINDS", help=f"of {','.join(KINDS)}; default: all"
    )
    parser.add_argument("--alive", type=Path, metavar="FILE", help="touched with each step, for who watches over it")


def _kinds(text: str) -> list[str]:
    kinds = text.split(",")
    if not set(kinds) <= set(KINDS):
        raise argparse.ArgumentTypeError(f"expected some of {','.join(KINDS)}, got {text!r}")
    return kinds


def _uid(text: str) -> str:
    if not UID.fullmatch(text):
        raise argparse.ArgumentTypeError("expected a UID: digits and dots, 64 at most")
    return text


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a day such as 2026-11-28, got {text!r}") from None


def _modality(text: str) -> str:
    if not re.fullmatch(r"[A-Z0-9_ ]{1,16}", text):
        raise argparse.ArgumentTypeError(f"expected a modality such as MR, got {text!r}")
    return text


def _title(text: str) -> str:
    if not TITLE.fullmatch(text) or not text.strip():
        raise argparse.ArgumentTypeError(f"expected an AE title, 16 characters at most, got {text!r}")
    return text.strip()


def _peer(text: str) -> Peer:
    try:
        return Peer.parse(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected AET@HOST:PORT, got {text!r}") from None
