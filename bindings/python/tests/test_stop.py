"""Ctrl-C, exceptions in listeners, threads, forks."""

import os
import signal
import subprocess
import sys
import threading
import time

import nf_gpu
import pytest

LONG = """
import nf_gpu
nf_gpu.train({base!r}, generator="UNetS", chip=1, steps=100000, batch_size=2, checkpoint_every=1, images=4,
             out={out!r}, progress=False)
"""
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals of Unix")


def until(there, process):
    for _ in range(1200):
        if there.exists():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    raise AssertionError(f"{there} did not come")


@POSIX
def test_ctrl_c_leaves_a_checkpoint_and_raises(base, tmp_path):
    out = tmp_path / "run"
    script = LONG.format(base=str(base), out=str(out))
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
    until(out / "state.json", process)
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=120)[1]
    assert told.rstrip().endswith("KeyboardInterrupt"), told
    assert not (out / "generator.safetensors").exists()
    # The run goes on from there.
    _, metadata = nf_gpu._nf_gpu.read_weights(out / "checkpoint.safetensors")
    run = nf_gpu.train(resume=out, steps=int(metadata["step"]) + 1, progress=False)
    assert run.result.json["generator"]["name"] == "UNetS"


@POSIX
def test_ctrl_c_ends_the_command_as_it_ends_the_binary(base, tmp_path):
    line = f"train --base {base} --generator UNetS --chip 1 --steps 100000 --batch-size 2 --checkpoint-every 1 --out run"
    process = subprocess.Popen([sys.executable, "-m", "nf_gpu", *line.split()], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    until(tmp_path / "run/state.json", process)
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=120)[1]
    assert process.returncode == 130 and told.endswith("error: interrupted\n"), told


def test_an_exception_of_a_listener_ends_the_run_after_a_checkpoint(base, short, tmp_path):
    class Enough(Exception):
        pass

    def listen(event):
        if event["event"] == "step":
            raise Enough

    out = tmp_path / "run"
    with pytest.raises(Enough):
        nf_gpu.train(base, out=out, on_event=listen, **{**short, "steps": 100000})
    assert (out / "checkpoint.safetensors").exists()
    # The next run knows nothing of it.
    assert nf_gpu.evaluate(base, ber=0, images=2, progress=False).json["version"] == 1


def test_another_thread_runs_meanwhile(base, short, tmp_path):
    counts, done = [0], threading.Event()

    def count():
        while not done.is_set():
            counts[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    during = []

    def listen(event):
        if event["event"] in ("started", "finished"):
            during.append(counts[0])

    thread.start()
    try:
        nf_gpu.train(base, out=tmp_path / "run", on_event=listen, **short)
    finally:
        done.set()
        thread.join()
    before, after = during
    assert after - before > 50, during


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only Unix forks")
def test_a_fork_with_an_open_device_is_refused(base):
    script = f"""
import os, nf_gpu
nf_gpu.evaluate({str(base)!r}, ber=0, images=2, progress=False)
if os.fork() == 0:
    try:
        nf_gpu.evaluate({str(base)!r}, ber=0, images=2, progress=False)
    except RuntimeError as error:
        os._exit(7 if "hint: " in str(error) and "spawn" in str(error) else 8)
    os._exit(9)
raise SystemExit(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", script]).returncode == 7
