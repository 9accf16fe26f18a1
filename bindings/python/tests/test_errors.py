"""Errors are those of the command line, with their hints."""

import inspect
import os
import pickle

import nf_gpu
import pytest


def test_an_error_carries_the_hint(base, tmp_path):
    with pytest.raises(nf_gpu.UsageError) as raised:
        nf_gpu.train(base, ber=1.5, out=tmp_path / "run")
    error = raised.value
    assert error.exit_code == 2 and error.hint and str(error) == f"{error.what}\n  hint: {error.hint}"
    assert isinstance(error, ValueError)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.hint) == (type(error), str(error), error.hint)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flags", "what", "hint"),
    [
        ({"bers": 0.01}, "--bers: unexpected argument '--bers' found", "'--ber'"),
        ({"ber": "one"}, "--ber: invalid value 'one'", "nf-gpu eval --help"),
        ({"seeds": "9..7"}, "--seeds", ""),
        ({"faults": "stuck"}, "unknown fault model", "stuck-at"),
        ({"per_class": 3}, "--per-class", "switch"),
        ({"seeds": range(1, 9, 2)}, "--seeds", "without steps"),
        ({"chip": 1, "seeds": 3}, "--seeds", "leave out one of the two"),
    ],
)
def test_what_the_command_refuses_is_refused(base, flags, what, hint):
    with pytest.raises(nf_gpu.UsageError) as raised:
        nf_gpu.evaluate(base, progress=False, images=2, **flags)
    assert raised.value.what.startswith(what), raised.value.what
    assert hint in str(raised.value.hint)


def test_the_command_says_the_same(base, command):
    told = command("eval", "--base", base, "--faults", "stuck", check=False)
    with pytest.raises(nf_gpu.UsageError) as raised:
        nf_gpu.evaluate(base, faults="stuck")
    assert told.returncode == 2
    assert raised.value.hint and raised.value.hint.split(";")[0] in told.stderr.replace("\n", " ")


def test_a_missing_file_is_python_s_own_error():
    with pytest.raises(FileNotFoundError) as raised:
        nf_gpu.Base.load("nothing.safetensors")
    assert isinstance(raised.value, nf_gpu.Error) and raised.value.exit_code == 1
    assert "nothing.safetensors" in str(raised.value) and "hint: " in str(raised.value)
    assert raised.value.errno == 2


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_paths_that_documents_cannot_name_are_refused(base, tmp_path):
    odd = os.path.join(tmp_path, os.fsdecode(b"r\xff"))
    for call in (lambda: nf_gpu.train(base, out=odd), lambda: nf_gpu.report("runs/x", out=odd), lambda: nf_gpu.evaluate(odd)):
        with pytest.raises(nf_gpu.UsageError, match="is not Unicode"):
            call()


def test_a_dry_run_is_no_run(base):
    for wrong in ("dry_run", "json", "help"):
        with pytest.raises(nf_gpu.UsageError, match="no argument of a function"):
            nf_gpu.train(base, **{wrong: True})
    for wrong in ("ber=0.5", "batch-size", ""):
        with pytest.raises(nf_gpu.UsageError, match="no name of an argument\n.*batch_size"):
            nf_gpu.train(base, **{wrong: True})
    assert "dry_run" not in inspect.signature(nf_gpu.train).parameters
