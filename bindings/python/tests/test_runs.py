"""Trainings and evaluations: the numbers of the command line, events, tables, results."""

import json
import logging
import sys

import nf_gpu
import pandas
import pytest
from nf_gpu import _data


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    from conftest import ROOT

    folder = tmp_path_factory.mktemp("runs") / "run"
    events = []
    flags = {"generator": "UNetS", "chip": 1, "ber": 0.02, "steps": 2, "batch_size": 4, "images": 10}
    base = ROOT / "models/vgg-small-fashion.safetensors"
    run = nf_gpu.train(base, out=folder, on_event=events.append, progress=False, **flags)
    return run, events, flags, base


def test_a_run_has_the_numbers_of_the_command_line(trained, command):
    run, _, flags, base = trained
    line = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
    told = command("train", "--base", base, *line, "--out", "run", "--json", "--quiet")
    ours = dict(run.result.json)
    theirs = json.loads(told.stdout)
    # The file of the generator is named as it was given.
    assert theirs.pop("given")["generator"] == "run/generator.safetensors"
    ours.pop("given")
    assert ours == theirs


def test_events_come_in_order(trained):
    run, events, *_ = trained
    kinds = [event["event"] for event in events]
    assert [kind for kind in kinds if kind in ("started", "step", "finished")] == ["started", "step", "step", "finished"]
    assert events[kinds.index("started")]["steps"] == 2
    assert events[-1]["complete"] is True
    step = events[kinds.index("step")]
    assert step["step"] == 1 and step["loss_clean"] > 0 and 0 < step["flip_rate"] < 0.02


def test_a_run_shows_itself(trained):
    run, *_ = trained
    table = run.table()
    assert isinstance(table, pandas.DataFrame) and len(table) == 1
    assert table["seed"][0] == 1 and table["ber (fraction)"][0] == 0.02
    assert table["accuracy_nf (%)"][0] == run.result.json["perturbed"][0]["accuracy_nf"]["mean"]
    assert list(run.metrics()["event"]) == ["step", "step", "evaluation"]
    page = run._repr_html_()
    assert "PA(NF)" in page and "data:image/svg+xml;base64," in page and "data:image/png;base64," in page
    assert "UNetS" in repr(run)
    again = nf_gpu.Run(run.folder)
    assert again.result.json == run.result.json
    assert again.generator.model == "UNetS"
    assert nf_gpu.report(run, out=run.folder / "other.html").read_text().startswith("<!")


def test_without_pandas_a_table_is_a_list(trained, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    (row,) = trained[0].table()
    assert row["generator"] == "UNetS" and row["images"] == 10 and row["energy (% of nominal)"] is None
    assert isinstance(row["flipped_bits"], int) and isinstance(row["accuracy (%)"], float)


def test_an_evaluation_has_the_numbers_of_the_command_line(trained, command, tmp_path):
    run, _, _, base = trained
    result = nf_gpu.evaluate(
        base, generator=[run.generator], faults="stuck-at", chip=None, ber=[0.01, 0.02], seeds=range(7, 9), images=20,
        progress=False, out=tmp_path / "e.json",
    )  # fmt: skip
    told = command(
        "eval", "--base", base, "--generator", run.folder / "generator.safetensors", "--faults", "stuck-at",
        "--ber", "0.01,0.02", "--seeds", "7..9", "--images", "20", "--json", "--quiet", check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert result.json == json.loads(told.stdout)
    assert nf_gpu.Result.load(tmp_path / "e.json").json == result.json
    assert len(result.table()) == 4 and str(result).count("stuck-at") == 2
    assert "<pre" in result._repr_html_()
    # Its points of energy, measured above.
    chosen = nf_gpu.energy(min_accuracy=0, evaluations=[result])
    assert chosen["chosen"]["energy"] < 1


def test_arrays_are_a_data_set(base, tmp_path):
    import numpy as np

    pixels = np.random.default_rng(1).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(12) % 10
    result = nf_gpu.evaluate(base, data={"x_test": pixels, "y_test": labels}, ber=0, progress=False)
    assert result.json["dataset"]["images"] == 12
    with pytest.raises(TypeError, match="mapping of arrays"):
        nf_gpu.evaluate(base, data=pixels)
    # However it lies in memory, and once however often it is given.
    turned = {"x_test": np.asfortranarray(pixels), "y_test": labels}
    assert nf_gpu.evaluate(base, data=turned, ber=0, progress=False).json["clean"] == result.json["clean"]
    first, again, other = (_data.place(data) for data in (turned, {**turned}, {**turned, "y_test": labels[::-1]}))
    assert first == again != other
    for wrong, what in (({"x_tests": pixels}, "x_tests"), ({}, "empty"), ({"file": pixels}, "file")):
        with pytest.raises(nf_gpu.UsageError, match=what):
            nf_gpu.evaluate(base, data=wrong)
    with pytest.raises(nf_gpu.Error, match="there is no y_test"):
        nf_gpu.evaluate(base, data={"x_test": pixels}, progress=False)


def test_a_run_stands_for_its_generator(trained, tmp_path):
    run, _, _, base = trained
    by_run = nf_gpu.evaluate(base, generator=run, images=10, progress=False)
    by_file = nf_gpu.evaluate(base, generator=[run.folder / "generator.safetensors"], images=10, progress=False)
    assert by_run.json["perturbed"] == by_file.json["perturbed"]
    assert nf_gpu.energy(min_accuracy=0, evaluations=nf_gpu.evaluate(base, ber=0.01, images=10, progress=False))["chosen"]
    assert nf_gpu.Run(run).folder == run.folder
    assert nf_gpu.Generator.load(run).sha256 == nf_gpu.Generator.load(run.folder).sha256 == run.generator.sha256
    assert nf_gpu.energy("vgg11", generator=run)["savings"]
    on = nf_gpu.train(base, init=run, out=tmp_path / "on", steps=1, batch_size=2, images=2, chip=1, ber=0.02, progress=False)
    assert on.generator.metadata["init_sha256"] == run.generator.sha256


def test_notes_go_to_logging_and_progress_to_stderr(base, short, tmp_path, caplog, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with caplog.at_level(logging.INFO, logger="nf_gpu"):
        nf_gpu.train(base, out=tmp_path / "run", **{**short, "progress": True})
    assert any("evaluating on the first 10" in record.message for record in caplog.records)
    told = capsys.readouterr()
    assert "step 2/2" in told.err and told.out == ""


def test_a_bar_counts_steps(base, short, tmp_path, monkeypatch):
    import types

    bars = []

    class Bar:
        def __init__(self, **_):
            self.n, self.total, self.seen, self.closed = 0, None, [], False
            bars.append(self)

        def reset(self, total):
            self.n, self.total = 0, total

        def update(self, more):
            self.n += more
            self.seen.append((self.n, self.total))

        def close(self):
            self.closed = True

        def write(self, *_, **__): ...
        def set_description(self, *_, **__): ...
        def set_postfix_str(self, *_, **__): ...

    monkeypatch.setitem(sys.modules, "tqdm.auto", types.SimpleNamespace(tqdm=Bar))
    nf_gpu.train(base, out=tmp_path / "run", **{**short, "progress": True})
    (bar,) = bars
    assert bar.seen[:2] == [(1, 2), (2, 2)] and bar.closed
    assert bar.seen[-1] == (bar.total, bar.total) and bar.total > 10
