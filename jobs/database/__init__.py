"""The database: engine, transactions, clock, tables' common base, migrations. Knows no table and no rule."""

from jobs.database.base import Base, Moment
from jobs.database.session import Database, Outbox, advisory_lock, now_of, outbox_of

__all__ = ["Base", "Database", "Moment", "Outbox", "advisory_lock", "now_of", "outbox_of"]
