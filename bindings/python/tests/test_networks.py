"""Bases, generators, faults, and what needs no device."""

import copy
import importlib.util
import json
import pickle

import nf_gpu
import numpy as np
import pytest
from conftest import ROOT

UNETS = ROOT / "models/unets-vgg11-cifar10.safetensors"


def test_a_base_says_what_it_is(base):
    net = nf_gpu.Base.load(base)
    assert (net.model, net.classes, net.input, net.precision) == ("vgg-small", 10, (3, 32, 32), 8)
    assert net.dataset == "fashion-sample" and net.layers[0] == "features.0.conv.weight"
    state = net.state_dict()
    assert state["features.0.conv.weight"].shape == (32, 3, 3, 3)
    assert sum(t.size for n, t in state.items() if "running" not in n) == net.parameters
    with pytest.raises(nf_gpu.Error, match="vgg"):
        nf_gpu.Base.load(base, model="vgg11")
    with pytest.raises(TypeError, match="known are"):
        nf_gpu.Base.load(base, classes=10)


def test_a_base_serves_as_its_path_and_brings_its_hints(base):
    by_path = nf_gpu.evaluate(str(base), ber=0, images=20, progress=False)
    by_base = nf_gpu.evaluate(nf_gpu.Base.load(base), ber=0, images=20, progress=False)
    assert by_base.json == by_path.json
    shifted = nf_gpu.Base.load(base, input_mean=(0.3, 0.3, 0.3), input_std=(0.2, 0.2, 0.2))
    assert nf_gpu.evaluate(shifted, ber=0, images=20, progress=False).json["given"]["flags"]["--input-mean"] == "0.3,0.3,0.3"


def test_an_onnx_file_is_a_base():
    file = ROOT / "kernels-tests/fixtures/onnx/fashion.onnx"
    net = nf_gpu.Base.from_onnx(file)
    assert net.layers and net.path == file
    with pytest.raises(nf_gpu.UsageError, match="does not end in .onnx"):
        nf_gpu.Base.from_onnx(UNETS)


def test_images_come_from_anywhere():
    protect = nf_gpu.Generator.load(UNETS)
    images = np.random.default_rng(1).uniform(-1, 1, (2, 3, 32, 32)).astype(np.float32)
    fused = protect(images)
    assert fused.shape == images.shape and fused.dtype == np.float32 and np.abs(fused).max() <= 1
    assert not np.array_equal(fused, images)

    class Speaks:
        """Knows only DLPack."""

        def __dlpack__(self, **flags):
            return images.__dlpack__(**flags)

        def __dlpack_device__(self):
            return images.__dlpack_device__()

    class Has:
        """Knows only `__array__`."""

        def __array__(self, dtype=None, copy=None):
            return images

    turned = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)  # lies otherwise
    for other in (Speaks(), Has(), turned):
        assert np.array_equal(protect(other), fused)
    # Images of another size than those of the training.
    assert protect(np.zeros((1, 3, 40, 24))).shape == (1, 3, 40, 24)
    with pytest.raises(nf_gpu.UsageError, match=r"\[N, 3, H, W\].*\n.*one image is \[1, C, H, W\]"):
        protect(images[0])
    with pytest.raises(nf_gpu.Error):
        protect(images[:, :2])


def test_images_that_are_nearly_right_are_told_from_right_ones(monkeypatch):
    protect = nf_gpu.Generator.load(UNETS)
    images = np.random.default_rng(1).uniform(-1, 1, (3, 3, 32, 32)).astype(np.float32)
    for wrong, hint in (
        (images.transpose(0, 2, 3, 1), "channels come second"),
        (images[0], "one image is"),
        (images[:0], "N from 1 up"),
        (np.where(images > 0.99, np.nan, images), "give values in"),
        (images + 0j, "real"),
        (np.ma.masked_where(images > 0, images), "filled"),
    ):
        with pytest.raises(nf_gpu.UsageError, match=hint):
            protect(wrong)
    with pytest.raises(nf_gpu.UsageError, match="upstream"):
        protect.gradient(images, images.transpose(0, 2, 3, 1))
    with pytest.warns(UserWarning, match="127.5"):
        protect(images * 1.5)
    # Many images pass in parts.
    whole = protect(images)
    monkeypatch.setattr(nf_gpu._networks, "_AT_ONCE", 2)
    assert np.allclose(protect(images), whole, atol=1e-6)
    assert np.allclose(protect.gradient(images, images)[2:], protect.gradient(images[2:], images[2:]), atol=1e-6)


def test_a_generator_can_be_copied():
    protect = nf_gpu.Generator.load(UNETS, backend="vulkan")
    for again in (copy.deepcopy(protect), pickle.loads(pickle.dumps(protect))):
        assert (again.sha256, again._adapter) == (protect.sha256, protect._adapter)


def test_tensors_say_what_they_mean():
    torch = pytest.importorskip("torch")
    protect = nf_gpu.Generator.load(UNETS)
    part = torch.complex(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)).conj().imag
    assert part.is_neg() and np.array_equal(protect(part), protect(part.resolve_neg()))
    half = part.to(torch.bfloat16)
    assert np.array_equal(protect(half), protect(half.float()))
    assert np.array_equal(protect(part.resolve_neg().to_sparse()), protect(part))


def test_a_generator_has_gradients():
    protect = nf_gpu.Generator.load(UNETS)
    rng = np.random.default_rng(2)
    images = rng.uniform(-0.5, 0.5, (1, 3, 32, 32)).astype(np.float32)
    upstream = rng.normal(size=images.shape).astype(np.float32)
    gradient = protect.gradient(images, upstream)
    direction = rng.normal(size=images.shape).astype(np.float32)
    step = 1e-3
    ends = [(protect(images + s * direction).astype(np.float64) * upstream).sum() for s in (step, -step)]
    assert (ends[0] - ends[1]) / (2 * step) == pytest.approx((gradient * direction).sum(), rel=0.05)
    with pytest.raises(nf_gpu.Error, match="upstream"):
        protect.gradient(images, upstream[..., :16])


def test_a_generator_says_what_it_is():
    protect = nf_gpu.Generator.load(UNETS)
    assert protect.model == "UNetS" and protect.input == (3, 32, 32) and protect.path == UNETS
    assert protect.trained_for and protect.state_dict()["inc.double_conv.0.weight"].shape == (8, 3, 3, 3)
    with pytest.raises(nf_gpu.Error, match="which|matches|adapter"):
        nf_gpu.Generator.load(UNETS, adapter="no such adapter")(np.zeros((1, 3, 32, 32)))


def test_faults_are_those_of_the_format():
    spec = importlib.util.spec_from_file_location("fault_format", ROOT / "docs/fault-format.py")
    form = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(form)
    mask = nf_gpu.fault_mask(0x0123_4567_89AB_CDEF, 3, 40, 0.03)
    threshold = int(0.03 * 2**32)
    cells = [form.cells(0x0123_4567_89AB_CDEF, 3, word, threshold) for word in range(40)]
    assert (mask.to_1 | mask.to_0).tolist() == cells and any(cells)
    ones = [form.polarity(0x0123_4567_89AB_CDEF, 3, word) for word in range(40)]
    assert mask.to_1.tolist() == [c & p for c, p in zip(cells, ones)]
    stored = np.arange(40, dtype=np.uint32) * 0x1234567
    flipped = nf_gpu.fault_mask(0x0123_4567_89AB_CDEF, 3, 40, 0.03, faults="flip")
    assert flipped.flips(stored).tolist() == cells
    more = nf_gpu.fault_mask(0x0123_4567_89AB_CDEF, 3, 40, 0.06)
    assert not (mask.to_1 & ~more.to_1).any()
    with pytest.raises(nf_gpu.UsageError, match="--ber"):
        nf_gpu.fault_mask(1, 0, 4, 1.0)


def quantised(weight):
    scale = np.abs(weight).max() / np.float32(127)
    return np.round(weight / scale) * scale


def test_inject_writes_what_the_command_writes(base, command, tmp_path):
    record = nf_gpu.inject(base, out=tmp_path / "a.safetensors", ber=0.01, seed=7)
    told = command("inject", "--base", base, "--out", "b.safetensors", "--ber", "0.01", "--seed", "7", "--json")
    assert record == json.loads(told.stdout)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    # The same cells as the masks.
    faulty = nf_gpu._nf_gpu.read_weights(tmp_path / "a.safetensors")[0]
    clean = nf_gpu.Base.load(base).state_dict()
    name = "features.0.conv.weight"
    words = faulty[name] != quantised(clean[name])
    mask = nf_gpu.fault_mask(7, 0, words.size // 4, 0.01)
    hit = ((mask.to_1 | mask.to_0)[:, None] >> (8 * np.arange(4)) & 255).ravel() > 0
    assert not words.ravel()[~hit].any() and words.any()


def test_energy_is_the_document_of_the_command(command):
    found = nf_gpu.energy("resnet18", generator=["ConvL", "UNetS"], ber=0.01)
    told = command("energy", "--base", "resnet18", "--generator", "ConvL,UNetS", "--ber", "0.01", "--json")
    assert found == json.loads(told.stdout)


def test_a_folder_called_like_a_generator_is_none(monkeypatch, tmp_path):
    (tmp_path / "UNetS").mkdir()
    monkeypatch.chdir(tmp_path)
    assert nf_gpu.energy("vgg11", generator="UNetS") == nf_gpu.energy("vgg11", generator=["UNetS"])
    assert len(nf_gpu.energy("vgg11", generator="UNetS")["savings"]) == 2


def test_devices_are_those_of_the_command(command):
    told = json.loads(command("devices", "--json").stdout)
    ours = nf_gpu.devices()
    assert [device["name"] for device in ours] == [device["name"] for device in told["adapters"]]
    assert [device["index"] for device in ours if device["used"]] == [told["used"]]
