"""`python -m widgets.server`."""

import sys

# jsonschema would read a grammar of addresses for three seconds, to check what nobody here writes.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

from .serve import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
