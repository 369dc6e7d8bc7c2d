"""What the board says of each trouble, and what a look costs."""
