"""`python -m plateau` is the `plateau` command."""

import sys

from plateau.cli import main

sys.exit(main())
