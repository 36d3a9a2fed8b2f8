"""Damage files in ways that repeat, and read what is left in a process of its own, which a file may end or fill."""

import contextlib
import json
import logging
import os
import resource
import signal
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

PATIENCE = 60  # seconds that only a file takes which never ends
DOCUMENTED = (ValueError, OSError)  # what comes out of a file that is not well, with its name


def flip_bits(content, random):
    for place in random.integers(len(content), size=random.integers(1, 9)):
        content[place] ^= 1 << int(random.integers(8))


def overwrite(content, random):
    start = int(random.integers(len(content)))
    size = int(random.integers(1, 64))
    content[start : start + size] = random.bytes(len(content[start : start + size]))


def truncate(content, random):
    del content[int(random.integers(len(content))) :]


def swap_blocks(content, random):
    size = int(random.integers(1, 512))
    one, other = (int(place) for place in random.integers(max(len(content) - size, 1), size=2))
    content[one : one + size], content[other : other + size] = content[other : other + size], content[one : one + size]


def duplicate_range(content, random):
    start, size = int(random.integers(len(content))), int(random.integers(1, 2048))
    content[start:start] = content[start : start + size]


def remove_range(content, random):
    start, size = int(random.integers(len(content))), int(random.integers(1, 2048))
    del content[start : start + size]


def zero_range(content, random):
    start, size = int(random.integers(len(content))), int(random.integers(1, 2048))
    content[start : start + size] = bytes(len(content[start : start + size]))


def enlarge_number(content, random):
    """Make one of the small whole numbers of a file, which are sizes and places, a large one."""
    numbers = np.frombuffer(content[: len(content) // 4 * 4], "<u4")
    places = np.flatnonzero((numbers > 0) & (numbers < 1 << 16))
    if len(places):
        place = int(random.choice(places)) * 4
        width = int(random.choice([4, 8]))
        large = int(random.choice([1 << 10, 1 << 20, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, (1 << 64) - 1]))
        content[place : place + width] = (large % (1 << 8 * width)).to_bytes(width, "little")


MUTATIONS = (flip_bits, overwrite, truncate, swap_blocks, duplicate_range, remove_range, zero_range, enlarge_number)


def mutated(whole, number):
    """Return a damaged copy of a file, always the same for a number, and what was done."""
    random = np.random.default_rng(number)
    content, mutation = bytearray(whole), MUTATIONS[number % len(MUTATIONS)]
    mutation(content, random)
    return bytes(content), mutation.__name__


@dataclass
class Report:
    """What came of reading damaged files: how many had which outcome, the longest time in seconds, and how memory grew."""

    outcomes: dict = field(default_factory=dict)
    wrong: list = field(default_factory=list)
    slowest: float = 0.0
    grown: float = 0.0  # megabytes

    def note(self, number, words, outcome, seconds):
        known = outcome if outcome in ("read", "refused") else "wrong"
        self.outcomes[known] = self.outcomes.get(known, 0) + 1
        self.slowest = max(self.slowest, seconds)
        if known == "wrong":
            self.wrong.append(f"{number} ({words}): {outcome}")


def outcome_of(read, path):
    """Read a file; return what came of it: "read", "refused", or what should not have come."""
    try:
        read(path)
    except DOCUMENTED as error:
        return "refused" if path.name in str(error) else f"no name in {type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001 - told to the test
        frame = error.__traceback__
        while frame.tb_next:
            frame = frame.tb_next
        place = f"{Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}"
        return f"{type(error).__name__} at {place}: {error}"
    return "read"


def in_own_process(work):
    """Run `work(tell)` in a fork, since importing Keras anew takes longer than all the rest; yield what it tells, line by line.

    The last line is how the process ended, "" for well.
    """
    ours, theirs = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # there are threads, none of which the fork needs
        child = os.fork()
    if not child:
        os.close(ours)
        code = 1
        with contextlib.suppress(BaseException):
            logging.disable()
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            work(lambda *told: os.write(theirs, (json.dumps(told) + "\n").encode()))
            code = 0
        os._exit(code)
    os.close(theirs)
    with os.fdopen(ours) as lines:
        for line in lines:
            yield json.loads(line)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    yield [{0: "", -signal.SIGALRM: "never ended"}.get(status, f"ended the process with {status}")]


def grown_since(before):
    """Return by how many megabytes the largest size of this process has grown."""
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def fuzz(read, source, numbers):
    """Read damaged copies of a file, one for each number; return a `ErrorHandler`."""
    whole, report, left = source.read_bytes(), Report(), list(numbers)
    path = source.with_name("damaged" + source.name[source.name.index(".") :])

    def work(tell):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for number in left:
            content, words = mutated(whole, number)
            path.write_bytes(content)
            tell(number, words)
            signal.alarm(PATIENCE)
            began = time.perf_counter()
            outcome = outcome_of(read, path)
            signal.alarm(0)
            tell(outcome, time.perf_counter() - began, grown_since(before))

    while left:
        begun = None
        for told in in_own_process(work):
            if len(told) == 2:
                begun = told
            elif len(told) == 3:
                report.note(*begun, *told[:2])
                report.grown = max(report.grown, told[2])
                begun = None
            elif told[0]:
                assert begun, told
                report.note(*begun, told[0], 0.0)
                left = left[left.index(begun[0]) + 1 :]
            else:
                left = []
    return report
