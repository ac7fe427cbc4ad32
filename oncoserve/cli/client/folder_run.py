"""A folder of pictures through a service: in as jobs, back as files and a table, going on where it was left."""

import argparse
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from tqdm import tqdm

from oncoserve.cli.client.client_errors import EXIT_FINE, EXIT_SOME_FAILED, Interrupted
from oncoserve.cli.client.collecting import Collector, result_folder
from oncoserve.cli.client.connection import connect
from oncoserve.cli.client.picture_files import PictureFile
from oncoserve.cli.client.results_table import FILE, write_table
from oncoserve.cli.client.run_state import RunState, load, lock
from oncoserve.cli.client.sending import Order, Sender


def run_folder(given: argparse.Namespace, folder: Path, pictures: Sequence[PictureFile]) -> int:
    """Do what is left to do of a run.

    Args:
        given: the options of `oncoserve predict`.
        folder: what the pictures' names are below.
        pictures: all of the run.

    Returns:
        The process's exit code.

    Raises:
        ClientError: it cannot go on; the state in the folder of the results says how far it came.
    """
    try:
        return _run(given, folder, pictures)
    except KeyboardInterrupt as error:
        words = "stopped. The jobs go on at the service; the same command goes on here."
        raise Interrupted(words) from error


def _run(given: argparse.Namespace, folder: Path, pictures: Sequence[PictureFile]) -> int:
    out: Path = given.out
    parameters = dict(given.set)
    names = [each.name for each in pictures]
    run = {"folder": str(folder.resolve()), "url": given.url, "model": given.model, "parameters": parameters}
    run["frame"] = given.frame  # files that are there already are not fetched in another
    options = {} if given.frame is None else {"frame": given.frame}
    with closing(connect(given)) as service:
        out.mkdir(parents=True, exist_ok=True)
        with lock(out):
            state = load(out, run)
            service.check_model(given.model)
            if given.retry_failed:
                _forget_failed(out, state, names)
            order = Order(given.model, parameters, given.job_images, given.job_mb * 10**6)
            unsent = len(set(names) - state.sent().keys() - state.done.keys())
            with tqdm(total=unsent, desc="sent", unit="image", disable=None) as bar:
                Sender(service, order, state, bar.update).send(pictures)
            with tqdm(
                total=len(names),
                initial=sum(each in state.done for each in names),
                desc="done",
                unit="image",
                disable=None,
            ) as bar:

                def report(ended: int) -> None:
                    bar.set_postfix_str(_failures(state), refresh=False)
                    bar.update(ended)

                report(0)
                Collector(service, given.files, state, out, report, options).collect()
            unnamed = write_table(out, state)
    return _conclude(out, state, names, unnamed)


def _forget_failed(out: Path, state: RunState, names: Sequence[str]) -> None:
    """Let what failed be sent once more, as it is on the disk now."""
    failed = [name for name in names if name in state.done and state.done[name].state == "FAILED"]
    for name in failed:  # of another picture, or half of a result that is gone
        shutil.rmtree(result_folder(out, name), ignore_errors=True)
    state.note_again(
        [*failed, *(each for each in state.done if each.startswith(tuple(f"{name}, frame " for name in failed)))]
    )


def _failures(state: RunState) -> str:
    failed = sum(each.state == "FAILED" for each in state.done.values())
    return f"{failed} failed" if failed else ""


def _conclude(out: Path, state: RunState, names: Sequence[str], unnamed: Counter[str]) -> int:
    ends = Counter(state.done[name].state for name in names)
    reasons = Counter(state.done[name].code for name in names if state.done[name].state == "FAILED")
    print(f"{len(names)} images: {ends['SUCCEEDED']} succeeded, {ends['FAILED']} failed. {out / FILE}")
    if unnamed:
        codes = ", ".join(f"{count} x {code}" for code, count in unnamed.most_common())
        print(f"  without a label: {codes}")
    for reason, count in reasons.most_common():
        print(f"  {count} x {reason}")
    if reasons:
        print("The same command with --retry-failed sends the failed ones again.")
    return EXIT_SOME_FAILED if reasons else EXIT_FINE
