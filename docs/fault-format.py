#!/usr/bin/env python3
"""Prints the known answers of fault-format.md, from the text of that page and plain integers.

Shares nothing with the program. `python3 fault-format.py` prints the tables.
"""

MASK = 0xFFFFFFFF


def philox4x32_10(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & MASK, (p0 >> 32) ^ c[3] ^ k[1], p0 & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c


def key(seed):
    return [seed & MASK, seed >> 32]


def uniform(seed, layer, word, cell, stream=0):
    """The 32-bit uniform of one cell: bit 31 - d comes from draw d."""
    u = 0
    for d in range(32):
        draws = philox4x32_10([word, layer, d // 4, stream], key(seed))
        u |= (draws[d % 4] >> cell & 1) << (31 - d)
    return u


def cells(seed, layer, word, threshold):
    return sum((uniform(seed, layer, word, j) < threshold) << j for j in range(32))


def of_lot(lot, layer, word, cut):
    if cut == MASK:
        return MASK
    return sum((uniform(lot, layer, word, j, 2) < cut) << j for j in range(32))


def asymmetric(seed, layer, word, ber01, ber10, lot=None, shared=0.0):
    """Reads of STORED by a chip of a lot, or of none."""
    follow = 0 if lot is None else of_lot(lot, layer, word, min(int(shared * 2**32), MASK))

    def weak(ber):
        own = cells(seed, layer, word, int(ber * 2**32))
        if lot is None:
            return own
        return cells(lot, layer, word, int(ber * 2**32)) & follow | own & ~follow

    mask = weak(ber01) & ~STORED | weak(ber10) & STORED
    return follow, (STORED ^ mask) & MASK


def polarity(seed, layer, word):
    return philox4x32_10([word, layer, 0, 1], key(seed))[0]


def step_seed(run_seed, step, copy):
    lo, hi, _, _ = philox4x32_10([step & MASK, step >> 32, copy, 0x73746570], key(run_seed))
    return lo | hi << 32 | 1 << 63


STORED = 0x8001FF7F  # the weights 127, -1, 1, -128

MAPS = [
    (0, 0, 0, 0.5),
    (0, 0, 0, 0.25),
    (0, 0, 0, 0.1),
    (0, 0, 0, 0.01),
    (0, 0, 1, 0.1),
    (0, 1, 0, 0.1),
    (1, 0, 0, 0.1),
    (1 << 32, 0, 0, 0.1),
    (50000, 3, 17, 0.05),
    (50000, 3, 18, 0.1),
    (50000, 3, 589823, 0.3),
    (0x0123456789ABCDEF, 20, 4294967295, 0.25),
    ((1 << 63) - 1, 4294967295, 1, 0.999),
    ((1 << 64) - 1, 2, 3, 0.1),
]

# seed, layer, word, rate 0 to 1, rate 1 to 0, lot, its share
DIRECTED = [
    (0, 0, 0, 0.5, 0.1, None, 0.0),
    (0, 0, 0, 0.1, 0.5, None, 0.0),
    (50000, 3, 17, 0.3, 0.3, None, 0.0),
    (0, 0, 0, 0.5, 0.1, 9, 0.5),
    (1, 0, 0, 0.5, 0.1, 9, 0.5),
    (1, 2, 5, 0.4, 0.2, 1 << 33, 0.9),
    (1, 2, 5, 0.4, 0.2, 1 << 33, 1.0),
]

STEPS = [
    (0, 0, 0),
    (0, 0, 1),
    (0, 1, 0),
    (1, 0, 0),
    (42, 999, 10),
    (0x0123456789ABCDEF, 1 << 32, 4294967295),
]


def main():
    print("| seed | layer | word | ber | threshold | cells | polarity | flip reads | stuck-at reads |")
    print("|---|---|---|---|---|---|---|---|---|")
    for seed, layer, word, ber in MAPS:
        threshold = int(ber * 2**32)
        faulty, stuck = cells(seed, layer, word, threshold), polarity(seed, layer, word)
        read = STORED & ~faulty | stuck & faulty
        words = " | ".join(f"{w:08x}" for w in (threshold, faulty, stuck, STORED ^ faulty, read))
        print(f"| {seed} | {layer} | {word} | {ber} | {words} |")
    print()
    print("| seed | layer | word | ber 0 to 1 | ber 1 to 0 | lot, shared | follow the lot | reads |")
    print("|---|---|---|---|---|---|---|---|")
    for seed, layer, word, ber01, ber10, lot, shared in DIRECTED:
        follow, read = asymmetric(seed, layer, word, ber01, ber10, lot, shared)
        of = f"{seed} | {layer} | {word} | {ber01} | {ber10}"
        chips = "none" if lot is None else f"{lot}, {shared}"
        print(f"| {of} | {chips} | {follow:08x} | {read:08x} |")
    print()
    print("| run seed | step | copy | map seed |")
    print("|---|---|---|---|")
    for run_seed, step, copy in STEPS:
        print(f"| {run_seed} | {step} | {copy} | {step_seed(run_seed, step, copy):016x} |")


if __name__ == "__main__":
    main()
