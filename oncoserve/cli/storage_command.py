"""`oncoserve storage`: results and jobs to where another service will keep them; models from a bucket."""

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from oncoserve.cli.client.client_errors import EXIT_FINE, UsageError
from oncoserve.cli.client.printing import say
from oncoserve.errors import JobsUnavailable, StorageUnavailable
from oncoserve.jobs.embedded.file_objects import FileObjectStore
from oncoserve.jobs.embedded.sqlite_database import SqliteDatabase
from oncoserve.jobs.postgres.postgres_adapters import objects_of, server_of
from oncoserve.jobs.postgres.postgres_database import PostgresDatabase
from oncoserve.jobs.sql.copying_jobs import copy_jobs
from oncoserve.objects.bucket import Bucket
from oncoserve.objects.model_copy import copy_models
from oncoserve.results.copying_results import Copied, copy
from oncoserve.results.damage import Damage
from oncoserve.results.in_bucket.bucket_opening import open_bucket, place_of
from oncoserve.results.in_files.file_results import FileResults
from oncoserve.results.result_store import ResultStore
from oncoserve.runtime.service_clock import WallClock
from oncoserve.settings import Settings

EXIT_NOT_DONE = 3
BUCKET = "bucket"
EVERY = 100  # results between two lines
LARGEST_S: Final = 600.0  # for one file of a model, which may have gigabytes


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Returns:
        The process's exit code: 0 all is there, 3 a storage does not answer.

    Raises:
        UsageError: a place is not what it is named.
    """
    given = _parser().parse_args(arguments)
    try:
        settings = Settings.from_environment()
    except ValueError as error:
        raise UsageError(str(error)) from error
    if given.source == given.target:
        raise UsageError("--from and --to are the same place.")
    try:
        if given.command == "fetch":
            return _fetch_models(given.source, Path(given.target), settings)
        _copy_results(_place(given.source, settings), _place(given.target, settings))
        if given.jobs:
            asyncio.run(_copy_jobs(Path(given.source), settings))
    except (StorageUnavailable, JobsUnavailable) as error:
        say(str(error))
        return EXIT_NOT_DONE
    return EXIT_FINE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="oncoserve storage",
        description="Copy what a service keeps: to move it, and to have it twice; or what it serves.",
        epilog="The bucket, and PostgreSQL, are those of the settings: docs/scale_out.md.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="{copy,fetch}")
    models = commands.add_parser(
        "fetch",
        help="a model repository out of a bucket, to serve from: docs/kubernetes.md",
        epilog="Endpoint, region, keys and certificates are those of ONCO_S3_*; the bucket is named in the address.",
    )
    models.add_argument("source", metavar="s3://BUCKET/PREFIX", help="what has a folder for each model")
    models.add_argument("--to", dest="target", required=True, metavar="FOLDER", help="made if it is not there")
    one = commands.add_parser("copy", help="copy results; begun again, it goes on with what is missing")
    for name, target, what in (
        ("--from", "source", "what is copied, and left as it is"),
        ("--to", "target", "where it comes to, beside what is there"),
    ):
        one.add_argument(name, dest=target, required=True, metavar=f"FOLDER|{BUCKET}", help=what)
    one.add_argument(
        "--jobs",
        action="store_true",
        help="the jobs of the folder into PostgreSQL, too; stop the service that has them before",
    )
    return parser


def _place(name: str, settings: Settings) -> ResultStore:
    if name != BUCKET:
        return FileResults(Path(name), settings.results_ttl_s)
    if not settings.s3_bucket:
        raise UsageError("ONCO_S3_BUCKET and its like say which bucket: docs/scale_out.md.")
    return open_bucket(settings, Damage()).store


def _fetch_models(address: str, folder: Path, settings: Settings) -> int:
    parts = urlsplit(address)
    if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
        raise UsageError(f"{address} is no address of a model repository; it looks like s3://bucket/models.")
    place = replace(place_of(settings), bucket=parts.netloc, prefix=parts.path.strip("/"))
    done = copy_models(Bucket(place, LARGEST_S), folder)
    if not done.models:
        say(f"There is no model in {address}: no folder there has a config.pbtxt.")
        return EXIT_NOT_DONE
    say(f"{', '.join(done.models)}: {done.files} files, {done.size_bytes / 2**20:.1f} MiB.")
    return EXIT_FINE


def _copy_results(source: ResultStore, target: ResultStore) -> None:
    def tell(done: Copied) -> None:
        if (done.results + done.there) % EVERY == 0:
            say(f"{done.results + done.there} results ...")

    done = copy(source, target, tell)
    say(f"{done.results} results copied, {done.there} were there.")
    if done.gone:
        say(f"{done.gone} were damaged, or deleted meanwhile.")
    if done.other_secrets:
        say(f"Pseudonyms of {done.other_secrets} owners will be others: the new place has a secret of its own.")


async def _copy_jobs(folder: Path, settings: Settings) -> None:
    if settings.jobs != "postgres" or not (folder / "jobs").is_dir():
        raise UsageError("--jobs is from a folder with jobs, and needs ONCO_JOBS=postgres and its settings.")
    source = SqliteDatabase(folder / "jobs", WallClock()), FileObjectStore(folder / "jobs/objects")
    objects, close_objects = objects_of(settings)
    target = PostgresDatabase(server_of(settings), settings.storage_timeout_s), objects
    try:
        copied = await copy_jobs(source, target)
    finally:
        source[0].close()
        await source[1].close()
        target[0].close()
        await close_objects()
    say(f"{copied} jobs copied.")
