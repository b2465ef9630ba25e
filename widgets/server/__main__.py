"""`python -m widgets.server`."""

import sys

# jsonschema would read a grammar of addresses for three seconds, to check what nobody here writes.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

try:
    from .serve import main
except ModuleNotFoundError as missing:
    raise SystemExit(f"llmcap: the server needs {missing.name}: install llmcap[apps].") from missing

if __name__ == "__main__":
    sys.exit(main())
