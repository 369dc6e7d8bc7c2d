"""How work moves: rings (RQ queues), claims (who takes which step next), hold (a worker's right to a step), runner
(one step to its outcome), retries (pure table), worker and pool (RQ), changes (progress, waking), reconcile.
"""
