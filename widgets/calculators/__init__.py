"""The calculators, a module each: `view(state)` from inputs to a plain dict."""
