"""How exact the limiter is, over real HTTP: `python -m bench.limiter --rate 50 --calls 1000 --processes 3`.

Prints one JSON object. `utilisation` is the calls between the first and the last accepted one against the quota;
`most_in_a_second` counts what the server accepted and refused in any sliding second; `sent_late_ms` is how long after
its slot a call left the limiter, `arrived_late_ms` how long after it the server had read the call's head.
"""

import argparse
import json
import math
import multiprocessing
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Semaphore
from pathlib import Path

import httpx
from redis import Redis

from bench.counting import most_in_a_second, serve
from localstack.embedded import EmbeddedValkey
from removal.limiter import Limiter, Outcome

MOST_THREADS = 64
ACCOUNT = "bench"


def main() -> None:
    """Run once and print what came out."""
    with (
        tempfile.TemporaryDirectory() as home,
        EmbeddedValkey(Path(home)) as redis,
    ):
        print(json.dumps(run(options(), redis.url)))


def options(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what was asked for on the command line, or in `argv`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=50.0, help="configured calls per second")
    parser.add_argument("--quota", type=float, help="what the server accepts per second (default: the rate)")
    parser.add_argument("--calls", type=int, default=1000, help="calls in all")
    parser.add_argument("--processes", type=int, default=1, help="worker processes")
    parser.add_argument("--threads", type=int, help="threads per process (default: enough for the rate, at most 64)")
    parser.add_argument("--latency", type=float, default=1.0, help="seconds an accepted call takes")
    parser.add_argument("--body-kb", type=int, default=1, help="size of a request's body")
    parser.add_argument("--switch-ms", type=float, default=1.0, help="sys.setswitchinterval of the workers")
    return parser.parse_args(argv)


def run(options: argparse.Namespace, redis_url: str) -> dict[str, object]:
    """Start the server and the workers, wait for them, and return the figures."""
    fork = multiprocessing.get_context("spawn")
    quota = options.quota or options.rate
    pipe, server_end = fork.Pipe()
    server = fork.Process(target=serve, args=(server_end, quota, options.latency), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{pipe.recv()}/"
    wanted = options.rate * (options.latency + 0.5) / options.processes
    threads = options.threads or min(MOST_THREADS, math.ceil(wanted) + 2)
    left = fork.Semaphore(options.calls)
    workers, ends = [], []
    for _ in range(options.processes):
        mine, theirs = fork.Pipe()
        process = fork.Process(target=work, args=(theirs, options, redis_url, url, threads, left), daemon=True)
        process.start()
        workers.append(process)
        ends.append(mine)
    late, cpu_seconds = [], 0.0
    for end in ends:
        their_late, their_cpu = end.recv()
        late += their_late
        cpu_seconds += their_cpu
    pipe.send("done")
    calls = pipe.recv()
    for process in [*workers, server]:
        process.join(10)
    accepted = [call.arrived_us for call in calls if call.is_accepted]
    span = (accepted[-1] - accepted[0]) / 1e6
    return {
        "calls": len(calls),
        "rejected": len(calls) - len(accepted),
        "utilisation": round((len(accepted) - 1) / span / quota, 4),
        "most_in_a_second": most_in_a_second([call.arrived_us for call in calls]),
        "seconds": round(span, 2),
        "threads": threads * options.processes,
        "sent_late_ms": quantiles(late),
        "arrived_late_ms": quantiles([call.late_us / 1e6 for call in calls]),
        "cpu_ms_per_call": round(1000 * cpu_seconds / options.calls, 2),
    }


def quantiles(seconds: list[float]) -> dict[str, float]:
    """Return a few quantiles in milliseconds."""
    ordered = sorted(seconds)
    return {
        name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 2)
        for name, share in (("p1", 0.01), ("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0))
    }


def work(end: Connection, options: argparse.Namespace, redis_url: str, url: str, threads: int, left: Semaphore) -> None:
    """Make calls while there are some left, and tell through the pipe how late each was sent and what it cost."""
    sys.setswitchinterval(options.switch_ms / 1000)
    client = Redis.from_url(redis_url, socket_timeout=5, max_connections=threads + 2)
    limiter = Limiter(client, ACCOUNT, options.rate)
    late: list[float] = []
    never = threading.Event()
    ready = threading.Barrier(threads)
    body = b"x" * (options.body_kb * 1024)

    def caller() -> None:
        with httpx.Client(timeout=30) as http:
            http.get(url)
            ready.wait()
            while left.acquire(block=False):
                while not call(http):
                    pass

    def call(http: httpx.Client) -> bool:
        permit = limiter.wait_until_due(limiter.reserve(), cancelled=never)
        late.append(-limiter.due_in(permit))
        began = time.monotonic()
        answer = http.post(url, content=body, headers={"X-Slot": str(permit.at_us)}).json()
        is_ok = bool(answer["resCode"] == 200)
        limiter.settle(permit, Outcome.OK if is_ok else Outcome.THROTTLED, latency_seconds=time.monotonic() - began)
        return is_ok

    crew = [threading.Thread(target=caller) for _ in range(threads)]
    began = time.process_time()
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    client.close()
    end.send((late, time.process_time() - began))


if __name__ == "__main__":
    main()
