"""What was asked and what became of it: tables, allowed moves, the journal of calls, the questions about them."""
