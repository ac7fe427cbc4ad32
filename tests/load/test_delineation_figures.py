import asyncio

import numpy as np
import pytest
from PIL import Image

from loadtest.delineation import outlining
from testbed.servers import WholeService
from tests.two_versions import patch, write_two_versions


@pytest.mark.long
def test_what_a_caller_gets_is_measured(embedded_triton, tmp_path):
    """A model that outlines the bright part: of two slices with the same outline it lies there in one."""
    repository = tmp_path / "models"
    write_two_versions(repository, outlining.MODEL)
    rows = ["file\tclass\tpatient\toutline"]
    for name, at in (("right", (64, 32, 96, 96)), ("wrong", (16, 32, 48, 96))):
        patch(at=at).save(tmp_path / f"{name}.png")
        rows.append(f"{name}.png\tred\t{name}\t0.5,0.25 0.75,0.25 0.75,0.75 0.5,0.75")
    Image.new("RGB", (128, 128), (20, 20, 20)).save(tmp_path / "none.png")
    rows.append("none.png\tnotumor\tnone\t")
    (tmp_path / "slices.tsv").write_text("\n".join(rows))
    slices = outlining.read_slices(tmp_path)
    with WholeService(repository, tmp_path) as service:
        answers = asyncio.run(outlining.ask(service.url, slices))
    found = {name: np.nanmean(each) for name, each in outlining.per_slice(slices, answers).items()}
    assert found["class accuracy where it answers"] == 1
    assert found["peak on the tumour where it answers"] == 0.5
    assert 0.4 < found["Dice of the outline where it answers"] <= 0.5
    assert found["slices without a tumour called one"] == 0
