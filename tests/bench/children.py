"""The house's own processes, found by what they were started as: their CPU time, and the worker's end."""

import psutil
from figures import BenchError


def child(name: str) -> psutil.Process:
    """`fujing api` or `fujing worker` as the house started it."""
    for process in psutil.Process().children():
        if process.cmdline()[-2:] == ["mobile_api.cli", name]:
            return process
    raise BenchError(f"the house runs no {name}")


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time so far of the process and what it started."""
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(time.user + time.system for time in times)


def end(name: str) -> None:
    """End that child, as a deployment would, unless an earlier figure did; it does not come back."""
    try:
        process = child(name)
    except BenchError:
        return
    process.terminate()
    process.wait(10)
