"""The farm's surface: every bad input of the table, against a running farm over real sockets."""
