#!/usr/bin/env python3
"""Pictures of every kind and what PIL makes of them, for the tests. Needs Pillow.

usage: pictures.py DIR             writes each picture and beside it PIL's pixels, NAME.want (PPM), or a word of
                                   the message that refuses it, NAME.refused
       pictures.py --archive FILE  the same as kernels-tests/data/pictures.tar.xz
"""
import io
import os
import struct
import sys
import tarfile
import zlib

from PIL import Image
from jpeg_writer import jpeg, segment

W, H = 35, 19
SAMPLINGS = {"420": (2, 2), "422": (2, 1), "440": (1, 2), "444": (1, 1), "411": (4, 1), "410": (4, 2)}
EACH = [([0], 0, 63), ([1], 0, 63), ([2], 0, 63)]
TWO = [([0], 0, 63), ([1, 2], 0, 63)]
REST = [([0], 1, 5), ([1], 1, 63), ([2], 1, 63), ([0], 6, 63)]
PROGRESSIVE = [([0, 1, 2], 0, 0)] + REST
PROGRESSIVE_EACH = [([0], 0, 0), ([1], 0, 0), ([2], 0, 0)] + REST
COMMENT = segment(0xFE, b"no end \xff\xd9 and no scan \xff\xda")
JFIF = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
TURNED = b"MM\0*\0\0\0\10\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"


def adobe(transform):
    return segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, transform))


def colour(x, y):
    """Smooth, with edges; no channel near 0 or 255."""
    return 60 + 3 * x % 120, 200 - 3 * y % 140, 90 + 60 * ((x // 11 + y // 7) % 2)


PICTURE = [[colour(x, y) for x in range(W)] for y in range(H)]
ONE = [(1, 1)] * 3


def sampled(name):
    return [SAMPLINGS[name], (1, 1), (1, 1)]


def jpegs():
    """JPEG files that are read, by name."""
    for s in SAMPLINGS:
        of = sampled(s)
        yield s, jpeg(PICTURE, of)
        yield f"{s}-each", jpeg(PICTURE, of, EACH)
        yield f"{s}-two", jpeg(PICTURE, of, TWO)
        yield f"{s}-restart", jpeg(PICTURE, of, restart=2)
        yield f"{s}-each-restart", jpeg(PICTURE, of, EACH, restart=3)
        yield f"{s}-progressive", jpeg(PICTURE, of, PROGRESSIVE, frame=0xC2)
        yield f"{s}-progressive-each", jpeg(PICTURE, of, PROGRESSIVE_EACH, frame=0xC2)
    for name, of in {
        "red-211": [(2, 1), (1, 1), (2, 1)], "all-21": [(2, 1)] * 3, "colours-22": [(1, 1), (2, 2), (2, 2)],
        "22-12-12": [(2, 2), (1, 2), (1, 2)], "22-21-21": [(2, 2), (2, 1), (2, 1)],
        "22-12-21": [(2, 2), (1, 2), (2, 1)], "31": [(3, 1), (1, 1), (1, 1)], "32": [(3, 2), (1, 1), (1, 1)],
        "13": [(1, 3), (1, 1), (1, 1)], "14": [(1, 4), (1, 1), (1, 1)],
    }.items():
        yield f"odd-{name}", jpeg(PICTURE, of)
        yield f"odd-{name}-each", jpeg(PICTURE, of, EACH)
    for a, b in ((1, 1), (2, 2), (4, 1)):
        yield f"grey-{a}{b}", jpeg(PICTURE, [(a, b)], colour="grey")
        yield f"grey-{a}{b}-restart", jpeg(PICTURE, [(a, b)], colour="grey", restart=3)
    for name, head, ids, of in (
        ("ycc-adobe", adobe(1), None, "ycc"), ("rgb-adobe", adobe(0), None, "rgb"),
        ("rgb-ids", b"", [82, 71, 66], "rgb"), ("jfif-and-ids", JFIF, [82, 71, 66], "ycc"),
        ("jfif-and-adobe", JFIF + adobe(0), None, "ycc"), ("adobe-and-jfif", adobe(0) + JFIF, None, "ycc"),
        ("ids-from-0", b"", [0, 1, 2], "ycc"), ("ids-ycc", b"", [89, 67, 99], "ycc"),
    ):
        yield f"colour-{name}", jpeg(PICTURE, ONE, colour=of, head=head, ids=ids)
    yield "colour-rgb-420", jpeg(PICTURE, sampled("420"), colour="rgb", head=adobe(0))
    four = [(1, 1)] * 4
    yield "cmyk", jpeg(PICTURE, four, colour="cmyk")
    yield "cmyk-adobe", jpeg(PICTURE, four, colour="cmyk", head=adobe(0))
    yield "ycck", jpeg(PICTURE, four, colour="ycck", head=adobe(2))
    yield "ycck-420", jpeg(PICTURE, [(2, 2), (1, 1), (1, 1), (2, 2)], colour="ycck", head=adobe(2))
    whole = jpeg(PICTURE, sampled("420"))
    yield "extended", jpeg(PICTURE, sampled("420"), frame=0xC1)
    yield "comment", jpeg(PICTURE, sampled("420"), head=COMMENT)
    yield "between-scans", jpeg(PICTURE, ONE, EACH, between=COMMENT)
    yield "thumbnail", jpeg(PICTURE, sampled("420"), head=segment(0xE1, b"Exif\0\0" + whole))
    yield "turned", jpeg(PICTURE, sampled("420"), head=segment(0xE1, b"Exif\0\0" + TURNED))
    yield "fill", whole.replace(b"\xff\xda", b"\xff\xff\xff\xda", 1)
    yield "zeros-before-end", whole[:-2] + b"\0" * 20 + whole[-2:]
    yield "rubbish-before-scan", whole.replace(b"\xff\xda", b"abc\xff\xda", 1)
    for name, tail in {
        "film": b"\0\0\0\x18ftypmp42\xff\xda tail", "second": whole, "zeros": b"\0" * 100, "end": b"\xff\xd9",
        "seft": b"SEFT\xff\xd9", "ones": b"\xff" * 20, "start": b"\xff\xd8",
    }.items():
        yield f"trailer-{name}", whole + tail
    image = Image.new("RGB", (W, H))
    image.putdata([pixel for row in PICTURE for pixel in row])
    for sampling in (0, 1, 2):
        for name, how in {
            "": {}, "-progressive": {"progressive": True}, "-optimised": {"optimize": True, "quality": 60},
            "-rows": {"restart_marker_rows": 1, "progressive": True},
        }.items():
            yield f"pil-{sampling}{name}", saved(image, subsampling=sampling, **how)
    yield "pil-grey", saved(image.convert("L"))
    yield "pil-cmyk", saved(image.convert("CMYK"))
    yield "pil-rgb", saved(image, keep_rgb=True)


def refused():
    """JPEG files that are refused, by name, with a word of the message."""
    whole, wave = jpeg(PICTURE, sampled("420")), jpeg(PICTURE, sampled("420"), PROGRESSIVE, frame=0xC2)
    early, damaged = "ends too early", "damaged JPEG, or one that is cut off"
    yield "12-bits", jpeg(PICTURE, ONE, frame=0xC1, bits=12), "12 bits"
    yield "lossless", jpeg(PICTURE, ONE, frame=0xC3), "lossless"
    yield "hierarchical", jpeg(PICTURE, ONE, frame=0xC5), "hierarchical"
    yield "arithmetic", jpeg(PICTURE, ONE, frame=0xC9), "arithmetic"
    yield "no-height", jpeg(PICTURE, ONE, height=0), "DNL"
    yield "two-components", jpeg(PICTURE, ONE[:2], colour="rgb"), "2 components"
    yield "no-end", whole[:-2], early
    yield "half-an-end", whole[:-1], early
    yield "progressive-no-end", wave[:-2], early
    yield "no-scan", whole[: whole.index(b"\xff\xda")] + b"\xff\xd9", "damaged JPEG"
    each = jpeg(PICTURE, ONE, EACH)
    yield "a-scan-less", each[: each.rindex(b"\xff\xda")] + b"\xff\xd9", damaged
    for cut in (5, 40, len(whole) // 4):
        yield f"cut-{cut}", whole[: -2 - cut], early
        yield f"cut-{cut}-end", whole[: -2 - cut] + b"\xff\xd9", damaged
        yield f"progressive-cut-{cut}", wave[: -2 - cut] + b"\xff\xd9", damaged
    yield "cut-and-trailer", whole[: len(whole) // 2] + b"SEFT\xff\xd9", damaged
    restart = jpeg(PICTURE, sampled("420"), restart=1)
    yield "restart-missing", restart.replace(b"\xff\xd1", b"", 1), damaged
    yield "restart-other", restart.replace(b"\xff\xd1", b"\xff\xd5", 1), damaged
    yield "interval-missing", restart[: restart.index(b"\xff\xd1")] + restart[restart.index(b"\xff\xd2") :], damaged
    for name in ("gif", "webp", "bmp", "tiff"):
        yield f"is-{name}", saved(Image.new("RGB", (W, H), (200, 100, 50)), name), "whatever its name says"


def saved(image, kind="jpeg", **how):
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def pngs():
    """PNG files, by name: every type and depth, whole and interlaced."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def file(depth, kind, samples, interlaced=False, before=b"", after=b""):
        passes = [(0, 0, 1, 1)]
        if interlaced:
            passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
        data = b""
        for x0, y0, dx, dy in passes:
            for y in range(y0, 9, dy):
                bits = "".join(format(v, f"0{depth}b") for x in range(x0, 13, dx) for v in samples(x, y))
                bits += "0" * (-len(bits) % 8)
                data += b"\0" + bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
        head = struct.pack(">IIBBBBB", 13, 9, depth, kind, 0, 0, int(interlaced))
        chunks = chunk(b"IHDR", head) + before + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
        return b"\x89PNG\r\n\x1a\n" + chunks + after

    def deep(x, y):
        return tuple(v * 256 + (x * 31 + y * 17) % 256 for v in colour(x, y))

    def grey(depth):
        return lambda x, y: ((x * 5003 + y * 3001) % 65536 >> (16 - depth),)

    for interlaced in (False, True):
        end = "-interlaced" if interlaced else ""
        yield "rgb8" + end, file(8, 2, colour, interlaced)
        yield "rgb16" + end, file(16, 2, deep, interlaced)
        yield "rgba8" + end, file(8, 6, lambda x, y: colour(x, y) + (x * 19,), interlaced)
        yield "rgba16" + end, file(16, 6, lambda x, y: deep(x, y) + (x * 4000,), interlaced)
        yield "la8" + end, file(8, 4, lambda x, y: (colour(x, y)[0], y * 20), interlaced)
        yield "la16" + end, file(16, 4, lambda x, y: (grey(16)(x, y)[0], y * 5000), interlaced)
        for depth in (1, 2, 4, 8):
            yield f"grey{depth}{end}", file(depth, 0, grey(depth), interlaced)
            colours = chunk(b"PLTE", bytes((k * 37 + c * 91) % 256 for k in range(2**depth) for c in range(3)))
            clear = colours + chunk(b"tRNS", bytes([0, 128]))
            index = lambda x, y: ((x + y * 3) % 2**depth,)
            yield f"palette{depth}{end}", file(depth, 3, index, interlaced, colours)
            yield f"palette{depth}-clear{end}", file(depth, 3, index, interlaced, clear)
    yield "gamma", file(8, 2, colour, before=chunk(b"gAMA", struct.pack(">I", 100000)))
    yield "turned", file(8, 2, colour, before=chunk(b"eXIf", TURNED))
    yield "trailer", file(8, 2, colour, after=b"hello" * 9)
    frames = [Image.new("RGB", (13, 9), c) for c in ((255, 0, 0), (0, 255, 0))]
    yield "animated", saved(frames[0], "png", save_all=True, append_images=frames[1:])


def ppms():
    """Netpbm files, by name."""
    flat = [v for y in range(9) for x in range(13) for v in colour(x, y)]
    first = flat[::3]
    text = lambda values: " ".join(map(str, values)).encode()
    wide = lambda values: struct.pack(f">{len(values)}H", *values)
    yield "p6", b"P6\n13 9\n255\n" + bytes(flat)
    yield "p6-comments", b"P6 #c\n13#d\n 9\n#e\n255\n" + bytes(flat)
    yield "p6-65535", b"P6\n13 9\n65535\n" + wide([v * 257 - v * 7 % 200 for v in flat])
    yield "p6-1000", b"P6\n13 9\n1000\n" + wide([v * 1000 // 255 for v in flat])
    yield "p6-trailer", b"P6\n13 9\n255\n" + bytes(flat) + b"xx"
    yield "p5", b"P5\n13 9\n255\n" + bytes(first)
    yield "p3", b"P3\n13 9\n255\n" + text(flat)
    yield "p2-15", b"P2\n13 9\n15\n" + text([v // 16 for v in first])
    yield "p1", b"P1\n13 9\n" + text([v % 2 for v in first])


def files():
    """Name, bytes and expectation of every file: PIL's pixels, or a word."""
    for kind, of in (("jpg", jpegs()), ("png", pngs()), ("ppm", ppms())):
        for name, data in of:
            want = saved(Image.open(io.BytesIO(data)).convert("RGB"), "ppm")
            yield f"{kind}-{name}.{kind}", data, ".want", want
    for name, data, word in refused():
        yield f"refused-{name}.jpg", data, ".refused", word.encode()


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--archive":
        with tarfile.open(sys.argv[2], "w:xz", preset=9) as out:
            for name, data, kind, want in files():
                for member, content in ((name, data), (name + kind, want)):
                    # Entries have no time and no owner, so that the same files give the same
                    # archive.
                    entry = tarfile.TarInfo(member)
                    entry.size = len(content)
                    out.addfile(entry, io.BytesIO(content))
    elif len(sys.argv) == 2 and not sys.argv[1].startswith("-"):
        os.makedirs(sys.argv[1], exist_ok=True)
        for name, data, kind, want in files():
            for member, content in ((name, data), (name + kind, want)):
                with open(os.path.join(sys.argv[1], member), "wb") as out:
                    out.write(content)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
