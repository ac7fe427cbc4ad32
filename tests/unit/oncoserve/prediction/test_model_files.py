import hashlib
import json
import os

import pytest

from oncoserve.prediction.model_files import Graphs, ServedFile, check_labels
from oncoserve.tasks.card import Weights
from testbed.fakes import card

GRAPH = hashlib.sha256(b"graph").hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()


def write_record(folder, sha256=GRAPH, **more):
    files = {
        "model.onnx": {"sha256": sha256, "precision": "FP32"},
        "model.cpu.onnx": {"sha256": OTHER, "precision": "INT8"},
    }
    (folder / "export.json").write_text(json.dumps({"files": files, **more}))


def test_without_the_servers_word_the_file_counts_as_served(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"graph")
    assert Graphs().served(tmp_path, "model.onnx", None) == ServedFile(GRAPH)
    assert Graphs().served(tmp_path, "model.onnx", OTHER) == ServedFile(OTHER)


def test_without_a_file_the_record_is_what_is_known(tmp_path):
    assert Graphs().served(tmp_path, "model.onnx", None) == ServedFile()
    source = {"package": "training", "version": "abc", "sha256": "f" * 64, "licence": "MIT"}
    write_record(tmp_path, source=source)
    assert Graphs().served(tmp_path, "model.onnx", None) == ServedFile(GRAPH, "FP32", Weights("training abc", "f" * 64))
    assert Graphs().served(tmp_path, "model.cpu.onnx", None).precision == "INT8"
    assert Graphs().served(tmp_path, "model.onnx", GRAPH).precision == "FP32"


@pytest.mark.parametrize("served", [None, OTHER])
def test_a_graph_that_is_not_its_records_is_refused(tmp_path, served):
    (tmp_path / "model.onnx").write_bytes(b"graph" if served else b"other")
    write_record(tmp_path)
    with pytest.raises(ValueError, match=f"records, sha256 {GRAPH}, got one with {OTHER}"):
        Graphs().served(tmp_path, "model.onnx", served)


def test_a_record_of_other_files_says_nothing(tmp_path):
    write_record(tmp_path)
    assert Graphs().served(tmp_path, "model.gpu.onnx", OTHER) == ServedFile(OTHER)


def test_a_file_is_hashed_again_when_it_has_changed(tmp_path):
    graphs, path = Graphs(), tmp_path / "model.onnx"
    path.write_bytes(b"graph")
    before = path.stat()
    assert graphs.served(tmp_path, "model.onnx", None).sha256 == GRAPH
    path.write_bytes(b"other")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # to show that the first hash was kept
    assert graphs.served(tmp_path, "model.onnx", None).sha256 == GRAPH
    (tmp_path / "new").write_bytes(b"other")
    (tmp_path / "new").rename(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert graphs.served(tmp_path, "model.onnx", None).sha256 == OTHER


@pytest.mark.parametrize("lines", ["class0\nclass1\nclass2\n", "\ufeffclass0\r\nclass1 \r\nclass2"])
def test_classes_that_are_those_of_the_labels(tmp_path, lines):
    (tmp_path / "labels.txt").write_text(lines)
    check_labels(tmp_path, "1", "", card())
    check_labels(tmp_path, "1", "labels.txt", card())


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("class0\nclass2\nclass1\n", "expected class 2 to be class2 as in labels.txt, got class1"),
        ("class0\nclass1\n", "expected class 3 to be none as in labels.txt, got class2"),
        ("class0\nclass1\nclass2\nclass3\n", "expected class 4 to be class3 as in labels.txt, got none"),
        ("", "expected class 1 to be none"),
    ],
)
def test_classes_are_compared_by_name_and_order(tmp_path, lines, found):
    (tmp_path / "labels.txt").write_text(lines)
    for name in ("", "labels.txt"):
        with pytest.raises(ValueError, match=found):
            check_labels(tmp_path, "1", name, card())


def test_the_versions_own_labels_come_first_and_a_named_file_alone_counts(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "labels.txt").write_text("another\n")
    (tmp_path / "1/labels.txt").write_text("class0\nclass1\nclass2\n")
    (tmp_path / "names.txt").write_text("third\n")
    check_labels(tmp_path, "1", "", card())
    check_labels(tmp_path, "1", "missing.txt", card())
    with pytest.raises(ValueError, match=r"another as in labels\.txt"):
        check_labels(tmp_path, "2", "", card())
    with pytest.raises(ValueError, match=r"third as in names\.txt"):
        check_labels(tmp_path, "1", "names.txt", card())
