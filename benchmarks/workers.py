"""A peer in a process of its own, which builds what it is asked to and runs it when it is its turn.

Own processes, because thread pools that wait for work by spinning take the processor from whoever is next, and because
some libraries count the processors once, when they load. A worker sees exactly as many processors as it has threads.
"""
import ctypes
import importlib
import multiprocessing
import os
import time
import traceback
from contextlib import contextmanager

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# A thread for each processor. Without this, two threads that woke up on one processor may stay there for long, each
# spinning until the other's time is over: a product of 30 us took 4 ms (PyTorch 2.13, GNU OpenMP, 2 processors).
BINDING = {"OMP_PROC_BIND": "true", "OMP_PLACES": "cores"}


class Worker:
    """`package` with `threads` threads, at the other end of a pipe."""

    def __init__(self, package, threads):
        self.pipe, remote = multiprocessing.Pipe()
        spawn = multiprocessing.get_context("spawn")
        self.process = spawn.Process(target=serve, args=(remote, package, threads))
        with environment(dict.fromkeys(THREAD_VARIABLES, str(threads)) | BINDING):
            self.process.start()
        remote.close()

    def ask(self, *request):
        self.pipe.send(request)
        try:
            answer, failure = self.pipe.recv()
        except EOFError:
            raise RuntimeError(f"the process for {request} ended") from None
        if failure:
            raise RuntimeError(failure)
        return answer

    def prepare(self, function, *case):
        """Builds `function(package, *case)`, named "file.function", and runs it once; returns its results by name."""
        return self.ask("prepare", function, *case)

    def turn(self, seconds, calls=1):
        """Runs what was prepared for `seconds`; returns the seconds of single calls, or means of `calls` in a row."""
        return self.ask("turn", seconds, calls)

    def peak_memory(self, function, small, case):
        """Bytes by which the first call grows a fork of this process that has built it and has run a `small` one."""
        return self.ask("peak_memory", function, small, case)

    def close(self):
        self.pipe.close()
        self.process.join()


@contextmanager
def environment(variables):
    """For what is started within: libraries read these when they load, before `serve` could set them."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def serve(pipe, package, threads):
    """The worker's side: answers until the pipe is closed."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    peer = Peer(package, threads)
    while True:
        try:
            request, *arguments = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            pipe.send((getattr(peer, request)(*arguments), None))
        except Exception:
            pipe.send((None, traceback.format_exc()))


class Peer:
    """What a worker keeps: the library, and the call that was prepared last."""

    def __init__(self, package, threads):
        self.package, self.threads = package, threads
        self.step = self.library = None

    def build(self, function, case):
        """-> step(), what is timed, and read(what it returned), the arrays to compare."""
        self.step = None                        # what was there before goes first
        self.import_library()
        file, function = function.split(".")
        return getattr(importlib.import_module(f"peers.{file}"), function)(self.library, *case)

    def import_library(self):
        if self.library is None:
            self.library = importlib.import_module(self.package)
            if hasattr(self.library, "set_num_threads"):
                self.library.set_num_threads(self.threads)

    def prepare(self, function, *case):
        self.step, read = self.build(function, case)
        begin = time.perf_counter()
        results = read(self.step())
        self.last = time.perf_counter() - begin
        return results

    def turn(self, seconds, calls):
        step, clock, times = self.step, time.perf_counter, []
        if self.last < seconds:                 # bring the caches back; a long call does that by itself
            step()
        start = end = clock()
        while not times or end + self.last < start + seconds:
            begin = clock()
            for _ in range(calls):
                step()
            end = clock()
            self.last = end - begin
            times.append(self.last / calls)
        return times

    def peak_memory(self, function, small, case):
        self.import_library()
        fork = multiprocessing.get_context("fork")
        receiver, sender = fork.Pipe(duplex=False)
        child = fork.Process(target=self.send_growth, args=(sender, function, small, case))
        child.start()
        sender.close()
        growth = receiver.recv()
        child.join()
        return growth

    def send_growth(self, sender, function, small, case):
        """The high-water mark of what was allocated. Pages of the library's own code come in when first used; those
        that `small` does not use are taken off afterwards."""
        self.build(function, small)[0]()
        step, _ = self.build(function, case)
        ctypes.CDLL(None).malloc_trim(0)        # what building has freed must not be there to be used again
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")                     # the high-water mark falls to what is resident now
        before, code = resident("VmRSS"), resident("RssFile")
        step()
        sender.send(resident("VmHWM") - before - (resident("RssFile") - code))


def resident(name):
    """A line of /proc/self/status in bytes."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name)) * 1024
