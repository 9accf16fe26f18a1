"""PyTorch's outputs and gradients are ours: `Protect` beside `Generator`, and what `nf-gpu forward` computes."""

import copy
import json
from unittest import mock

import nf_gpu
import numpy
import pytest
from conftest import ROOT

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional

from nets import BASES  # noqa: E402
from nf_gpu.torch import Network, Protect, fake_quantize, load_state, save_weights  # noqa: E402

GENERATORS = ("ConvL", "ConvS", "DeConvL", "DeConvS", "UNetL", "UNetS", "UIP")
# Relative L2 errors that float32 may make (kernels-tests/networks/golden/README.md).
OUTPUT = 1e-5
GRADIENT = 2e-4


def randomise(module, seed):
    """Values that a trained network might have: nothing is 0 or 1, activations stay of order one."""
    random = torch.Generator().manual_seed(seed)

    def around(tensor, centre, spread):
        tensor.copy_(centre + spread * (2 * torch.rand(tensor.shape, generator=random) - 1))

    spreads = {"gamma": (1.0, 0.2), "beta": (0.0, 0.1), "running_mean": (0.0, 0.1), "running_var": (1.0, 0.3),
               "bias": (0.0, 0.1), "image": (0.0, 1.0)}  # fmt: skip
    with torch.no_grad():
        state = module.state_dict()
        for name, role in roles(module).items():
            if role == "weight":
                around(state[name], 0, (6 / state[name][0].numel()) ** 0.5)
                off_ties(state[name])
            else:
                around(state[name], *spreads[role])
    return module


def roles(module):
    """What each parameter and buffer is for."""
    if isinstance(module, Network):
        return {parameter["name"]: parameter["role"] for parameter in module.graph["parameters"]}
    of_norm = {"weight": "gamma", "bias": "beta", "running_mean": "running_mean", "running_var": "running_var"}
    found = {}
    for name in values(module):
        owner, _, kind = name.rpartition(".")
        norm = isinstance(module.get_submodule(owner), nn.BatchNorm2d)
        found[name] = of_norm[kind] if norm else kind
    return found


def off_ties(weight):
    """Moves weights that lie half-way between two steps, where another division rounds differently."""
    step = weight.abs().max() / 127
    fraction = weight / step - torch.floor(weight / step)
    weight += torch.where((fraction - 0.5).abs() < 1e-3, 0.01 * step, 0)


def random_images(n, random, chw=(3, 32, 32)):
    return torch.rand((n, *chw), generator=random) * 2 - 1


class Margins:
    """How near each image comes to a kink (ReLU, pool, clamp), in root mean squares of the tensor.

    Where two computations in float32 fall on different sides of a kink, gradients differ at once by
    1e-3 and more, whoever is nearer to the truth. Comparisons need images that stay away from kinks.
    """

    def __init__(self, n):
        self.margins = torch.full((n,), torch.inf)

    def note(self, distance, x):
        distance = distance.flatten(1).abs().min(1).values / x.square().mean().sqrt()
        self.margins = torch.minimum(self.margins, distance.detach())

    def relu(self, x, *_, **__):
        self.note(x, x)
        return x.clamp(min=0)

    def clamp(self, x, low, high):
        self.note(x - low, x)
        self.note(x - high, x)
        return x.clamp(low, high)

    def max_pool2d(self, x, size, *rest, **more):
        n, c, h, w = x.shape
        assert size in (2, [2, 2]), "the pools here halve"
        windows = x.view(n, c, h // 2, 2, w // 2, 2).transpose(3, 4).reshape(n, c, -1, 4)
        first, second = windows.topk(2).values.unbind(-1)
        # A window that is all zero behind a ReLU has no kink: no gradient passes.
        self.note(torch.where(first > 0, first - second, torch.inf), x)
        return first.view(n, c, h // 2, w // 2)

    @classmethod
    def of(cls, module, images):
        """Margins of images in a module, computed in float64."""
        module = copy.deepcopy(module)
        state = dict(module.named_parameters())
        for name, role in roles(module).items():
            if role == "weight":
                state[name].data = fake_quantize(state[name].data)
        for layer in module.modules():
            if hasattr(layer, "bits"):
                layer.bits = None
        margins = cls(len(images))
        with (
            torch.no_grad(),
            mock.patch.object(torch, "relu", margins.relu),
            mock.patch.object(functional, "relu", margins.relu),
            mock.patch.object(torch, "clamp", margins.clamp),
            mock.patch.object(functional, "max_pool2d", margins.max_pool2d),
        ):
            module.double()(images.double())
        return margins.margins


# float32 leaves the values of these networks right to some 1e-7 of their size.
MARGIN = 1e-6


def quiet_images(module, n, seed):
    """Random images that stay away from kinks; in training mode the batch as a whole does."""
    random, found = torch.Generator().manual_seed(seed), []
    for _ in range(200):
        images = random_images(n, random)
        quiet = Margins.of(module, images) > MARGIN
        if module.training:
            if quiet.all():
                return images
            continue
        found += images[quiet]
        if len(found) >= n:
            return torch.stack(found[:n])
    raise AssertionError("too many images come near a kink")


def values(module):
    state = module.state_dict().items()
    return {name: tensor for name, tensor in state if not name.endswith("num_batches_tracked")}


def near(kind, got, want):
    got, want = torch.as_tensor(numpy.asarray(got)), torch.as_tensor(want).detach()
    assert got.shape == want.shape
    error = ((got.double() - want.double()).norm() / want.double().norm()).item()
    assert error <= {"output": OUTPUT, "gradient": GRADIENT}[kind], (kind, error)  # false for NaN
    return error


@pytest.mark.parametrize("name", GENERATORS)
def test_protect_is_the_generator(name, tmp_path):
    """Forward and gradient, in PyTorch and on the adapter."""
    module = randomise(Protect(name), 2).eval()
    generator = nf_gpu.Generator.load(module.save(tmp_path / "g.safetensors"))
    x = quiet_images(module, 2, 3).requires_grad_()
    upstream = random_images(2, torch.Generator().manual_seed(4))
    y = module(x)
    (y * upstream).sum().backward()
    assert near("output", generator(x), y) <= OUTPUT
    if name != "UIP":  # clamped everywhere or nowhere: nothing passes through G
        bound = 1e-5
        assert near("gradient", generator.gradient(x, upstream), x.grad) <= bound
    again = Protect(generator)
    assert all(torch.equal(again.state_dict()[key], value) for key, value in values(module).items())
    assert torch.equal(again.eval()(x), y)


@pytest.mark.parametrize("name", GENERATORS)
def test_a_training_pass_is_ours(name, tmp_path, command):
    module = randomise(Protect(name), 2).train()
    module.save(tmp_path / "g.safetensors")
    x = quiet_images(module, 2, 3)
    upstream = random_images(2, torch.Generator().manual_seed(4))
    numpy.save(tmp_path / "x.npy", x.numpy())
    numpy.save(tmp_path / "u.npy", upstream.numpy())
    report = command(
        "forward", "--weights", "g.safetensors", "--input", "x.npy", "--mode", "train", "--output", "y.npy",
        "--upstream", "u.npy", "--grads", "d.safetensors", "--after", "after.safetensors", "--json",
    )  # fmt: skip
    y = module(x)
    loss = (y * upstream).sum()
    module.zero_grad()
    loss.backward()
    near("output", numpy.load(tmp_path / "y.npy"), y)
    assert json.loads(report.stdout)["loss"] == pytest.approx(loss.item(), abs=1e-3)
    gradients = nf_gpu._nf_gpu.read_weights(tmp_path / "d.safetensors")[0]
    after = nf_gpu._nf_gpu.read_weights(tmp_path / "after.safetensors")[0]
    biases = before_norms(module.graph)
    parameters = dict(module.named_parameters())
    assert sorted(gradients) == sorted(["grad.input", *(f"grad.{key}" for key in parameters)])
    for key, parameter in parameters.items():
        got = gradients[f"grad.{key}"]
        if key in biases:
            # It is zero in theory, as the norm takes the mean away; both programs have rounding noise.
            weight = parameters[biases[key]].grad.norm()
            assert numpy.linalg.norm(got) <= 1e-5 * weight.item(), key
        else:
            near("gradient", got, parameter.grad)
    for key, tensor in values(module).items():
        if "running" in key:
            near("output", after[f"after.{key}"], tensor)


def before_norms(graph):
    """The biases of layers that a batch norm follows, with the weights of their layers."""
    nodes = graph["nodes"]
    norms = [nodes[node["inputs"][0]] for node in nodes if node["op"] == "batch-norm"]
    return {node["bias"]: node["weight"] for node in norms if node.get("bias")}


@pytest.mark.parametrize(("index", "name"), list(enumerate(BASES)))
def test_a_base_is_ours(index, name, tmp_path, command):
    """From a module to a file and back bit for bit; logits, loss and gradient are PyTorch's, of both modules."""
    if name == "resnet44":
        pytest.skip("nf-gpu has no such network")
    classes, about = (43, {"input_mean": (0.485, 0.456, 0.406), "input_std": (0.229, 0.224, 0.225)}) if index % 2 else (10, {})
    module = randomise(BASES[name](classes), 6).eval()
    torch.save({"epoch": 7, "net": {f"module.{k}": v for k, v in module.state_dict().items()}}, tmp_path / "c.pt")
    base = nf_gpu.Base.from_torch(tmp_path / "c.pt", name, out=tmp_path / "w.safetensors", **about)
    assert (base.model, base.classes) == (name, classes)
    want = {key: value.numpy().tobytes() for key, value in values(module).items()}
    assert {key: value.tobytes() for key, value in base.state_dict().items()} == want
    ours = base.to_torch().eval()
    x = quiet_images(ours, 2, 7)
    labels = torch.tensor([3, classes - 1])
    numpy.save(tmp_path / "x.npy", x.numpy())
    numpy.save(tmp_path / "labels.npy", labels.to(torch.int32).numpy())
    command(
        "forward", "--weights", "w.safetensors", "--input", "x.npy", "--labels", "labels.npy", "--output", "y.npy",
        "--grads", "d.safetensors",
    )  # fmt: skip
    gradient = nf_gpu._nf_gpu.read_weights(tmp_path / "d.safetensors")[0]["grad.input"]

    def normalised(x):
        if not about:
            return x
        mean, std = (torch.tensor(about[key]).view(3, 1, 1) for key in ("input_mean", "input_std"))
        return ((x + 1) / 2 - mean) / std

    for network in (lambda x: module(normalised(x)), ours):
        leaf = x.clone().requires_grad_()
        logits = network(leaf)
        functional.cross_entropy(logits, labels).backward()
        near("output", numpy.load(tmp_path / "y.npy"), logits)
        near("gradient", gradient, leaf.grad)


def test_torchvision_s_network_is_what_import_makes_of_it(tmp_path, command):
    models = pytest.importorskip("torchvision").models
    module = models.resnet18()
    base = nf_gpu.Base.from_torch(module, "resnet18-224", out=tmp_path / "a.safetensors")
    torch.save(module.state_dict(), tmp_path / "r.pt")
    save_weights(tmp_path / "theirs.safetensors", module.state_dict())
    command("import", "theirs.safetensors", "--model", "resnet18-224", "--out", "b.safetensors")
    theirs = nf_gpu.Base.load(tmp_path / "b.safetensors").state_dict()
    ours = base.state_dict()
    assert list(ours) == list(theirs)
    assert all(ours[key].tobytes() == theirs[key].tobytes() for key in ours)
    assert len(ours) == len(values(module))


def test_names_of_layers_are_the_user_s(tmp_path):
    """Also those that a module of PyTorch has for itself."""
    pytest.importorskip("onnxscript")

    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.name, self.graph_, self.bits = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Linear(256, 3)

        def forward(self, x):
            return self.bits(torch.relu(self.graph_(self.name(x))).flatten(1))

    module = Odd().train()
    module.graph_.eval()
    base = nf_gpu.Base.from_torch(module, input_shape=(1, 8, 8))
    # A module comes back as it was, part by part.
    assert (module.training, module.name.training, module.graph_.training) == (True, True, False)
    x = torch.rand(2, 1, 8, 8) * 2 - 1
    near("output", base.to_torch(bits=None).eval()(x).detach(), module.eval()(x))
    with pytest.raises(nf_gpu.Error, match="PyTorch cannot export.*input2") as raised:
        nf_gpu.Base.from_torch(nn.Bilinear(2, 2, 2), input_shape=(1, 8, 8))
    assert raised.value.hint and "\x1b" not in str(raised.value)


def test_a_module_has_every_name_that_a_file_may_have():
    nodes = [{"op": "input", "chw": [1, 2, 2], "inputs": []}]
    names = ["a", "a.b", "training.weight", "a.training", "bits.weight", "forward.weight", "a..b", "a._.b", "type.weight", "float", "state_dict.weight"]
    for index, name in enumerate(names):
        nodes.append({"op": "learned-image", "chw": [1, 2, 2], "inputs": [0], "image": name})
        nodes.append({"op": "add", "chw": [1, 2, 2], "inputs": [2 * index, 2 * index + 1]})
    graph = {"name": "odd", "nodes": nodes, "parameters": [{"name": n, "role": "image", "shape": [1, 1, 2, 2]} for n in names]}
    weights = {name: numpy.full((1, 1, 2, 2), 2.0**at, numpy.float32) for at, name in enumerate(names)}
    network = copy.deepcopy(Network(graph, weights)).eval().train().to(torch.float64).float()
    network.bits = 4
    assert (network.training, network.bits, {*network.state_dict()}) == (True, 4, {*names})
    assert network(torch.zeros(1, 1, 2, 2)).unique().tolist() == [2.0 ** len(names) - 1]


def test_a_saved_module_says_what_it_is_for(tmp_path):
    """Images and faults, which an evaluation takes from the file."""
    shipped = nf_gpu.Generator.load(ROOT / "models/unets-vgg11-cifar10.safetensors")
    saved = nf_gpu.Generator.load(Protect(shipped).save(tmp_path / "a.safetensors", epoch=3))
    assert saved.trained_for == shipped.trained_for
    told = nf_gpu._nf_gpu.read_weights(tmp_path / "a.safetensors")[1]
    assert told["epoch"] == "3" and told["base"] == "vgg11" and not {"command", "results", "seed"} & set(told)
    with pytest.raises(nf_gpu.UsageError, match="image_shape: tuple is no text"):
        Protect(shipped).save(tmp_path / "b.safetensors", image_shape=(3, 28, 28))
    for chw in ((3, 28, 28), (1, 1, 1)):
        small = Protect("UNetS", image=chw).eval()
        file = small.save(tmp_path / "b.safetensors")
        assert nf_gpu.Generator.load(file).input == chw
        x = random_images(4, torch.Generator(), chw)
        assert Protect(file).eval()(x).shape == x.shape
        near("output", nf_gpu.Generator.load(file)(x), small(x))
    for bits in (1, 9, True, 8.0, "8"):
        for wrong in (lambda: Protect("UNetS", bits=bits), lambda: fake_quantize(torch.ones(2), bits)):
            with pytest.raises(nf_gpu.UsageError, match="bits"):
                wrong()


def test_any_module_is_a_base(tmp_path):
    """Through ONNX: a network that has no name here, evaluated on arrays, and back as a module."""
    pytest.importorskip("onnxscript")
    torch.manual_seed(3)
    module = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.SiLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, stride=2),
        nn.ReLU(), nn.Flatten(), nn.Linear(144, 4),
    ).train()  # fmt: skip
    base = nf_gpu.Base.from_torch(module, input_shape=(1, 14, 14))
    assert module.training and (base.classes, base.input) == (4, (1, 14, 14))
    assert base.path.exists() and len(base.layers) == 3
    x = torch.rand(5, 1, 14, 14) * 2 - 1
    near("output", base.to_torch(bits=None).eval()(x).detach(), module.eval()(x))
    pixels = ((x + 1) * 127.5).round().to(torch.uint8)
    data = {"x_test": pixels, "y_test": numpy.arange(5) % 4}
    result = nf_gpu.evaluate(base, data=data, ber=0.01, seeds=[1, 2], progress=False)
    assert result.json["dataset"]["images"] == 5
    with pytest.raises(nf_gpu.UsageError, match="input_shape"):
        nf_gpu.Base.from_torch(module)


@pytest.mark.parametrize("file", sorted((ROOT / "kernels-tests/fixtures/onnx").glob("*.onnx")), ids=lambda file: file.stem)
def test_onnx_files_are_modules(file, tmp_path, command):
    """Every operation that a file can have: the module computes what `nf-gpu forward` does."""
    try:
        base = nf_gpu.Base.load(file)
    except nf_gpu.Error as error:
        pytest.skip(f"the library takes no such base: {error.what}")
    x = random_images(2, torch.Generator().manual_seed(1), base.input)
    numpy.save(tmp_path / "x.npy", x.numpy())
    command("forward", "--weights", file, "--input", "x.npy", "--output", "y.npy")
    near("output", numpy.load(tmp_path / "y.npy"), base.to_torch(bits=None).eval()(x))


def test_exporters_follow_a_generator(tmp_path):
    """torch.export and torch.compile take no branch on a value; the ONNX exporter is built on the former."""
    for name in GENERATORS:
        module, x = randomise(Protect(name), 11).eval(), random_images(2, torch.Generator())
        with torch.no_grad():
            want = module(x)
            near("output", torch.export.export(module, (x,)).module()(x), want)
            near("output", torch.compile(module, backend="eager", fullgraph=True)(x), want)
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    for name in ("UNetS", "ConvS"):
        module = randomise(Protect(name), 11).eval()
        torch.onnx.export(module, (x,), tmp_path / "g.onnx", verbose=False)
        session = onnxruntime.InferenceSession(tmp_path / "g.onnx")
        near("output", session.run(None, {session.get_inputs()[0].name: x.numpy()})[0], module(x).detach())


def test_a_module_trains_and_comes_back(tmp_path):
    """What PyTorch has tuned is a generator again."""
    protect = Protect(ROOT / "models/unets-vgg11-cifar10.safetensors").train()
    optimiser = torch.optim.SGD(protect.parameters(), 0.01)
    x = random_images(4, torch.Generator().manual_seed(1))
    protect(x).square().mean().backward()
    optimiser.step()
    generator = nf_gpu.Generator.load(protect.save(tmp_path / "tuned.safetensors"))
    near("output", generator(x), protect.eval()(x))


def test_quantisation():
    weight = torch.tensor([1.27, -0.005, 0.015, 0.0249, -1.27], requires_grad=True)
    read_back = fake_quantize(weight)
    assert torch.equal(read_back.sign(), torch.tensor([1.0, 0, 1, 1, -1]))
    (read_back * torch.arange(5.0)).sum().backward()
    assert torch.equal(weight.grad, torch.arange(5.0))
    assert torch.equal(fake_quantize(torch.zeros(3)), torch.zeros(3))
    assert len(fake_quantize(torch.linspace(-1, 1, 99), 2).unique()) == 3
    with pytest.raises(ValueError, match="not its weights"):
        load_state(Protect("UNetS"), {"x": weight})
