"""``python -m mendem`` is the command ``mendem``."""

import sys

from mendem.cli import main

if __name__ == "__main__":
    sys.exit(main())
