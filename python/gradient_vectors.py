"""Gradients of single operations, as PyTorch's autograd has them: kernels-tests/kernels/torch.safetensors.

    python python/gradient_vectors.py [FILE]       needs torch and safetensors; makes the same numbers

Every operation stands in the middle of a graph: what follows it is a sine
with factors, so that no upstream gradient is 1. Inputs are float32; PyTorch computes in float64, and
the results are rounded once. Names of tensors are CASE.x, .w, .b, .y, .dy, .dx, .dw, .db; numbers of
a case stand in the metadata, separated by spaces.
"""

import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

tensors, metadata = {}, {"torch": torch.__version__, "licence": "Apache-2.0 OR MIT"}
generator = torch.Generator().manual_seed(2306)


def draw(*shape, scale=1.0, shift=0.0):
    """float32 numbers, held as float64."""
    drawn = torch.randn(*shape, generator=generator) * scale + shift
    return drawn.double().requires_grad_()


def keep(name, **values):
    for key, value in values.items():
        tensors[f"{name}.{key}"] = value.detach().float().contiguous()


def run(name, op, x, *parameters, **extra):
    """Runs y = op(x, *parameters) mid-graph; keeps operands, result and gradients."""
    middle = x * 1.0
    middle.retain_grad()
    y = op(middle, *parameters)
    y.retain_grad()
    factors = draw(*y.shape, scale=2.0)
    (factors * torch.sin(1.5 * y)).sum().backward()
    # Kernels get the stored float32 numbers, so they are rounded before they are used here.
    dy = y.grad.float().double()
    leaves = [middle, *parameters]
    gradients = torch.autograd.grad(op(*leaves), leaves, dy)
    keys = ["x", "w", "b"][: len(leaves)]
    keep(name, y=y, dy=dy, **dict(zip(keys, leaves)), **extra)
    keep(name, **{f"d{key}": gradient for key, gradient in zip(keys, gradients)})


# n c h w k r s stride padding
CONV = [
    (2, 3, 7, 5, 5, 3, 3, 1, 1),
    (1, 5, 9, 8, 43, 3, 3, 2, 1),
    (2, 43, 5, 7, 3, 1, 1, 1, 0),
    (1, 3, 11, 6, 5, 5, 3, 2, 2),
    (2, 5, 6, 6, 3, 4, 4, 2, 1),
    (1, 43, 4, 5, 5, 3, 3, 1, 2),
    (3, 4, 9, 7, 8, 2, 2, 2, 0),
    (1, 5, 8, 5, 3, 1, 1, 2, 0),
]
for i, case in enumerate(CONV):
    n, c, h, w, k, r, s, stride, padding = case
    op = lambda x, w, b: F.conv2d(x, w, b, stride, padding)
    run(f"conv{i}", op, draw(n, c, h, w), draw(k, c, r, s), draw(k))
    metadata[f"conv{i}"] = f"{stride} {padding}"

# ... and output padding
DECONV = [
    (1, 5, 4, 5, 3, 3, 3, 2, 1, 1),
    (1, 5, 4, 5, 3, 3, 3, 2, 1, 0),
    (2, 3, 3, 4, 5, 4, 4, 2, 1, 0),
    (1, 43, 3, 3, 5, 2, 2, 2, 0, 1),
    (1, 5, 5, 4, 43, 3, 3, 1, 1, 0),
    (2, 4, 3, 5, 3, 5, 5, 3, 2, 2),
]
for i, case in enumerate(DECONV):
    n, c, h, w, k, r, s, stride, padding, extra = case
    op = lambda x, w, b: F.conv_transpose2d(x, w, b, stride, padding, extra)
    run(f"deconv{i}", op, draw(n, c, h, w), draw(c, k, r, s), draw(k))
    metadata[f"deconv{i}"] = f"{stride} {padding}"

# n c h w, activation
NORM = [(2, 3, 5, 7, "none"), (3, 5, 4, 3, "relu"), (1, 43, 3, 5, "tanh"), (4, 6, 1, 1, "relu")]
for i, (n, c, h, w, act) in enumerate(NORM):
    apply = {"none": lambda v: v, "relu": torch.relu, "tanh": torch.tanh}[act]
    op = lambda x, w, b: apply(F.batch_norm(x, None, None, w, b, True, 0.1, 1e-5))
    x = draw(n, c, h, w, scale=2.0, shift=3.0)
    mean, variance = torch.zeros(c).double(), torch.ones(c).double()
    F.batch_norm(x.detach(), mean, variance, None, None, True, 0.1, 1e-5)
    run(f"norm{i}", op, x, draw(c, shift=1.5), draw(c), mean=mean, variance=variance)
    metadata[f"norm{i}"] = act

# n c h w, r s stride padding
POOL = [
    (2, 3, 7, 5, 3, 3, 2, 1),
    (1, 43, 4, 6, 2, 2, 2, 0),
    (1, 5, 5, 9, 2, 4, 1, 1),
    (2, 5, 6, 5, 3, 3, 1, 1),
    (1, 3, 7, 7, 7, 7, 1, 0),
]
for i, (n, c, h, w, r, s, stride, padding) in enumerate(POOL):
    run(f"max{i}", lambda x: F.max_pool2d(x, (r, s), stride, padding), draw(n, c, h, w))
    run(f"mean{i}", lambda x: F.avg_pool2d(x, (r, s), stride, padding), draw(n, c, h, w))
    metadata[f"max{i}"] = metadata[f"mean{i}"] = f"{r} {s} {stride} {padding}"

# copies, rows, classes
for i, (copies, n, classes) in enumerate([(1, 5, 3), (2, 3, 10), (3, 4, 43), (1, 2, 5)]):
    x = draw(copies, n, classes, scale=4.0)
    labels = torch.randint(classes, (n,), generator=generator)
    weights = draw(copies)
    losses = F.cross_entropy(x.flatten(0, 1), labels.repeat(copies), reduction="none")
    (losses.reshape(copies, n) * weights.detach()[:, None]).sum().backward()
    keep(f"loss{i}", x=x, w=weights, y=losses, dx=x.grad)
    metadata[f"loss{i}"] = " ".join(str(int(label)) for label in labels)

# copies, rows, classes, temperature, scale of the teacher's logits. These cases are drawn after all others,
# so that the numbers of those did not change.
DISTILL = [(1, 5, 3, 1, 4), (2, 3, 10, 2, 4), (3, 4, 43, 4, 4), (2, 4, 10, 1, 60), (1, 2, 5, 0.5, 1)]
for i, (copies, n, classes, temperature, scale) in enumerate(DISTILL):
    teacher = draw(n, classes, scale=scale)
    # Logits near the teacher's, as of copies that have learnt: where it is sure, so are they.
    z = (teacher.detach() + draw(copies, n, classes)).detach().float().double().requires_grad_()
    weights = draw(copies)
    wanted = F.softmax(teacher.detach() / temperature, -1).expand_as(z)
    apart = F.kl_div(F.log_softmax(z / temperature, -1), wanted, reduction="none").sum(-1)
    losses = temperature**2 * apart
    (losses * weights.detach()[:, None]).sum().backward()
    keep(f"distill{i}", x=z, t=teacher, w=weights, y=losses, dx=z.grad)
    metadata[f"distill{i}"] = str(temperature)

save_file(tensors, sys.argv[1] if len(sys.argv) > 1 else "kernels-tests/kernels/torch.safetensors", metadata)
