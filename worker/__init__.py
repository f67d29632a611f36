"""What runs a job: the Celery app and task, and the pipeline from claim to finish."""
