"""Checkpoints of other people: the weights are found wherever they lie, and what is none is refused."""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

import nf_gpu
import numpy
import pytest

torch = pytest.importorskip("torch")
nn = torch.nn

from nets import BASES  # noqa: E402
from nf_gpu._checkpoints import weights_of  # noqa: E402
from nf_gpu.torch import convert  # noqa: E402


def values(module):
    state = module.state_dict().items()
    return {name: tensor for name, tensor in state if not name.endswith("num_batches_tracked")}


class Checkpoints(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def same_bits(self, got, want):
        # The library takes wrappers out of names.
        bare = {re.sub(r"^(module\.|_orig_mod\.)+", "", name): tensor for name, tensor in got.items()}
        got = {name: tensor for name, tensor in bare.items() if not name.endswith("num_batches_tracked")}
        self.assertEqual(sorted(got), sorted(want))
        for name, tensor in want.items():
            self.assertEqual(numpy.asarray(got[name]).tobytes(), tensor.numpy().tobytes(), name)

    def take(self, checkpoint, succeeds=True, **how):
        """The weights that are found in a checkpoint, and what is said of it; or the refusal."""
        torch.save(checkpoint, self.path("c.pt"))
        try:
            state, lines = weights_of(self.path("c.pt"), **how)
        except ValueError as error:
            self.assertFalse(succeeds, error)
            return str(error)
        self.assertTrue(succeeds, "it is taken")
        return state, "\n".join(lines)

    def test_what_is_no_state_dict_is_refused(self):
        self.assertIn("no state dict in it, only weights (list)", self.take({"weights": [torch.zeros(2)]}, succeeds=False))
        self.assertIn("save its state", self.take(nn.Linear(2, 2), succeeds=False))
        torch.save({"weights": [torch.zeros(2)]}, self.path("a.pt"))
        with self.assertRaisesRegex(nf_gpu.Error, "no state dict in it"):
            convert(self.path("a.pt"), self.path("a.safetensors"), "vgg-small")
        self.assertFalse(os.path.exists(self.path("a.safetensors")))

    def test_an_output_replaces_no_input(self):
        torch.save(BASES["vgg-small"](10).state_dict(), self.path("c.pt"))
        os.link(self.path("c.pt"), self.path("hard.safetensors"))
        os.symlink("c.pt", self.path("soft.safetensors"))
        bits = pathlib.Path(self.path("c.pt")).read_bytes()
        for name in ("c.pt", "./c.pt", "hard.safetensors", "soft.safetensors"):
            with self.assertRaisesRegex(nf_gpu.UsageError, "is the checkpoint itself"):
                convert(self.path("c.pt"), self.path(name), "vgg-small")
        self.assertEqual(pathlib.Path(self.path("c.pt")).read_bytes(), bits)

    def test_the_command_line(self):
        module = BASES["vgg-small"](10)
        state = {f"module._orig_mod.{name}": value for name, value in module.state_dict().items()}
        torch.save({"state_dict": state, "epoch": 3}, self.path("c.pt"))
        numbers = ["--input-mean", "0.5,0.25,0.125", "--input-std", "0.5,0.5,0.5"]
        line = [sys.executable, "-m", "nf_gpu.torch", "c.pt", "c.safetensors", "--model", "vgg-small", *numbers]
        done = subprocess.run([*line, "--dataset", "cifar10"], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("epoch (int)", done.stderr)
        self.assertIn("vgg-small", done.stdout)
        base = nf_gpu.Base.load(self.path("c.safetensors"))
        self.same_bits(base.state_dict(), values(module))
        self.assertEqual(base.dataset, "cifar10")
        done = subprocess.run([*line, "--prefix", "student"], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("nothing in it begins with student", done.stderr)

    def test_import_says_everything_that_is_wrong(self):
        state = values(BASES["resnet20"](10))
        state["linear.weight"] = state["linear.weight"][:, :60]
        state["fc.weight"] = state["linear.bias"]
        del state["linear.bias"]
        with self.assertRaises(nf_gpu.Error) as raised:
            nf_gpu.Base.from_torch(state, "resnet20")
        for says in ("1 missing: linear.bias [10]", "linear.weight [10, 60]", "not known: fc.weight [10]"):
            self.assertIn(says, str(raised.exception))
        renamed = {name.replace("linear.", "head2."): tensor for name, tensor in values(BASES["resnet20"](10)).items()}
        self.assertEqual(nf_gpu.Base.from_torch(renamed, "resnet20", rename="head2=linear").classes, 10)

    def test_files_of_tensors_are_taken_as_they_are(self):
        module = BASES["vgg-small"](10)
        half = {f"model.{name}": tensor.half().float().numpy() for name, tensor in values(module).items()}
        nf_gpu._nf_gpu.write_weights(self.path("theirs.safetensors"), half, {})
        document = convert(self.path("theirs.safetensors"), self.path("w.safetensors"), "vgg-small", say=lambda _: None)
        self.assertEqual(document["dropped_prefix"], "model.")
        want = {name: tensor.half().float() for name, tensor in values(module).items()}
        self.same_bits(nf_gpu.Base.load(self.path("w.safetensors")).state_dict(), want)

    def test_state_dicts_are_found_wherever_they_lie(self):
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        state = net.state_dict()
        other = {name: tensor + 1 for name, tensor in state.items()}
        named = lambda prefix: {f"{prefix}{name}": tensor for name, tensor in state.items()}  # noqa: E731
        optimiser = torch.optim.Adam(net.parameters())
        net(torch.rand(1, 3, 4, 4)).sum().backward()
        optimiser.step()
        state = net.state_dict()
        beside = {
            "acc": numpy.float64(95.1),
            "history": {"loss": torch.rand(9), "at": numpy.arange(5)},
            "args": argparse.Namespace(lr=numpy.float32(0.1)),
            "optimizer": optimiser.state_dict(),
            "rng": torch.get_rng_state(),
            "epoch": 9,
        }
        keys = "state_dict model net model_state_dict model_state module ema params weights network"
        for what, checkpoint in [
            *((key, {**beside, key: state}) for key in keys.split()),
            ("deep", {"a": {"model": {"state_dict": state}}}),
            ("pair", (state, optimiser.state_dict())),
            ("wrapped", {"state_dict": named("module._orig_mod.")}),
            ("averages beside", {"model": state, "model_ema": other, "n": 3}),
            ("the same twice", {"model": state, "state_dict": dict(state)}),
            ("moments by name", {"net": state, "optimizer": {"exp_avg": other, "exp_avg_sq": other}}),
            ("moments as a list", {"net": state, "optim_state": [other, other], "epoch": 3}),
            ("gradients", {"grads": other, "model": state, "grad_ema": other}),
            ("SWAG", {"net": state, "swag": {"mean": other, "sq_mean": other}}),
            ("a layer without a name", {"net": {"weight": state["0.weight"]}, "grads": {"weight": state["0.weight"] + 1}}),
            ("a layer called so", {"grad_conv": {n: other[f"0.{n}"] for n in ("weight", "bias")},
                                   "1": {"weight": state["1.weight"]}, "2": {"weight": state["1.weight"]}}),
            ("SWA", torch.optim.swa_utils.AveragedModel(net).state_dict()),
            ("a dictionary a layer", {"0": {"weight": state["0.weight"], "bias": state["0.bias"]},
                                      "1": {n[2:]: t for n, t in state.items() if n[0] == "1"}}),
        ]:  # fmt: skip
            with self.subTest(what):
                taken, lines = self.take(checkpoint)
                if what.startswith("a layer"):
                    self.assertEqual(len(taken), 4 if "called" in what else 1)
                    continue
                self.same_bits(taken, values(net))
                if "acc" in checkpoint:
                    self.assertIn("acc (float64)", lines)
        for checkpoint, prefix in [({"net": state, "swag": {"mean": other}}, "swag.mean"),
                                   ({"net": state, "grads": other}, "grads")]:  # fmt: skip
            taken, _ = self.take(checkpoint, prefix=prefix)
            self.assertTrue(torch.equal(taken["0.weight"], other["0.weight"]))
        both = {"student": state, "teacher": other, "epoch": 3}
        for says in ("student (7 tensors", "teacher (7 tensors", "--prefix"):
            self.assertIn(says, self.take(both, succeeds=False))
        self.same_bits(self.take(both, prefix="student")[0], values(net))
        self.same_bits(self.take(both, drop=["teacher.*"])[0], values(net))
        self.assertIn("epoch (int)", self.take(both, succeeds=False, prefix="studnt"))
        flat = {**named("a."), **{f"b.{name}": tensor for name, tensor in other.items()}}
        self.same_bits(self.take({"net": flat}, prefix="a")[0], values(net))
        self.assertIn("no name fits", self.take(state, succeeds=False, drop=["fc*"]))

    def test_pickles_of_ones_own(self):
        net = nn.Sequential(nn.Conv2d(3, 4, 3))
        self.assertIn("--trusted", self.take({"net": net}, succeeds=False))
        self.same_bits(self.take({"net": nn.DataParallel(net)}, trusted=True)[0], values(net))
        # Objects of classes that are not installed where the file is read.
        library = types.ModuleType("nobodys_library")
        library.Net = type("Net", (nn.Sequential,), {"__module__": library.__name__})
        library.Config = type("Config", (), {"__module__": library.__name__})
        with mock.patch.dict(sys.modules, {library.__name__: library}):
            for name, checkpoint in [
                ("config.pt", {"net": net.state_dict(), "config": library.Config()}),
                ("whole.pt", library.Net(*net)),
            ]:
                torch.save(checkpoint, self.path(name))
        for name in ("config.pt", "whole.pt"):
            with self.assertRaisesRegex(ValueError, "nobodys_library"):
                weights_of(self.path(name))
            self.same_bits(weights_of(self.path(name), trusted=True)[0], values(net))

    def test_quantised_checkpoints_are_called_so(self):
        words = torch.quantize_per_tensor(torch.rand(2, 3), 0.1, 0, torch.qint8)
        for state in (
            {"fc.weight": words, "fc.scale": torch.tensor(1.0)},
            {"net": {"fc._packed_params._packed_params": (words, None), "conv.weight": torch.rand(1, 1)}},
            {"fc.weight": torch.zeros(3, 3, dtype=torch.int8), "fc.SCB": torch.rand(3)},
            {"fc.qweight": torch.zeros(3, 3, dtype=torch.int32), "fc.scales": torch.rand(3)},
            {"net": {"fc.weight": torch.zeros(3, 3, dtype=torch.int8)}, "optimizer": {"m": {"fc.weight": torch.rand(3, 3)}}},
            {"net": {"fc.weight": torch.zeros(1, 1, dtype=torch.int16), "fc.bias": torch.zeros(3, dtype=torch.int16)}},
            *({"conv.weight": torch.ones(2, 3, 1, 1, dtype=kind), "bn.bias": torch.rand(2)}
              for kind in (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64)),
        ):  # fmt: skip
            for says in ("quantised", "takes floats", "before torch.ao's convert()"):
                self.assertIn(says, self.take(state, succeeds=False))
        # Quantisation-aware training keeps the floats.
        floats = {"fc.weight": torch.rand(2, 3), "fc.bias": torch.rand(2)}
        places = {"place.index": torch.zeros(2, 2, dtype=torch.int64)}
        self.assertIn("--drop place.index", self.take({**floats, **places}, succeeds=False))
        self.same_bits(self.take({**floats, **places}, drop=["place.index"])[0], floats)
        confusion = {"confusion": torch.ones(3, 3, dtype=torch.int64), "net": floats}
        self.same_bits(self.take(confusion)[0], floats)
        watched = {"fc.weight_fake_quant.zero_point": torch.zeros(2, dtype=torch.int32), "n": torch.tensor(3)}
        self.same_bits(self.take({**floats, **watched})[0], floats)
