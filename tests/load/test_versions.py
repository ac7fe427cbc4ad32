import json

import pytest

from loadtest import versions
from loadtest.compare.runner import Point, RunPlan
from testbed.servers import PROJECT

QUICK = ["--rounds", "1", "--seconds", "0.3", "--connections", "2"]


def broken(folder):
    """A checkout whose frontend ends at once."""
    for name in ("inference_server", "oncoserve", "supervision"):
        (folder / name).symlink_to(PROJECT / name)
    (folder / "frontend").mkdir()
    (folder / "frontend/__main__.py").write_text('raise SystemExit("this checkout is broken")\n')
    return folder


@pytest.mark.long
def test_versions_are_measured_beside_each_other(embedded_triton, tmp_path, capsys):
    arguments = [str(PROJECT), str(PROJECT), *QUICK, "--out", str(tmp_path), "--set", "ONCO_CPU_THREADS=1"]
    assert versions.main(arguments) == 0
    points = json.loads((tmp_path / "points.json").read_text())
    assert [point["server"] for point in points] == [PROJECT.name, f"{PROJECT.name} (2)"]
    for point in points:
        assert point["throughput"] > 0
        assert point["errors"] == 0, point["first_error"]
    printed = capsys.readouterr().out
    assert (tmp_path / "table.md").read_text() in printed
    assert "settings: ONCO_CPU_THREADS=1" in printed


@pytest.mark.long
def test_the_code_of_the_checkout_is_what_runs(embedded_triton, tmp_path, capsys):
    (tmp_path / "broken").mkdir()
    assert versions.main([str(broken(tmp_path / "broken")), *QUICK, "--out", str(tmp_path / "out")]) == 1
    assert "this checkout is broken" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_a_folder_without_the_service_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        versions.main([str(PROJECT), str(tmp_path)])
    assert (
        f"{tmp_path} is no checkout of this repository: it has no inference_server, frontend" in capsys.readouterr().err
    )


def test_folders_of_one_name_are_told_apart(tmp_path):
    folders = [tmp_path / "a", tmp_path / "b", tmp_path / "c/a", tmp_path / "a"]
    assert versions.unique_names(folders) == ["a", "b", "a (2)", "a (3)"]


def point(turn, server, throughput, latency_ms):
    return Point(turn, server, 8, throughput, latency_ms, 0, 2 * latency_ms, 0, 1 / throughput, 100, 1, "")


def test_ratios_are_those_of_the_rounds():
    before = [point(turn, "before", speed, 10) for turn, speed in enumerate((100, 200, 300), 1)]
    after = [point(turn, "after", speed, 5) for turn, speed in enumerate((150, 220, 240), 1)]
    # As they come: the second round takes the versions in the other order.
    found = [before[0], after[0], after[1], before[1], before[2], after[2]]
    text = versions.summary(versions.Sitting(found, 0.0123), RunPlan([8], 3, 1.0))
    assert "| after | 8 | 1.100 | 1.100 | 0.800..1.500 | 0.500 | 0.500 | 0.909 |" in text.splitlines()
    assert "at most 1.2% of one core" in text
