"""The book and its apps from one process: `python -m widgets.server`."""
