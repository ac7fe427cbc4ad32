import asyncio

import numpy as np
from PIL import Image

from loadtest.localisation import pointing
from testbed.servers import WholeService
from testbed.tiny_models import write_localiser


def test_what_a_caller_gets_is_measured(embedded_triton, tmp_path):
    """A model that boxes the brightest quarter of a quarter: right on one picture, wrong on another."""
    repository = tmp_path / "models"
    write_localiser(repository, pointing.MODEL)
    rows = ["file\tclass\tcentre_x\tcentre_y\twidth\theight"]
    for name, box in (("right", "0.625\t0.375\t0.25\t0.25"), ("wrong", "0.125\t0.125\t0.25\t0.25")):
        pixels = np.zeros((96, 160), np.uint8)
        pixels[24:48, 80:120] = 255 if name == "right" else 254
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        rows.append(f"{name}.png\tred\t{box}")
    (tmp_path / "boxes.tsv").write_text("\n".join(rows))
    slices = pointing.read_slices(tmp_path)
    with WholeService(repository, tmp_path) as service:
        found = pointing.figures(slices, asyncio.run(pointing.ask(service.url, slices)))
    assert (found["peak inside the box"], found["mean IoU of the box"]) == (0.5, 0.5)
