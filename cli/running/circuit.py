"""An open circuit as people read it."""

from core.figures import clock, moment
from db import outages
from db.circuits import OpenCircuit


def describe_circuit(circuit: OpenCircuit) -> str:
    """Return why, since when, and what happens next."""
    is_outage = circuit.reason == outages.REASON
    what = "the provider is down" if is_outage else "the API refuses the account"
    after = "it continues by itself" if is_outage else "it continues once a probe succeeds; fix the account"
    return (
        f"{circuit.reason}: {what} since {moment(circuit.opened_at)}, {circuit.code} "
        f"({circuit.message}). Photos wait and use up no attempts; next probe {clock(circuit.next_probe_at)}, "
        f"{after}."
    )


def as_dict(circuit: OpenCircuit | None) -> dict[str, object] | None:
    """Return what `--json` tells of it; None when the account may be called."""
    if circuit is None:
        return None
    return {
        "reason": circuit.reason,
        "code": circuit.code,
        "message": circuit.message,
        "since": circuit.opened_at.isoformat(),
        "last_failed": circuit.last_failed_at.isoformat(),
        "next_probe": circuit.next_probe_at.isoformat(),
        "failed_probes": circuit.failed_probes,
    }
