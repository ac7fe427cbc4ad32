"""`redrive`: look at a model's dead letters, and have tried again what can be."""

import asyncio
from argparse import ArgumentParser, Namespace
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from deploy.aws.commands import stacks
from deploy.aws.commands.account import Account, Failed, code_and_text
from deploy.aws.commands.dead_letters import Case, DeadQueue, Letter, case_of, escaped
from oncoserve.cli.client.client_errors import EXIT_FINE, EXIT_SOME_FAILED, UsageError
from oncoserve.cli.client.connection import positive
from oncoserve.errors import PlatformError
from oncoserve.jobs.aws.aws_adapters import open_aws
from oncoserve.jobs.job import Job
from oncoserve.jobs.service import Jobs
from oncoserve.runtime.threads import CpuThreads
from oncoserve.settings import Settings
from oncoserve.wiring import open_jobs

OUTPUTS = ("BucketName", "TableName", "TopicArn")
MOST_SHOWN = 300  # characters of a body or a reason
HOPELESS = frozenset({Case.ENDED, Case.GONE, Case.FOREIGN})


def add_options(parser: ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("model", help="such as brain_mri")
    parser.add_argument("--limit", type=positive, default=1000, metavar="N", help="most letters. Default: %(default)s")
    parser.add_argument("--clear", action="store_true", help="delete the letters that nothing can be done about, too")


def main(given: Namespace) -> int:
    """Run the command.

    Raises:
        ClientError: it cannot go on.
    """
    account = Account(given.region)
    print(f"{account.in_words}, name {given.name}")
    stack = stacks.ours(account, given.name, workers=False)
    if stack is None or not set(OUTPUTS) <= set(stack.outputs):
        raise UsageError(f"There is no stack {given.name} with queues in {account.region}.")
    try:
        queue = DeadQueue(account, f"{given.name}-", given.model)
    except ClientError as error:
        if "NonExistentQueue" in code_and_text(error)[0]:
            met = f"There is no queue {given.name}-{given.model}-dead in {account.region}: is it a model of this stack?"
            raise UsageError(met) from error
        raise
    letters = list(queue.take(given.limit))
    try:
        run = _Redrive(account, given, queue, stack.outputs)
        asyncio.run(run.work(letters))
    except PlatformError as error:
        raise Failed(escaped(str(error), MOST_SHOWN)) from error
    return EXIT_SOME_FAILED if run.refused else EXIT_FINE


class _Redrive:
    """One run over the letters that were taken.

    Args:
        account: where.
        given: the options.
        queue: the letters'.
        outputs: of the pipeline's stack.
    """

    def __init__(self, account: Account, given: Namespace, queue: DeadQueue, outputs: Mapping[str, str]) -> None:
        self._given, self._queue = given, queue
        self._settings = Settings(
            jobs="aws",
            job_models=given.model,
            aws_bucket=outputs["BucketName"],
            aws_table=outputs["TableName"],
            aws_topic=outputs["TopicArn"],
            aws_queue_prefix=f"{given.name}-",
            aws_endpoint_url=account.endpoint,
        )
        self._done: Counter[str] = Counter()
        self.refused = 0  # jobs that were not tried again

    async def work(self, letters: list[Letter]) -> None:
        """Show all letters; do something about them if that is wanted, and let go of the others."""
        adapters = open_aws(self._settings, dict)
        threads = CpuThreads(1)
        jobs = open_jobs(self._settings, adapters, threads)
        left = list(letters)
        try:
            found: dict[str, Job | None] = {}
            for each in letters:
                if each.message is not None and each.message.job_id not in found:
                    found[each.message.job_id] = await adapters.store.get(each.message.job_id)
            cases = [(each, case_of(each, _job(found, each), datetime.now(UTC))) for each in letters]
            _show(cases)
            if self._given.yes:
                await self._act(jobs, cases, left)
            self._sum_up(cases)
        finally:
            self._queue.let_go(left)
            await jobs.close()
            threads.close()

    async def _act(self, jobs: Jobs, cases: list[tuple[Letter, Case]], left: list[Letter]) -> None:
        of_jobs: dict[tuple[str | None, str], list[Letter]] = defaultdict(list)
        for letter, case in cases:
            if case is Case.GIVEN_UP and letter.message is not None:
                of_jobs[letter.message.owner, letter.message.job_id].append(letter)
            elif (case is Case.WAITS or (self._given.clear and case in HOPELESS)) and self._queue.hold(letter):
                if case is Case.WAITS:
                    self._queue.send_back(letter)
                else:
                    self._queue.delete(letter)
                self._done["sent back" if case is Case.WAITS else "deleted"] += 1
                left.remove(letter)
        for (owner, job_id), letters in of_jobs.items():
            await self._retry(jobs, owner, job_id, letters, left)

    async def _retry(
        self, jobs: Jobs, owner: str | None, job_id: str, letters: list[Letter], left: list[Letter]
    ) -> None:
        """A new job of all that was given up in a job; then the letters about it go."""
        if not all(self._queue.hold(each) for each in letters):
            print(f"   job {job_id}: somebody else has its letters at the moment; it is left alone")
            self.refused += 1
            return
        try:
            made = await jobs.retry(owner, job_id)
        except PlatformError as error:  # it has images that wait, say, or the queue is full
            print(f"   job {job_id}: {escaped(error.detail, MOST_SHOWN)}")
            self.refused += 1
            return
        print(f"   job {job_id}: tried again as job {made.record.id} of {owner or 'nobody'}; tell them")
        for each in letters:
            self._queue.delete(each)
            left.remove(each)
        self._done["new jobs"] += 1

    def _sum_up(self, cases: list[tuple[Letter, Case]]) -> None:
        print(f"{len(cases)} dead letters of {self._given.model}")
        for case, number in Counter(case for _, case in cases).items():
            print(f"   {number:4}  {case.value}")
        if len(cases) == self._given.limit:
            print(f"There may be more: --limit says how many are looked at, {self._given.limit} this time.")
        if self._given.yes:
            print("Done:", ", ".join(f"{number} {what}" for what, number in self._done.items()) or "nothing")
        elif cases:
            print("Dry run: nothing was changed. The same command with --yes does it; mend the reason first.")


def _job(found: Mapping[str, Job | None], letter: Letter) -> Job | None:
    return None if letter.message is None else found[letter.message.job_id]


def _show(cases: Iterable[tuple[Letter, Case]]) -> None:
    for letter, case in cases:
        about: Any = letter.message
        what = f"job {about.job_id}, image {about.index}" if about else f"body {escaped(letter.body, MOST_SHOWN)}"
        print(f"{letter.sent:%Y-%m-%d %H:%M:%S} UTC  {case.name}  {what}\n   {escaped(letter.reason, MOST_SHOWN)}")
