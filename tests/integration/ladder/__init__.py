"""Styles with alternatives: offered, left, changed over to."""
