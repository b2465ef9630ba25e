"""The book's builder, and the pages it writes from the kernel."""
