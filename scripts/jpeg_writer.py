"""A small JPEG encoder for what Pillow does not write: any sampling, a scan per component, other frames.

Standard library only; for pictures of some thousand pixels."""
import math
import struct

# Places of the coefficients in the order in which they are coded: zigzag along the antidiagonals.
ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, i // 8 if (i // 8 + i % 8) % 2 else i % 8))
COSINES = [
    [math.cos((2 * x + 1) * u * math.pi / 16) * math.sqrt(0.125 if u == 0 else 0.25) for x in range(8)]
    for u in range(8)
]
QUANTUM = 4


def code(symbols):
    """A Huffman code: 8 bits for the first 200 symbols, 16 for the others. The table's bytes, and the codes."""
    counts = [0] * 16
    counts[7] = min(len(symbols), 200)
    counts[15] = len(symbols) - counts[7]
    bits, value, left = {}, 0, iter(symbols)
    for length, count in enumerate(counts, 1):
        for _ in range(count):
            bits[next(left)] = format(value, f"0{length}b")
            value += 1
        value <<= 1
    return bytes(counts) + bytes(symbols), bits


DC_TABLE, DC = code(list(range(12)))
AC_TABLE, AC = code([0, 0xF0] + [run << 4 | size for size in range(1, 11) for run in range(16)])


def segment(marker, data):
    return struct.pack(">BBH", 255, marker, len(data) + 2) + data


def components(picture, colour):
    """Rows of tuples of components, of rows of (red, green, blue)."""

    def ycc(r, g, b):
        return (
            0.299 * r + 0.587 * g + 0.114 * b,
            -0.168736 * r - 0.331264 * g + 0.5 * b + 128,
            0.5 * r - 0.418688 * g - 0.081312 * b + 128,
        )

    of = {
        "ycc": ycc,
        "rgb": lambda r, g, b: (r, g, b),
        "grey": lambda r, g, b: (r,),
        "cmyk": lambda r, g, b: (255 - r, 255 - g, 255 - b, (r + b) // 4),
        "ycck": lambda r, g, b: ycc(r, g, b) + ((r + b) // 4,),
    }[colour]
    return [[of(*pixel) for pixel in row] for row in picture]


def plane(pixels, c, step, size):
    """Component `c`, the mean of `step` pixels each way, as `size` samples; beyond the edge its last pixel."""
    h, w = len(pixels), len(pixels[0])

    def mean(x, y):
        xs = range(int(x * step[0]), max(int(x * step[0]) + 1, int((x + 1) * step[0])))
        ys = range(int(y * step[1]), max(int(y * step[1]) + 1, int((y + 1) * step[1])))
        values = [pixels[min(j, h - 1)][min(i, w - 1)][c] for j in ys for i in xs]
        return sum(values) / len(values)

    return [[mean(x, y) for x in range(size[0])] for y in range(size[1])]


def blocks(samples):
    """Quantised coefficients of each block of 8x8, by rows of blocks."""

    def transformed(top, left):
        block = [[samples[top + y][left + x] - 128 for x in range(8)] for y in range(8)]
        across = [[sum(COSINES[u][x] * row[x] for x in range(8)) for u in range(8)] for row in block]
        both = [sum(COSINES[v][y] * across[y][u] for y in range(8)) for v in range(8) for u in range(8)]
        return [round(both[k] / QUANTUM) for k in ZIGZAG]

    tops, lefts = range(0, len(samples), 8), range(0, len(samples[0]), 8)
    return [[transformed(top, left) for left in lefts] for top in tops]


def magnitude(v):
    """The size of a value, and its bits."""
    n = abs(v).bit_length()
    return n, format(v if v > 0 else v + (1 << n) - 1, f"0{n}b") if n else ""


def packed(bits):
    bits += "1" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)).replace(b"\xff", b"\xff\0")


def coded(units, coefficients, first, last, restart):
    """The data of a scan: `units` are lists of blocks (component, column, row)."""
    out, bits, before = b"", [], {}
    for n, unit in enumerate(units):
        if restart and n and n % restart == 0:
            out += packed("".join(bits)) + bytes([255, 0xD0 + (n // restart - 1) % 8])
            bits, before = [], {}
        for c, x, y in unit:
            block = coefficients[c][y][x]
            if first == 0:
                size, more = magnitude(block[0] - before.get(c, 0))
                bits.append(DC[size] + more)
                before[c] = block[0]
            run = 0
            for v in block[max(first, 1) : last + 1]:
                if v == 0:
                    run += 1
                    continue
                bits.append(AC[0xF0] * (run // 16))
                size, more = magnitude(v)
                bits.append(AC[run % 16 << 4 | size] + more)
                run = 0
            if run:
                bits.append(AC[0])
    return out + packed("".join(bits))


def jpeg(picture, sampling, scans=None, colour="ycc", restart=0, frame=0xC0, head=b"", ids=None, bits=8,
         between=b"", height=None):
    """`sampling`: (across, down) of each component. `scans`: (components, first, last coefficient) of each
    scan, by default all in one. `head` stands before the tables, `between` between scans."""
    pixels = components(picture, colour)
    h, w = len(pixels), len(pixels[0])
    most = [max(s[i] for s in sampling) for i in (0, 1)]
    wide, high = -(-w // (8 * most[0])), -(-h // (8 * most[1]))
    ids = ids or list(range(1, len(sampling) + 1))
    coefficients = []
    for c, (a, b) in enumerate(sampling):
        size = (wide * a * 8, high * b * 8)
        coefficients.append(blocks(plane(pixels, c, (most[0] / a, most[1] / b), size)))
    out = b"\xff\xd8" + head + segment(0xDB, b"\0" + bytes([QUANTUM]) * 64)
    parts = b"".join(bytes([i, a << 4 | b, 0]) for i, (a, b) in zip(ids, sampling))
    out += segment(frame, struct.pack(">BHHB", bits, h if height is None else height, w, len(ids)) + parts)
    out += segment(0xC4, b"\0" + DC_TABLE) + segment(0xC4, b"\x10" + AC_TABLE)
    if restart:
        out += segment(0xDD, struct.pack(">H", restart))
    for number, (of, first, last) in enumerate(scans or [(list(range(len(ids))), 0, 63)]):
        if len(of) == 1:
            # A scan of one component holds only the blocks that have pixels in them.
            a, b = sampling[of[0]]
            columns, rows = -(-(-(-w * a // most[0])) // 8), -(-(-(-h * b // most[1])) // 8)
            units = [[(of[0], x, y)] for y in range(rows) for x in range(columns)]
        else:
            units = [
                [(c, mx * sampling[c][0] + i, my * sampling[c][1] + j)
                 for c in of for j in range(sampling[c][1]) for i in range(sampling[c][0])]
                for my in range(high) for mx in range(wide)
            ]
        chosen = b"".join(bytes([ids[c], 0]) for c in of)
        out += (between if number else b"") + segment(0xDA, bytes([len(of)]) + chosen + bytes([first, last, 0]))
        out += coded(units, coefficients, first, last, restart)
    return out + b"\xff\xd9"
