"""What jobs expect of a place for bytes."""

import asyncio

import pytest

from oncoserve.errors import UploadNotFound

KEY = "jobs/0123456789abcdef0123456789abcdef/0"


async def test_what_is_put_is_got_and_put_again_replaces_it(objects):
    await objects.put(KEY, b"first")
    await objects.put(KEY, bytes(range(256)) * 1000)
    assert await objects.get(KEY) == bytes(range(256)) * 1000
    assert await objects.get(KEY, 10) == bytes(range(10))


async def test_what_is_deleted_is_gone_and_deleting_again_is_no_error(objects):
    await objects.put(KEY, b"x")
    await objects.put(KEY + "1", b"y")
    for _ in range(2):
        await objects.delete(KEY)
        with pytest.raises(UploadNotFound):
            await objects.get(KEY)
    assert await objects.get(KEY + "1") == b"y"


@pytest.mark.parametrize("key", ["nothing", "jobs/nothing", KEY + "/below"])
async def test_a_key_that_has_nothing(objects, key):
    await objects.put(KEY, b"x")
    with pytest.raises(UploadNotFound):
        await objects.get(key)
    await objects.delete(key)


async def test_many_at_once(objects):
    keys = [f"jobs/{number}/{number}" for number in range(20)]
    await asyncio.gather(*(objects.put(key, key.encode()) for key in keys))
    assert await asyncio.gather(*map(objects.get, keys)) == [key.encode() for key in keys]
    await asyncio.gather(*map(objects.delete, keys))
