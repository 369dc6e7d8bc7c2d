"""Tests. unit: no process, no socket but loopback stand-ins; integration: a real Redis and database; contract: the same
cases against stand-in and real servers; acceptance: the whole farm as processes, from outside.
"""
