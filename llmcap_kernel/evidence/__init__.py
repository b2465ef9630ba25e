"""What was measured: how people spell it, the files it comes in, and how far off we are."""
