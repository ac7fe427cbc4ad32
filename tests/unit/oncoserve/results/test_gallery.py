"""What drawings take of the memory, and for how long."""

import asyncio

import pytest

from oncoserve.errors import NoRoom
from oncoserve.runtime.timings import Timings
from oncoserve.settings import Settings
from oncoserve.tasks.parameters import PictureParameters
from oncoserve.wiring import frontend_core
from testbed.encoded_pictures import encoded, noise
from testbed.fakes import FakeBackend, card, classifier, let_others_run, write_card

MIB = 2**20
SIDE = 600


@pytest.fixture
async def core(tmp_path):
    write_card(tmp_path / "models", card("tiny", 3, saliency=True))
    settings = Settings(
        model_repository=tmp_path / "models",
        results_dir=tmp_path / "results",
        memory_bytes=64 * MIB,
        infer_timeout_s=0.3,
    )
    core = frontend_core(settings, FakeBackend(classifier(saliency=(4, 4))))
    async with core.running():
        yield core


@pytest.fixture
async def entry(core):
    async def read():
        return encoded(noise((SIDE, SIDE))), PictureParameters()

    answer = await core.predict.predict(core.catalogue.get("tiny"), read, Timings())
    return await core.gallery.open(answer.id, None)


def draw(core, entry):
    rendering = entry.rendering("overlay.png")
    return core.gallery.draw(entry, rendering, rendering.options())


async def test_a_prediction_leaves_nothing(core, entry):
    assert core.memory.pictures.used_bytes() == core.memory.drawings.used_bytes() == 0


async def test_a_drawing_counts_until_it_is_read(core, entry):
    with await draw(core, entry) as drawing:
        assert core.memory.pictures.used_bytes() == 0
        assert core.memory.drawings.used_bytes() == drawing.size
        content = b"".join([piece async for piece in drawing.pieces()])
    assert len(content) == drawing.size > SIDE * SIDE
    assert core.memory.drawings.used_bytes() == 0


@pytest.mark.parametrize("kind", ["drawings", "pictures"])
async def test_without_room_a_drawing_is_not_begun(core, entry, kind):
    memory = getattr(core.memory, kind)
    with memory.share() as holder:
        holder.take(64 * MIB)
        with pytest.raises(NoRoom, match=kind):
            await draw(core, entry)
        with pytest.raises(NoRoom):
            await core.gallery.with_room(32 * MIB, int) if kind == "pictures" else await draw(core, entry)
    assert core.memory.pictures.used_bytes() == core.memory.drawings.used_bytes() == 0
    with await draw(core, entry) as drawing:
        assert drawing.size


async def test_who_hangs_up_waits_no_more(core, entry):
    with core.memory.pictures.share() as holder:
        holder.take(64 * MIB)
        drawing = asyncio.create_task(draw(core, entry))
        await let_others_run()
        assert core.memory.drawings.used_bytes() > 0
        drawing.cancel()
        await asyncio.gather(drawing, return_exceptions=True)
        assert core.memory.drawings.used_bytes() == 0
