"""A question typed in a line: how it is read, the inputs that it sets, and what is said back."""

from .form_inputs import inputs, limited, unasked
