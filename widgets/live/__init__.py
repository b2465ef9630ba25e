"""Python in the reader's page: what the worker of a page calls, with no kernel and no server."""
