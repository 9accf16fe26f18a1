"""Writes py_src/nf_gpu/_flag_types.pyi, the types of keyword arguments, from the flags of the command line.

    python bindings/python/flag_types.py           writes it
    python bindings/python/flag_types.py --check   fails if it is not what would be written
"""

import pathlib
import sys

from nf_gpu._flags import known

FILE = pathlib.Path(__file__).parent / "py_src/nf_gpu/_flag_types.pyi"
HEAD = '''"""Types of keyword arguments. Written by flag_types.py from the flags of the command line: do not edit."""

from collections.abc import Sequence
from os import PathLike
from typing import Any, Literal, TypedDict

from numpy.typing import NDArray

_Path = str | PathLike[str]
'''
# Commands, the names of their types, and the arguments that the functions name themselves.
COMMANDS = [
    ("train", "TrainFlags", {"base", "dataset"}),
    ("eval", "EvalFlags", {"base", "dataset", "generator"}),
    ("inject", "InjectFlags", {"base", "out"}),
    ("energy", "EnergyFlags", {"base", "generator", "evaluations"}),
    ("report", "ReportFlags", {"runs"}),
    ("import", "ImportFlags", {"model", "input_shape", "out", "file"}),
]
# Bit positions are a range; elsewhere the word means a number of bits. P is a rate, but of names it is what they begin with.
NAMED = {"bits": "int | str", "prefix": "str"}
TYPES = {
    "N": "int", "BITS": "int", "P": "float", "X": "float", "V": "float", "A": "float", "RATE": "float",
    "FRACTION": "float", "FILE": "_Path", "DIR": "_Path", "FILE.toml": "_Path", "SEED|FILE": "int | _Path",
    "NAME|INDEX": "str | int", "P,...": "float", "A..B": "int | str | range", "C,H,W": "int", "R,G,B": "float",
    "FILE.html": "_Path", "RECORD.json": "_Path", "SEED": "int", "T": "float", "NAME": "str", "GLOB": "str",
    "auto|N": "int | Literal[\"auto\"]", "N|DURATION": "int | str", "TEXT": "str", "FILE[,FILE]": "_Path",
    "KERNEL=VARIANT": "str", "MAPPING": "str", "A=B": "str", "N|HxW": "int | str",
    "FORMAT": "str", "LIST": "str | Sequence[str]", "fresh|fixed": "str", "I/N": "str",
}  # fmt: skip


def annotation(flag):
    """The type of one flag's value."""
    if flag["value"] is None:
        return "bool"
    if flag["choices"]:
        base = f"Literal[{', '.join(repr(choice) for choice in flag['choices'])}]".replace("'", '"')
    else:
        base = NAMED.get(flag["name"]) or TYPES.get(flag["value"], "str | int | float | PathLike[str]")
    if flag["list"] or flag["many"] or flag["name"] == "seeds":
        one = "int" if flag["name"] == "seeds" else base
        base = f"{base} | Sequence[{one}]"
        if one in ("int", "float"):
            base += " | NDArray[Any]"
    return f"bool | {base}" if flag["optional"] else base


def text():
    """The file."""
    parts = [HEAD]
    for command, name, left_out in COMMANDS:
        lines = [f"\nclass {name}(TypedDict, total=False):\n"]
        for argument, flag in known(command).items():
            if argument not in left_out:
                lines.append(f"    {argument}: {annotation(flag)} | None\n")
        parts.append("".join(lines))
    return "".join(parts)


if __name__ == "__main__":
    if "--check" not in sys.argv:
        FILE.write_text(text())
    elif FILE.read_text() != text():
        sys.exit(f"{FILE} is not what the flags say: python {sys.argv[0]} writes it")
