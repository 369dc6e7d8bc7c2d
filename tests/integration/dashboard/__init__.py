"""rq-dashboard below /ops/rq/, over HTTP: its pages, and all that it refuses. What lies in Redis: `strangers`."""
