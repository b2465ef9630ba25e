"""The calculators: pure views of the kernel, and the widget that shows them."""
