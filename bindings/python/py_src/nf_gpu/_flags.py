"""Keyword arguments are the flags of the command line: names, defaults and checks are the library's own."""

from __future__ import annotations

import functools
import inspect
import json
import keyword
import numbers
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from ._errors import UsageError, raised
from ._nf_gpu import flags as _flags

_Function = TypeVar("_Function", bound=Callable[..., Any])

#: Flags that have no meaning here: they say what and how the command prints.
_OF_THE_TERMINAL = {"json", "quiet", "help", "version", "dry-run"}
#: Keyword arguments with another name than their flag.
_ALSO = {"data": "dataset"}


@functools.cache
def known(command: str) -> dict[str, dict[str, Any]]:
    """The flags of a command by the names of their keyword arguments."""
    found = json.loads(_flags(command))
    return {_argument(flag["name"]): flag for flag in found if flag["name"] not in _OF_THE_TERMINAL}


def _argument(flag: str) -> str:
    """The name of the keyword argument: `--lambda`, a word of Python's, is `lambda_`."""
    name = flag.replace("-", "_")
    return f"{name}_" if keyword.iskeyword(name) else name


def line(command: str, arguments: Mapping[str, Any]) -> list[str]:
    """The flags that keyword arguments stand for, as they would be typed."""
    of_command, typed, positional = known(command), [], []
    for name, value in arguments.items():
        name, value = _ALSO.get(name, name), _plain(value)
        if value is None or value is False:
            continue
        flag = of_command.get(name)
        spelled = f"--{name.replace('_', '-')}"
        if spelled[2:] in _OF_THE_TERMINAL:
            raise UsageError(f"{spelled}: no argument of a function", "it says what the command prints", 2)
        if not name.isidentifier():
            raise UsageError(f"{name!r} is no name of an argument", "as in batch_size, with _ for -", 2)
        if flag is None:
            # The parser refuses it, and knows what is similar.
            typed.append(spelled)
        elif flag["positional"]:
            positional += [_text(flag["value"] or name, each) for each in _each(value)]
        else:
            typed += _typed(flag, value)
    return [*typed, *(["--", *positional] if positional else [])]


def _typed(flag: Mapping[str, Any], value: Any) -> list[str]:
    name = f"--{flag['name']}"
    if flag["value"] is None or flag["optional"] and value is True:
        if value is not True:
            raise UsageError(f"{name}: {value!r} is neither True nor False", "it is a switch", 2)
        return [name]
    if isinstance(value, range):
        if value.step != 1:
            raise UsageError(f"{name}: {value!r} has steps", "give a list, or a range without steps", 2)
        return [f"{name}={value.start}..{value.stop}"]
    values = [_text(name, each) for each in _each(value)]
    if flag["many"] and not flag["list"]:
        return [f"{name}={each}" for each in values]
    if len(values) > 1 and not flag["list"] and flag["value"] in _PATHS:
        raise UsageError(f"{name}: {len(values)} paths", "give one", 2)
    return [f"{name}={','.join(values)}"]


#: Values of flags that are one path.
_PATHS = {"FILE", "DIR", "FILE.html", "FILE.toml"}


def _plain(value: Any) -> Any:
    """A number of NumPy or PyTorch, which may be an array without axes, as one of Python."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


def _each(value: Any) -> Iterable[Any]:
    # A path or a text is one value; an array of NumPy is several.
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, os.PathLike)):
        return value
    return [value]


def _text(name: str, value: Any) -> str:
    value = _plain(value)
    if isinstance(value, (str, bytes, os.PathLike)):
        return unicode(name, os.fsdecode(value))
    if not isinstance(value, (int, float, numbers.Number)):
        raise UsageError(f"{name}: {type(value).__name__} is no value of it", "give a text, a path or a number", 2)
    return repr(value) if isinstance(value, float) else str(value)


def unicode(name: str, path: str) -> str:
    """A path that documents can name."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{name}: {path!r} is not Unicode", "rename it, or go into its folder and name it from there", 2) from None
    return path


def described(command: str, leave_out: Iterable[str] = ()) -> Callable[[_Function], _Function]:
    """Gives a function that takes `**flags` the signature and the description of the command's flags."""

    def decorate(function: _Function) -> _Function:
        own = inspect.signature(function)
        parameters = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
        taken = {p.name for p in parameters} | set(leave_out)
        lines = []
        for name, flag in known(command).items():
            if name in taken or flag["positional"]:
                continue
            default = False if flag["value"] is None else flag["default"]
            parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default))
            lines.append(_line(name, flag))
        function.__signature__ = own.replace(parameters=parameters)
        help_ = f"Keyword arguments are the flags of `nf-gpu {command}`:\n\n" + "\n".join(lines)
        function.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\n{help_}\n"
        return function

    return decorate


def _line(name: str, flag: Mapping[str, Any]) -> str:
    choices = f" One of {', '.join(flag['choices'])}." if flag["choices"] else ""
    default = f" [default: {flag['default']}]" if flag["default"] is not None else ""
    return f"    {name}: {' '.join((flag['help'] or '').split())}{choices}{default}"


def hints(arguments: Mapping[str, Any]) -> list[str]:
    """The flags of what the file of a base network does not say."""
    allowed = {"model", "input_shape", "input_mean", "input_std"}
    for name in arguments:
        if name not in allowed:
            raise TypeError(f"unexpected keyword argument {name!r}: known are {', '.join(sorted(allowed))}")
    with raised():
        return line("eval", arguments)
