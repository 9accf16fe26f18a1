"""`python -m nf_gpu` is the command `nf-gpu`."""

import sys

from ._cli import main

sys.exit(main())
