"""The count of pictures that a model's card lets it be asked about."""

import subprocess
import sys

from PIL import Image

from testbed.encoded_pictures import encoded, scan
from testbed.servers import PROJECT


def test_pictures_without_an_answer_are_counted_by_folder_with_their_reasons(tmp_path):
    for folder, pictures in {"slices": [scan(), scan(seed=1)], "others": [Image.new("L", (64, 64)), scan()]}.items():
        (tmp_path / folder).mkdir()
        for number, picture in enumerate(pictures):
            (tmp_path / folder / f"{number}.png").write_bytes(encoded(picture))
    (tmp_path / "slices/list.tsv").write_text("no picture")
    command = [sys.executable, "-m", "loadtest.pictures.answered", str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    *lines, time = done.stdout.splitlines()
    assert lines == [
        "others: 2 pictures, 1 without an answer: 1 x blank_picture",
        "slices: 2 pictures, 0 without an answer",
    ]
    assert time.endswith("ms a picture (median)")
