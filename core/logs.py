"""Logs: one line per event on stderr, or into a file; secrets never reach them."""

import logging
import sys
import time


def configure_logs(level: str, role: str) -> None:
    """Send this process's logs to stderr.

    Args:
        level: DEBUG, INFO, WARNING or ERROR.
        role: What this process is (`worker`, `dispatcher`…); stands in every line.
    """
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter(
        f"%(asctime)s.%(msecs)03dZ %(levelname)s {role} %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("httpx", "httpcore", "PIL", "kombu", "amqp", "celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
