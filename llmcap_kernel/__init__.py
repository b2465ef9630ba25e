"""The math behind llmcap."""

__version__ = "0.2.0"
