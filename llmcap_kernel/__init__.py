"""The math behind llmcap."""

__version__ = "0.3.0"
