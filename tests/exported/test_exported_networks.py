"""Networks of PyTorch's libraries, exported and added as docs/your_model.md says, answer as PyTorch itself does."""

import ast
import io
import os
import re
import shlex
import subprocess
import sys
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
from PIL import Image

from oncoserve.results.in_files.file_results import FileResults
from oncoserve.tasks.card import Preprocessing
from oncoserve.tasks.picture_fit import Fit
from testbed.servers import PROJECT, WholeService

GUIDE = (PROJECT / "docs/your_model.md").read_text()
SECTION = GUIDE.partition("\n## From PyTorch and friends\n")[2].partition("\n## ")[0]
SCRIPT = PROJECT / "tests/exported/export_networks.py"
LINES = re.findall(r"^    (oncoserve models add .*)$", SECTION.replace("\\\n", ""), re.MULTILINE)
COMMANDS = {words[words.index("--name") + 1]: words for words in map(shlex.split, LINES)}

PROBABILITY, RESIZED_PROBABILITY = 1e-5, 2e-3
"""Where the network sees the very same pixels, and where its crop lies between those of the picture: some differ by one
or two levels then."""
SIDE = 224
"""Of the classifiers."""
LEVELS = 1.0
"""Of 255, in which maps are stored: half a level is rounding."""
PIXELS, SCORE = 0.02, 1e-3
"""Of a box's sides, which are told to a hundredth."""


def exporting(text):
    """The calls that make ONNX, however they are laid out."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return {ast.unparse(call) for call in calls if ast.unparse(call.func).endswith((".export", ".onnx_export"))}


def test_what_the_guide_exports_is_what_the_script_exports():
    shown = set().union(*map(exporting, re.findall(r"^```python\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE)))
    assert shown == exporting(SCRIPT.read_text())


@pytest.fixture(scope="module")
def exported(request):
    """The folder that the script has filled."""
    folder = request.config.getoption("--exported")
    if folder is None:
        pytest.skip("only with --exported FOLDER, as `make exported-test` has it: PyTorch fills it")
    return folder.absolute()


@pytest.fixture(scope="module")
def served(exported, embedded_triton, tmp_path_factory):
    """One service with all of them, added by the commands of the guide."""
    data = tmp_path_factory.mktemp("exported")
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    for words in COMMANDS.values():
        command = [sys.executable, "-m", *words, "--data", str(data)]
        done = subprocess.run(command, cwd=exported, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    (data / "service").mkdir()
    with (
        WholeService(data / "model_repository", data / "service") as service,
        httpx.Client(base_url=service.url, timeout=60) as http,
    ):
        yield SimpleNamespace(http=http, results=FileResults(data / "service/results"))


@pytest.mark.parametrize("name", COMMANDS)
def test_it_answers_as_pytorch_does(served, exported, name):
    with np.load(exported / name / "answers.npz") as file:
        expected = dict(file)
    pictures = sorted((exported / name / "pictures").iterdir())
    assert len(pictures) > 1
    for picture in pictures:
        answer = served.http.post(f"/v1/models/{name}/predict", content=picture.read_bytes()).raise_for_status().json()
        theirs = {
            key.partition("/")[2]: values for key, values in expected.items() if key.startswith(f"{picture.stem}/")
        }
        if "probabilities" in theirs:
            compare_probabilities(answer, theirs, served.http.get(f"/v1/models/{name}").json()["card"])
        elif "maps" in theirs:
            compare_maps(answer, theirs, served)
        else:
            compare_boxes(answer, theirs)


def compare_probabilities(answer, theirs, card):
    ours = np.array(list(answer["probabilities"].values()))
    size = answer["image"]["width"], answer["image"]["height"]
    seen = Fit.of(Preprocessing.model_validate(card["preprocessing"]), size, (SIDE, SIDE)).seen
    limit = PROBABILITY if all(place == round(place) for place in seen) else RESIZED_PROBABILITY
    assert np.ptp(theirs["probabilities"]) > 0.01  # else another picture would do
    np.testing.assert_allclose(ours, theirs["probabilities"], rtol=0, atol=limit)


def compare_maps(answer, theirs, served):
    maps = np.load(io.BytesIO(served.results.files(answer["id"])["maps.npy"])).transpose(2, 0, 1)
    assert maps.shape == theirs["maps"].shape
    assert np.ptp(theirs["maps"]) > 0.5
    np.testing.assert_allclose(maps, 255 * theirs["maps"], rtol=0, atol=LEVELS)
    # What a caller sees: a class for each pixel, which a level may tip over where two are as probable.
    channels = theirs["maps"] if len(maps) > 1 else np.concatenate([1 - theirs["maps"], theirs["maps"]])
    kinds, ranked = channels.argmax(axis=0), np.sort(channels, axis=0)
    sure = ranked[-1] - ranked[-2] > 2 * LEVELS / 255
    areas = [np.mean(kinds == number) for number in range(1, len(channels))]
    found = [each["fraction"] for each in answer["areas"].values()]
    assert found == pytest.approx(areas, abs=np.mean(~sure) + 1e-3)
    if kinds.shape == (answer["image"]["height"], answer["image"]["width"]):
        mask = np.asarray(Image.open(io.BytesIO(served.http.get(answer["links"]["mask"]).content)))
        assert np.array_equal(mask[sure], kinds[sure])


def compare_boxes(answer, theirs):
    """Whatever is better than the threshold, by more than scores may differ, is there on both sides."""
    least = answer["threshold"] + SCORE
    names = list(answer["counts"])
    kept = theirs["scores"] >= least
    assert 1 < kept.sum() < 200
    corners = theirs["boxes"][:, :2], theirs["boxes"][:, 2:] - theirs["boxes"][:, :2]
    boxes = np.column_stack([*corners, theirs["scores"], theirs["labels"]])
    found = np.array(
        [
            [each["x"], each["y"], each["width"], each["height"], each["score"], names.index(each["label"])]
            for each in answer["boxes"]
        ]
    )
    limits = np.array([PIXELS] * 4 + [SCORE, 0])
    for some, others in ((boxes, found), (found, boxes)):
        for row in some[some[:, 4] >= least]:
            assert (np.abs(others - row) <= limits).all(axis=1).any(), row
