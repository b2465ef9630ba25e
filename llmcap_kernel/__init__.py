"""The math behind llmcap."""
