"""The pool of the resource `comfyui`. Its workers can also be started one by one, without the pool, by plain RQ:

    rq worker -c worker_configs.comfyui -w jobs.engine.worker.FarmWorker -j jobs.engine.rings.RingJob \
        -S rq.serializers.JSONSerializer comfyui
"""

from jobs.settings import Settings
from worker_configs.log_config import make_log_config

_settings = Settings.load()

QUEUES = ["comfyui"]
NUM_WORKERS = _settings.comfyui_workers
REDIS_URL = _settings.redis
DICT_CONFIG = make_log_config("comfyui")
