"""Flower, which shows what Celery does: workers, tasks by lane, queues. It looks only; the console steers."""
