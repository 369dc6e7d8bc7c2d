"""RQ config modules, one for each pool, and the log configuration: what operators edit."""
