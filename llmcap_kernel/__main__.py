"""`python -m llmcap_kernel`, and what the console script `llmcap` runs."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
