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


def cells(seed, layer, word, threshold, stream=0):
    return sum((uniform(seed, layer, word, j, stream) < threshold) << j for j in range(32))


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


def polarity(seed, layer, word, stream=1):
    return philox4x32_10([word, layer, 0, stream], key(seed))[0]


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

# Memories of version 2 and the first of their streams.
MEMORIES = [("floats", 7), ("activations", 10), ("biases", 13)]
OF_MEMORIES = [
    (0, 0, 0, 0.5),
    (0, 0, 0, 0.01),
    (50000, 3, 17, 0.1),
    ((1 << 63) - 1, 4294967295, 1, 0.25),
]

STEPS = [
    (0, 0, 0),
    (0, 0, 1),
    (0, 1, 0),
    (1, 0, 0),
    (42, 999, 10),
    (0x0123456789ABCDEF, 1 << 32, 4294967295),
]


# A pattern of 8 rows of 64 cells, entry by entry: what it is, its rate, its share, what its cells read.
ROWS, COLUMNS = 8, 64
PATTERN = [
    ("row", 0.2, 0.75, "together", COLUMNS),
    ("column", 0.1, 1.0, "flip", 3),
    ("cluster", 0.02, 1.0, "each", (2, 3)),
    ("cell", 0.05, 1.0, "0", None),
]


def pattern(seed):
    """What the cells of the memory read, by index: 0, 1 or "opposite"."""
    reads = {}

    def fail(entry, cell, share, effect, value):
        word, bit = divmod(cell, 32)
        if share < 1 and uniform(seed, entry, word, bit, 5) >= int(share * 2**32):
            return
        each = philox4x32_10([word, entry, 1, 6], key(seed))[0] >> bit & 1
        reads.setdefault(cell, {"together": value & 1, "flip": "opposite", "each": each, "0": 0}[effect])

    for entry, (kind, rate, share, effect, size) in enumerate(PATTERN):
        threshold = int(rate * 2**32)
        if kind in ("row", "column"):
            across, along = (ROWS, COLUMNS) if kind == "row" else (COLUMNS, ROWS)
            for line in range(across):
                u, at, value, _ = philox4x32_10([line, entry, 0, 3], key(seed))
                begin = at * (along - size + 1) >> 32
                for i in range(begin, begin + size) if u < threshold else []:
                    fail(entry, line * COLUMNS + i if kind == "row" else i * COLUMNS + line, share, effect, value)
            continue
        for cell in range(ROWS * COLUMNS):
            word, bit = divmod(cell, 32)
            if uniform(seed, entry, word, bit, 4 if kind == "cluster" else 5) >= threshold:
                continue
            row, column = divmod(cell, COLUMNS)
            value = philox4x32_10([cell, entry, 0, 6], key(seed))[0]
            rows, columns = size or (1, 1)
            for r in range(row, min(row + rows, ROWS)):
                for c in range(column, min(column + columns, COLUMNS)):
                    fail(entry, r * COLUMNS + c, share, effect, value)
    return reads


def words_of(reads, values):
    cells = [sum((reads.get(32 * word + j) in values) << j for j in range(32)) for word in range(ROWS * COLUMNS // 32)]
    return " ".join(f"{word:08x}" for word in cells)


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
    print()
    print("| pattern, seed | read 1, or the opposite | read 0, or the opposite |")
    print("|---|---|---|")
    for seed in (0, 7, 1 << 40):
        reads = pattern(seed)
        print(f"| {seed} | {words_of(reads, (1, 'opposite'))} | {words_of(reads, (0, 'opposite'))} |")
    print()
    print("| memory | seed | layer | word | ber | cells | polarity |")
    print("|---|---|---|---|---|---|---|")
    for memory, stream in MEMORIES:
        for seed, layer, word, ber in OF_MEMORIES:
            faulty = cells(seed, layer, word, int(ber * 2**32), stream)
            stuck = polarity(seed, layer, word, stream + 1)
            print(f"| {memory} | {seed} | {layer} | {word} | {ber} | {faulty:08x} | {stuck:08x} |")


if __name__ == "__main__":
    main()
