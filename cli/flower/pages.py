# mypy: disable-error-code="misc, untyped-decorator"
"""Those of Flower's pages that are ours: closed ones that it leaves open, and tasks that link to their photos."""

import re
from typing import Any

from flower.views.monitor import Healthcheck, Metrics
from flower.views.tasks import TaskView
from tornado.web import authenticated

JOB = re.compile(r"\d+")
SHOWN = re.compile(rb"<code>job (\d+)</code>")


class ClosedMetrics(Metrics):
    """Flower's metrics, which it shows to anybody."""

    @authenticated
    async def get(self) -> None:
        """Show them to who has signed in."""
        await super().get()


class ClosedHealthcheck(Healthcheck):
    """Flower's healthcheck, which it shows to anybody."""

    @authenticated
    async def get(self) -> None:
        """Show it to who has signed in."""
        await super().get()


class LinkedTaskView(TaskView):
    """A task, with a link to its photo in the console."""

    def render_string(self, template_name: str, **kwargs: Any) -> bytes:
        """Return the page."""
        page: bytes = super().render_string(template_name, **kwargs)
        link = rf'<code><a href="{self.application.job_url}/\1">job \1</a></code>'
        return SHOWN.sub(link.encode(), page)


def name_job(task: Any) -> Any:
    """Return a task with its argument, a job's id, as people say it."""
    found = JOB.search(str(task.args))
    if found is not None:
        task.args = f"job {found[0]}"
    return task
