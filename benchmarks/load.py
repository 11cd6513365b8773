"""How much of the machine other processes took while something was measured: beside a busy machine, the times of two
threads say little, because each waits for the other."""
import os
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def machine_ticks():
    """Processor time everyone has used; idle and waiting are the 4th and 5th number."""
    numbers = [int(n) for n in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return sum(numbers) - numbers[3] - numbers[4]


def process_ticks(pid):
    """Of a process and the children it has waited for: fields 14 to 17."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, after_name[11:15]))


class Load:
    """Counts from its creation. `pids` are the children that still run."""

    def __init__(self, pids):
        self.begin, self.others = time.monotonic(), self.count(pids)

    def count(self, pids):
        if not Path("/proc/stat").exists():
            return 0
        return machine_ticks() - sum(map(process_ticks, ["self", *pids]))

    def share(self, pids):
        """Of the processor time there was, what others took: from 0 to 1."""
        seconds = max(self.count(pids) - self.others, 0) / TICK
        return seconds / ((time.monotonic() - self.begin) * os.cpu_count())
