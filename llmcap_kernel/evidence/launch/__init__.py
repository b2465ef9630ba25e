"""The command that launches an engine, read as a deployment.

It comes from a shell, from `docker run`, or from a manifest of Kubernetes or Compose, of vLLM,
SGLang, TensorRT-LLM or llama.cpp; those of Ollama, TGI and LMDeploy are read as theirs. Every
option of it is read, or known to change nothing, or named as unknown: `catalog/flags.toml` lists
them.

`words.py` finds commands in a shell's text, `manifest.py` and `code.py` in others, `bench.py` a
benchmark's; `options.py` parses and `engines.py` reads them; `reading.py` joins these, `record.py`
says what is found, and `meaning.py` makes a deployment of it.
"""

from .meaning import deployment, meant
from .reading import arguments, read, recognises
from .record import Launch, Read

__all__ = ["Launch", "Read", "arguments", "deployment", "meant", "read", "recognises"]
