#!/usr/bin/env python3
"""What a training step would take on several ranks, from measured parts of the step on one.

    scripts/scaling.py --generator 0.010 --group 0.040 --groups 11 --images 256 --side 32 \
        --bandwidth 1.2e9 --copy 1e10 --latency 5e-5

Rank 0 runs the generator (seconds `--generator`, forward, backward and update), sends the fused images to the other
ranks one after another, computes its own groups (seconds `--group` each) meanwhile, and receives a gradient for every
group of another rank while it computes or afterwards. `--bandwidth` (bytes a second, one way) is that of rank 0's network, `--copy` that between device and
host. Ranks get groups as src/train/shared/coordinator.rs deals them out. Prints a table for 1 to 64 ranks, and from
which bandwidth on a second rank pays.
"""
import argparse


def parts():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--generator", type=float, required=True, help="seconds")
    parser.add_argument("--group", type=float, required=True, help="seconds of a group")
    parser.add_argument("--groups", type=int, default=11)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--bandwidth", type=float, default=1.2e9)
    parser.add_argument("--copy", type=float, default=1e10)
    parser.add_argument("--latency", type=float, default=5e-5)
    return parser.parse_args()


def shares(groups, ranks):
    """Groups of each rank where all are equally fast, rank 0 first."""
    return [groups // ranks + (rank < groups % ranks) for rank in range(ranks)]


def seconds(p, ranks):
    """Seconds of a step: the whole, and how much of it are messages and copies."""
    own, *others = [share for share in shares(p.groups, ranks) if share > 0]
    if not others:
        return p.generator + p.groups * p.group, 0.0
    image_bytes = 12 * p.side * p.side * p.images
    wire, copy = image_bytes / p.bandwidth, image_bytes / p.copy
    began = p.generator + copy  # the images are on the host
    ready, queue = began, []
    for share in others:
        ready += p.latency + wire  # sent one after another
        done = [ready + copy + i * (p.group + copy) for i in range(1, share + 1)]
        queue.append(done)
    network, arrived = began, {}
    for at, rank, i in sorted((at, rank, i) for rank, done in enumerate(queue) for i, at in enumerate(done)):
        network = max(network, at) + p.latency + wire  # one message at a time comes in
        arrived[rank, i] = network
    now = began + own * p.group
    for key in sorted(arrived):  # added in the order of groups
        now = max(now, arrived[key]) + copy
    whole = now
    useful = p.generator + max([own, *others]) * p.group
    return whole, whole - useful


def main():
    p = parts()
    alone, _ = seconds(p, 1)
    print(f"one rank: {alone * 1e3:.1f} ms a step, {p.generator / alone:.1%} of it the generator")
    print(f"{'ranks':>6} {'ms':>9} {'speed-up':>9} {'efficiency':>11} {'messages':>9}")
    for ranks in [1, 2, 3, 4, 6, 8, 11, 16, 32, 64]:
        whole, lost = seconds(p, ranks)
        print(f"{ranks:>6} {whole * 1e3:>9.1f} {alone / whole:>9.2f} {alone / whole / ranks:>11.1%} {lost / whole:>9.1%}")
    print(f"limit without messages: {alone / (p.generator + p.group):.2f} with {p.groups} ranks")
    low, high = 1e3, 1e13
    for _ in range(200):
        p.bandwidth = (low * high) ** 0.5
        low, high = (low, p.bandwidth) if seconds(p, 2)[0] < alone else (p.bandwidth, high)
    print(f"a second rank pays from {p.bandwidth / 1e6:.3g} MB/s on")


if __name__ == "__main__":
    main()
