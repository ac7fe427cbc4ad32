import csv
import dataclasses
import io
import itertools
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from loadtest.compare import runner, scenarios, tables
from loadtest.compare.contenders import Contender, Running, ours
from loadtest.compare.peer_server import LOCKS, PEERS
from loadtest.compare.photographs import base_pictures
from loadtest.compare.runner import DifferentAnswers, Point
from loadtest.compare.served import without_batching, without_file_name
from testbed.servers import PROJECT


def compare(*arguments, out):
    command = [sys.executable, "-m", "loadtest.compare", "--rounds", "1", "--out", str(out), *arguments]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=250)
    raw = out / "raw.csv"
    return done, list(csv.DictReader(io.StringIO(raw.read_text()))) if raw.exists() else []


@pytest.mark.long
def test_servers_are_measured_in_turn(embedded_triton, tmp_path):
    names = ["ours", "plain_fastapi_1", "triton_grpc"]
    kinds = ["noisy", "mri"]
    options = ["--seconds", "1", "--connections", "1", "4", "--pictures", *kinds]
    done, rows = compare(*options, "--servers", *names, out=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    measured = [(row["server"], row["pictures"], row["connections"]) for row in rows]
    assert measured == list(itertools.product(names, kinds, "14"))
    for row in rows:
        assert float(row["throughput"]) > 0
        assert row["errors"] == "0", row["first_error"]
        assert float(row["cpu_s"]) > 0
        assert float(row["memory_mib"]) > 20
        assert row["mean_batch"] == "nan" or float(row["mean_batch"]) >= 1
    assert {row["mean_batch"] == "nan" for row in rows if row["server"] == "ours"} == {False}
    assert (tmp_path / "table.md").read_text() in done.stdout
    assert (tmp_path / "plot.png").stat().st_size > 1000


def test_an_unknown_server_is_named(tmp_path):
    done, rows = compare("--servers", "nginx", out=tmp_path)
    assert done.returncode == 2
    assert "nginx" in done.stdout
    assert rows == []


class Answering:
    """A running server that answers with what it was given."""

    def __init__(self, answers):
        self._answers = answers

    async def answers(self, count):
        return self._answers[:count]


def running(answers):
    return Running(None, {"noisy": Answering(answers)})


@pytest.mark.parametrize(("change", "fine"), [(0.0, True), (5e-5, True), (5e-4, False), (float("nan"), False)])
async def test_another_probability_is_not_measured(tmp_path, change, fine):
    served = scenarios.tiny(tmp_path, pictures={"noisy": base_pictures(8)})
    answers = [dict(zip(served.labels, row, strict=True)) for row in served.expected("noisy", 8)]
    answers[7][served.labels[0]] += change
    contender = ours(served, {})
    if fine:
        await runner.check_answers(contender, running(answers))
    else:
        with pytest.raises(DifferentAnswers, match="ours, noisy, picture 7"):
            await runner.check_answers(contender, running(answers))


@pytest.mark.parametrize(("tolerance", "fine"), [(1.1, True), (0.7, False)])
async def test_only_classes_as_near_as_the_tolerance_may_change_places(tmp_path, tolerance, fine):
    served = scenarios.tiny(tmp_path, pictures={"noisy": base_pictures(8)})
    rows = served.expected("noisy", 8)
    second, first = np.argsort(rows[0])[-2:]
    gap = rows[0][first] - rows[0][second]
    answers = [dict(zip(served.labels, row, strict=True)) for row in rows]
    answers[0][served.labels[first]] -= 0.6 * gap
    answers[0][served.labels[second]] += 0.6 * gap
    contender = ours(dataclasses.replace(served, tolerance=tolerance * gap), {})
    if fine:
        await runner.check_answers(contender, running(answers))
    else:
        with pytest.raises(DifferentAnswers, match="picture 0"):
            await runner.check_answers(contender, running(answers))


async def test_answers_about_every_kind_of_picture_are_checked(tmp_path):
    served = scenarios.tiny(tmp_path, {"mri": base_pictures(8), "noisy": base_pictures(8)[::-1]})
    right = {
        kind: [dict(zip(served.labels, row, strict=True)) for row in served.expected(kind, 8)]
        for kind in served.pictures
    }
    asking = {"mri": Answering(right["mri"]), "noisy": Answering(right["mri"])}
    with pytest.raises(DifferentAnswers, match="ours, noisy, picture 0"):
        await runner.check_answers(ours(served, {}), Running(None, asking))


def test_kinds_of_pictures_have_tables_of_their_own():
    found = [
        dataclasses.replace(point(1, server, speed, 10), pictures=kind)
        for kind, speeds in {"mri": (100, 50), "noisy": (90, 30)}.items()
        for server, speed in zip(("ours", "peer"), speeds, strict=True)
    ]
    mri, noisy = tables.report(found, ["ours"]).split("Pictures: noisy")
    assert mri.startswith("Pictures: mri\n")
    assert "| peer | 8 | 2.00 (2.00-2.00) |" in mri
    assert "| peer | 8 | 3.00 (3.00-3.00) |" in noisy


async def test_another_label_is_not_measured(tmp_path):
    served = scenarios.tiny(tmp_path, pictures={"noisy": base_pictures(8)})
    answers = [dict(zip(reversed(served.labels), row, strict=True)) for row in served.expected("noisy", 8)]
    with pytest.raises(DifferentAnswers, match="peer, noisy, picture 0"):
        await runner.check_answers(Contender("peer", served, None), running(answers))


@pytest.mark.parametrize("method", [Image.Resampling.BILINEAR, Image.Resampling.LANCZOS])
async def test_another_resize_filter_is_not_measured(tmp_path, method):
    served = scenarios.tiny(tmp_path, pictures={"noisy": base_pictures(8)})
    small = [np.asarray(Image.open(io.BytesIO(file)).resize((240, 240), method)) for file in served.pictures["noisy"]]
    rows = served.session(1).run(None, {"image": np.stack(small)})[0].tolist()
    answers = [dict(zip(served.labels, row, strict=True)) for row in rows]
    with pytest.raises(DifferentAnswers):
        await runner.check_answers(Contender("peer", served, None), running(answers))


def test_the_tiny_model_tells_pictures_apart(tmp_path):
    served = scenarios.tiny(tmp_path, pictures={"noisy": base_pictures(16)})
    assert {max(row) == row[0] for row in served.expected("noisy", 16)} == {True, False}


def point(turn, server, throughput, p99_ms, errors=0):
    batch = float("nan") if server == "peer" else 2.0
    return Point(turn, server, 8, throughput, 1, 2, p99_ms, errors, 0.5, 100, batch, "503" if errors else "")


def test_tables_hold_medians_and_the_rounds_ratios():
    mine = [point(turn, "ours", speed, 10) for turn, speed in enumerate((100, 300, 200), 1)]
    theirs = [point(turn, "peer", speed, 40, errors=1) for turn, speed in enumerate((100, 100, 50), 1)]
    lines = tables.table([*mine, *theirs]).splitlines()
    assert lines[2:] == [
        "| ours | 8 | 200 | 1 | 2 | 10 | 0.5 | 100 | 2 | 0 |",
        "| peer | 8 | 100 | 1 | 2 | 40 | 0.5 | 100 | - | 3 |",
    ]
    assert tables.ratios([*mine, *theirs], "ours").splitlines()[2:] == [
        "| peer | 8 | 3.00 (1.00-4.00) | 0.25 (0.25-0.25) | 1.00 (1.00-1.00) |"
    ]
    assert tables.errors([*mine, *theirs]) == "peer: for instance '503'"


def test_batching_is_left_out_of_the_real_configurations():
    for path in (PROJECT / "model_repository").rglob("*.pbtxt"):
        text = path.read_text()
        if "\ndynamic_batching { }\n" in text:
            assert "dynamic_batching {" not in without_batching(text)
            assert len(without_batching(text)) > 0.9 * len(text)


def test_the_tumour_model_is_compared_with_itself_and_with_the_classifier(model_repository, tmp_path):
    found = {each.name: each.served for each in scenarios.tumour(tmp_path, {}, {})}
    texts = {name: (each.repository / each.model / "config.pbtxt").read_text() for name, each in found.items()}
    single, two = texts["brain_tumour, batches of 1"], texts["brain_tumour, 2 instances"]
    assert texts["brain_tumour"] == (model_repository / "brain_tumour/config.pbtxt").read_text()
    assert set(re.findall(r"batch_size: (\d+)", single)) == {"1"}
    assert "dynamic_batching {" not in single
    assert "count: 2\n" in two
    assert 'key: "intra_op_thread_count" value { string_value: "1" }' in two
    assert found["brain_mri, INT8"].graph.name == "model.cpu.onnx"
    assert found["brain_mri, FP32"].graph.name == "model.onnx"


def test_the_graph_is_the_one_that_the_configuration_names(tmp_path):
    served = scenarios.tiny(tmp_path, pictures={"noisy": base_pictures(1)})
    assert served.graph == tmp_path / "tiny_cnn/1/model.onnx"
    configuration = tmp_path / "tiny_cnn/config.pbtxt"
    plain = configuration.read_text()
    configuration.write_text(f'{plain}default_model_filename: "model.cpu.onnx"\n')
    (tmp_path / "tiny_cnn/1/model.cpu.onnx").touch()
    assert served.graph == tmp_path / "tiny_cnn/1/model.cpu.onnx"
    assert without_file_name(configuration.read_text()).strip() == plain.strip()


@pytest.mark.parametrize("peer", sorted({recipe.lock for recipe in PEERS.values()} - {""}))
def test_the_peers_are_locked(peer):
    lock = (LOCKS / f"{peer}.lock").read_text().splitlines()
    pins = [line for line in lock if line and not line.startswith((" ", "#"))]
    assert all("==" in pin and pin.endswith("\\") for pin in pins)
    assert not [line for line in lock if "://" in line or line.startswith("--")]
    wanted = re.sub(r"\[.*?\]", "", (LOCKS / f"{peer}.in").read_text()).split()
    assert [any(pin.startswith(want if "==" in want else f"{want}==") for pin in pins) for want in wanted] == [
        True
    ] * len(wanted)
