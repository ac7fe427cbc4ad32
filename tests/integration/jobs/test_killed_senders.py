"""Processes that are killed while they take a job, at any point of it."""

import asyncio
import random
import subprocess
import sys

from sqlalchemy import text

from oncoserve.jobs.embedded import file_objects
from oncoserve.jobs.embedded.sqlite_database import SqliteDatabase
from oncoserve.runtime.service_clock import WallClock
from oncoserve.settings import Settings
from oncoserve.wiring import open_adapters

ROUNDS, AT_ONCE, IMAGES = 3, 4, 6
SENDER = """
import asyncio, sys
from oncoserve.jobs.intake.submission import Submission
from oncoserve.runtime.threads import CpuThreads
from oncoserve.settings import Settings
from oncoserve.wiring import open_adapters, open_jobs
from testbed.encoded_pictures import encoded, noise
from testbed.picture_files.zip_files import zipped

async def main():
    settings = Settings(results_dir=sys.argv[1])
    jobs = open_jobs(settings, open_adapters(settings), CpuThreads(1))
    async def read():
        return encoded(noise())
    images = int(sys.argv[2])
    archive = zipped([(f"{number}.png", await read()) for number in range(images)])
    async def read_archive():
        return archive
    print("begun", flush=True)
    while True:
        await jobs.submit(None, "tiny", {}, [Submission("a.png", read)] * images)
        await jobs.submit(None, "tiny", {}, [Submission("a.zip", read_archive)])

asyncio.run(main())
"""
HALF_MADE = text("""
    SELECT count(*) FROM images WHERE state = 'QUEUED' AND NOT EXISTS
    (SELECT 1 FROM messages WHERE messages.job_id = images.job_id)
""")


async def test_no_job_is_half_made_and_what_was_left_behind_is_swept(tmp_path, monkeypatch):
    chance = random.Random(1)  # noqa: S311 - reproducible, not secret
    for _ in range(ROUNDS):
        command = [sys.executable, "-c", SENDER, tmp_path, str(IMAGES)]
        senders = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(AT_ONCE)]  # noqa: ASYNC220 - it ends with the test
        for each in senders:
            each.stdout.readline()
            await asyncio.sleep(chance.uniform(0, 0.2))
        for each in senders:
            each.kill()
            each.wait()
            each.stdout.close()
    settings = Settings(results_dir=tmp_path)
    database, adapters = SqliteDatabase(settings.jobs_dir, WallClock()), open_adapters(settings)
    assert await database.read(lambda connection: connection.execute(text("SELECT count(*) FROM jobs")).scalar_one())
    assert await database.read(lambda connection: connection.execute(HALF_MADE).scalar_one()) == 0

    def pictures():
        return {f"jobs/{path.parent.name}" for path in settings.jobs_dir.glob("objects/jobs/*/*")}

    left = {path for path in pictures() if not await adapters.store.known([path.removeprefix("jobs/")])}
    assert left, "none was killed between a picture and its job"
    monkeypatch.setattr(file_objects, "ORPHAN_S", 0.0)
    await adapters.objects.sweep(adapters.store.known)
    after = pictures()
    assert not after & left
    assert after, "the pictures of jobs are gone, too"
    objects = text("SELECT object FROM images")
    for each in (await database.read(lambda connection: connection.execute(objects).scalars().all()))[:50]:
        assert await adapters.objects.get(each)
    database.close()
    await adapters.close()
