"""Both halves of SageMaker's way on real queues, tickets and records, with a container that answers what it is told."""

import asyncio
import io
import json
import zipfile
from contextlib import suppress

from oncoserve.jobs.aws.aws_adapters import open_aws
from oncoserve.jobs.intake.submission import JobLimits, Submission
from oncoserve.jobs.sagemaker.halves import open_feeder, open_settler
from oncoserve.jobs.sagemaker.tickets import FOLDER
from oncoserve.jobs.service import Jobs
from oncoserve.runtime.threads import CpuThreads
from oncoserve.settings import Settings
from testbed.encoded_pictures import encoded, noise

MODEL = "tiny"
RESULT = {"id": "a" * 32, "model": MODEL, "files": {"overlay": "overlay.png"}, "label": "cat"}
MOST = 3


def packed(**files):
    """An archive of files by their names, with a double underscore for the dot."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "."), data if isinstance(data, bytes) else json.dumps(data))
    return content.getvalue()


GOOD = packed(result__json=RESULT, overlay__png=b"png")


def problem(status, code, detail="because"):
    return packed(problem__json={"status": status, "code": code, "title": "A title", "detail": detail})


class Container:
    """Answers what it is told, one after the other, and then results."""

    def __init__(self):
        self.answers = []
        self.pictures = []

    def __call__(self, picture, headers):
        self.pictures.append(picture)
        answer = self.answers.pop(0) if self.answers else (200, GOOD)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Bench:
    """A stack's storage with everything around it; the parts of Lambda are played here: it hands out messages.

    Args:
        stack: storage, and the queue of notices.
        endpoints: the stand-in for SageMaker.
        notices: address of the queue of notices.
        folder: for the settings.
    """

    def __init__(self, stack, endpoints, notices, folder):
        self.stack, self.endpoints, self.container = stack, endpoints, endpoints.container
        self.s3, self.sqs = stack.emulator.client("s3"), stack.emulator.client("sqs")
        self.bucket, self.notices = stack.outputs["BucketName"], notices
        self.settings = Settings(**stack.settings, results_dir=folder, job_models=MODEL, job_max_attempts=MOST)
        self.adapters = open_aws(self.settings, dict)
        self.feeder, self.settler = (make(self.settings, self.adapters) for make in (open_feeder, open_settler))
        self.threads = CpuThreads(1)
        self.jobs = Jobs(self.adapters, JobLimits(3600, 10, 10**6, 10**6), self.threads)

    async def close(self):
        await self.jobs.close()
        self.threads.close()

    async def send(self, owner="ward"):
        """One job of one picture; the id."""

        async def read():
            return encoded(noise())

        return (await self.jobs.submit(owner, MODEL, {}, [Submission("a.png", read)])).record.id

    async def image(self, job_id):
        return (await self.adapters.store.get(job_id)).images[0]

    async def feed(self):
        """What Lambda does for the queue of the model; how many messages there were."""
        leases = await self.adapters.queue.receive(MODEL, 10, 1)
        for lease in leases:
            await self.feeder.feed(lease)
        return len(leases)

    async def notice(self):
        """The body of the next notice."""
        for _ in range(100):
            found = self.sqs.receive_message(QueueUrl=self.notices, WaitTimeSeconds=0).get("Messages", [])
            if found:
                self.sqs.delete_message(QueueUrl=self.notices, ReceiptHandle=found[0]["ReceiptHandle"])
                return found[0]["Body"]
            await asyncio.sleep(0.05)
        raise AssertionError("no notice came")

    async def settle(self):
        """Wait for a notice, and settle what it is of; the notice."""
        body = await self.notice()
        await self.settler.settle(body)
        return body

    def keys(self, prefix):
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return [each["Key"] for each in found]

    def left(self):
        """What is under way: tickets and answers."""
        return self.keys(FOLDER) + self.keys("sagemaker/answers/")

    async def backlog(self):
        found = (await self.adapters.queue.backlog())[MODEL]
        return found.waiting, found.in_flight, found.dead

    async def clear(self):
        """Forget what a test left in the queues."""
        for url in (self.stack.queue(MODEL), self.stack.queue(f"{MODEL}-dead"), self.notices):
            with suppress(self.sqs.exceptions.PurgeQueueInProgress):
                self.sqs.purge_queue(QueueUrl=url)
        for key in self.keys(""):
            self.s3.delete_object(Bucket=self.bucket, Key=key)
