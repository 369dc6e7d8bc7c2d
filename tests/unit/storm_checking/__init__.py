"""The checker of storms: each verdict once clean and once red, over a small history written by hand (`story`)."""
