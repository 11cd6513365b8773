"""The one door to OpenMP: how many threads a piece of work gets.

The count is kept here and handed to each loop, never to OpenMP's own global setting, so other libraries in the process
keep theirs. Built without OpenMP, the same names exist and the count stays 1.
"""

cdef extern from "parallel.h" nogil:
    const int HAS_OPENMP
    int omp_get_max_threads()
    int count_team(int threads)
    int after_fork(void (*in_child)() noexcept nogil)

# The least work worth a thread, in nanoseconds of one core. Opening a region for two threads took 1 us with the second
# awake and 35 us with it asleep (2-core Xeon, 2.5 GHz; time an empty `omp parallel` after pauses of 0 and 20 ms).
cdef enum:
    WORK_PER_THREAD = 32768
    MAX_THREADS = 1024  # OpenMP ends the process when the system refuses it a thread

cdef int threads = min(omp_get_max_threads(), MAX_THREADS)  # OMP_NUM_THREADS, or else the processors we may use
cdef bint forked = False


cdef void stay_serial() noexcept nogil:
    # GNU OpenMP waits for its team forever in a child process, which inherits the team's records but not its threads.
    global forked
    forked = True


if after_fork(stay_serial) != 0:
    raise MemoryError("tinyrnn: cannot register a fork handler")


cdef int threads_for(Py_ssize_t work) noexcept nogil:
    cdef Py_ssize_t useful = work // WORK_PER_THREAD
    if forked or useful < 2:
        return 1
    return <int>min(useful, <Py_ssize_t>threads)


def has_openmp():
    """Whether this build can use more than one thread."""
    return bool(HAS_OPENMP)


def set_num_threads(n):
    """Let operations use at most `n` threads from now on, 1 <= n <= 1024; results do not depend on it, bit for bit.

    It is an upper limit: small work stays on one thread. Without OpenMP, and in a process forked from one that had
    loaded tinyrnn, everything stays on one thread whatever is asked; `get_num_threads` says so.
    Raises TypeError when `n` is not an integer (True and False are not), ValueError when it is out of range.
    """
    global threads
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"set_num_threads: expected an integer, got {type(n).__name__}")
    n = n.__index__()
    if not 1 <= n <= MAX_THREADS:
        raise ValueError(f"set_num_threads: expected a number from 1 to {MAX_THREADS}, got {n}")
    if HAS_OPENMP:
        threads = n


def get_num_threads():
    """How many threads an operation may use: what `set_num_threads` set, or OMP_NUM_THREADS, or the usable processors.

    1 without OpenMP and in a forked process.
    """
    return 1 if forked else threads


def team_size(work):
    """How many threads a loop of about `work` nanoseconds really gets: opens a parallel region and counts."""
    cdef int team, wanted = threads_for(work)
    with nogil:
        team = count_team(wanted)
    return team
