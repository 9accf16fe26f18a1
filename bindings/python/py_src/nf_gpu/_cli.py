"""The command `nf-gpu`, as the binary runs it."""

import signal
import sys

from ._nf_gpu import cli


def main() -> int:
    """Runs the command line of this process; returns the exit code."""
    # Python's own handler would only note Ctrl-C for the interpreter, which waits for the program. A signal that is
    # ignored, as behind nohup, stays ignored.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    return cli(["nf-gpu", *sys.argv[1:]])
