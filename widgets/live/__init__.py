"""What runs in the reader's browser: the Python side of a page's worker."""
