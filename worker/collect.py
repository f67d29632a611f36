"""From an output link to verified bytes."""

from dataclasses import dataclass

from core.errors import OutputError, SourceError, SourceUnreachable
from worker import imaging
from worker.fetch import Fetcher


@dataclass(frozen=True, slots=True)
class Output:
    """Verified output bytes, in the source's format."""

    data: bytes
    format: str
    width: int
    height: int
    changed_ratio: float
    bytes_received: int


def collect(url: str, sent: bytes, source_format: str, fetcher: Fetcher) -> Output:
    """Download the output, check that it is the same picture's clean plate, and return it.

    Args:
        url: Where the API put the output; such links expire, so this runs right after the call.
        sent: The photo as it was sent.
        source_format: Pillow's name of the source's format; the output gets the same.
        fetcher: Checks addresses, sizes and times.

    Raises:
        SourceUnreachable: The link did not answer this time.
        OutputError: What is behind it is not the picture we asked for.
    """
    try:
        fetched = fetcher.get(url)
    except SourceUnreachable as error:
        if error.is_final:
            raise OutputError(f"output_{error.code}", f"The output link does not work: {error}") from error
        raise
    except SourceError as error:
        raise OutputError(f"output_{error.code}", f"The output link cannot be used: {error}") from error
    compared = imaging.compare(sent, fetched.data)
    data = fetched.data
    if compared.format != source_format:
        data = imaging.as_format(fetched.data, source_format)
    return Output(
        data=data,
        format=source_format,
        width=compared.width,
        height=compared.height,
        changed_ratio=compared.changed_ratio,
        bytes_received=len(fetched.data),
    )
