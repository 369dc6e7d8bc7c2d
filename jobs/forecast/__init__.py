"""How long it will take: the range in which each open task, and a new one, will be done."""
