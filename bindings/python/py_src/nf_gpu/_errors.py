"""The library's errors. Each says what to try next, as the command line does."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from ._nf_gpu import Error as _Raised


class Error(Exception):
    """What `nf-gpu` refuses or could not do.

    `str(error)` is the message, and on a line of its own the hint, if there is one.
    """

    #: What is wrong.
    what: str
    #: What to try next, or None.
    hint: str | None
    #: Exit code of the command line for this error: 2 for a mistake in what was given, else 1.
    exit_code: int

    def __init__(self, what: str, hint: str | None = None, exit_code: int = 1) -> None:
        super().__init__(what if hint is None else f"{what}\n  hint: {hint}")
        self.what, self.hint, self.exit_code = what, hint, exit_code

    def __reduce__(self):
        return type(self), (self.what, self.hint, self.exit_code)


class UsageError(Error, ValueError):
    """An argument that does not exist, or whose value is not allowed."""


class MissingFileError(Error, FileNotFoundError):
    """A file that is not there."""

    errno = errno.ENOENT

    def __str__(self) -> str:
        return self.args[0]


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """Turns errors of the compiled part into those of this module."""
    try:
        yield
    except _Raised as error:
        what, hint, exit_code, missing = error.args
        kind = MissingFileError if missing else UsageError if exit_code == 2 else Error
        raise kind(what, hint, exit_code) from None
