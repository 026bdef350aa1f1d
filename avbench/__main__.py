"""`python -m avbench` is `avbench`."""

import os
import sys

if sys.path[0] == os.getcwd():  # -m put it first, where a user's own reports/ would shadow ours
    sys.path.append(sys.path.pop(0))

from avbench.cli import main

main()
