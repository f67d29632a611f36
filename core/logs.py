"""Logs: one event a line on stderr, JSON unless somebody looks at it on a terminal; secrets never reach them.

What a line is about (batch, job, lane, attempt, request) is bound once, and stands in every line that follows in the
same thread or request, whichever library wrote it.
"""

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import structlog
from structlog.contextvars import bind_contextvars, clear_contextvars
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from core.shown import text_for_terminal

CHATTY = ("httpx", "httpcore", "PIL", "kombu", "amqp", "celery.worker.strategy", "celery.app.trace", "urllib3")

# Without the values of local variables: secrets and whole photos are among them.
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def configure_logs(level: str, role: str) -> None:
    """Send this process's logs to stderr.

    Args:
        level: DEBUG, INFO, WARNING or ERROR.
        role: What this process is (`worker`, `dispatcher`…); stands in every line.
    """

    def add_role(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["role"] = role
        # uvicorn says some things twice, once in colours.
        event.pop("color_message", None)
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        # So that structlog's loggers take values as those of the standard library do.
        structlog.stdlib.PositionalArgumentsFormatter(),
        add_role,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    is_read_by_people = sys.stderr.isatty()
    last: list[Processor] = (
        [_tame, structlog.dev.ConsoleRenderer(exception_formatter=_write_tame_traceback)]
        if is_read_by_people
        else [_TRACEBACKS, structlog.processors.JSONRenderer(ensure_ascii=False)]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _tame(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Let no name or message of others have the terminal do anything; what is no terminal is written JSON."""
    return {name: text_for_terminal(value) if isinstance(value, str) else value for name, value in event.items()}


def _write_tame_traceback(out: TextIO, about: ExcInfo) -> None:
    written = io.StringIO()
    structlog.dev.plain_traceback(written, about)
    out.write(text_for_terminal(written.getvalue()))


@contextmanager
def bound(**about: Any) -> Iterator[None]:
    """Say what the lines are about that are logged in this block, and nothing of it after its end."""
    clear_contextvars()
    bind_contextvars(**about)
    try:
        yield
    finally:
        clear_contextvars()


def bind(**about: Any) -> None:
    """Say more about what follows in the block of `bound`."""
    bind_contextvars(**{name: value for name, value in about.items() if value is not None})
