"""fal's library puts a request into the queue, asks about it twice, fetches the result and cancels it."""

import json
import sys
from urllib.parse import urlsplit

import fal_client
import fal_client.client

asked = json.load(sys.stdin)
# Its hosts can be set, but not to plain http, which is all that the recorder speaks.
fal_client.client.QUEUE_URL_FORMAT = f"http://{urlsplit(asked['base_url']).netloc}/"
client = fal_client.SyncClient(key=asked["key"])
given = {**asked["parameters"], "prompt": asked["prompt"], asked["photo_field"]: fal_client.encode_file(asked["photo"])}
handle = client.submit(asked["model"], given)
handle.status()
client.result(asked["model"], handle.request_id)
client.cancel(asked["model"], handle.request_id)
