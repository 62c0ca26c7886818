#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Writes numbered records to a device while a node of it loses its power, and looks which of them are there in the end.

usage: power-load.py through|back DEVICE MIDDLE SEED FOLDER
       power-load.py check DEVICE MIDDLE       with a journal: reads all sectors
       power-load.py look FILE MIDDLE FIRST    with a journal: reads those of them that are in a copy of a node's disk, of
                                               which sector FIRST of the storage is the first; notes nothing

Several threads write, flush and read around sector MIDDLE, the boundary of two nodes, past the page cache. Each sector
of a write says where it belongs and which write it is of. FOLDER/busy appears when the load is at its full depth;
FOLDER/cut has to be there before the power is cut, FOLDER/stop tells that it is back: then every thread does a little
more, and all sectors are read. FOLDER/state carries what is known from one round to the next. The environment may give
THREADS, how many there are, SPAN, how many sectors they use, and SPREAD: only each so many-th chunk is used, of an area that
is larger by that.

With JOURNAL=FILE, which lies on another machine, this machine may lose its power as well. What is known is in that file
then: a line for each thing that is certain from then on, for "check" to hold against what is there afterwards. First of
all each thread writes all of its sectors, so that whatever was there in an earlier round is wrong.

through  a write is stable when it has ended: every sector holds the last write, whenever it is read; no flush fails
back     a write is stable when a flush has ended well that began after the write had ended. Every sector holds its
         newest stable write or one that came after it. A flush may fail after a cut: then nothing that was written before
         counts as stable, whatever a flush at the same time says, since it may have reached the kernel later.

A sector never holds anything but one of its own writes, in no case may a write or a read fail, and when the load has
ended one flush more may fail but not two. That flushes at the same time fail together is left to flush-loss.py.
"""

import errno
import mmap
import os
import pickle
import random
import struct
import sys
import threading
import zlib

SECTOR = 512
SPAN = int(os.environ.get("SPAN", "4096"))
CHUNK = 64
THREADS = int(os.environ.get("THREADS", "6"))
SPREAD = int(os.environ.get("SPREAD", "1"))
JOURNAL = os.environ.get("JOURNAL")
ANY = sys.maxsize
BUSY = 120
REST = 15
HEAD = struct.Struct("<8sQQI")
MAGIC = b"DSTpower"
FILL = SECTOR - HEAD.size


def checksum(sector, version, fill):
    return zlib.crc32(fill, zlib.crc32(struct.pack("<QQ", sector, version)))


def record(sector, version, fill):
    return HEAD.pack(MAGIC, sector, version, checksum(sector, version, fill)) + fill


def version_of(sector, data):
    """The write that the content of a sector is of; None if it is of none."""
    magic, where, version, check = HEAD.unpack_from(data)
    if data == bytes(SECTOR):
        return 0
    if magic == MAGIC and where == sector and check == checksum(sector, version, data[HEAD.size :]):
        return version
    return None


def place(base, first):
    """The sector of the storage that is number "first" of those that are used."""
    return base + first // CHUNK * CHUNK * SPREAD + first % CHUNK


class Journal:
    """What is certain of each sector, in a file that outlives this machine.

    "+ FIRST COUNT WRITE"  these sectors hold this write or a later one
    "= FIRST COUNT WRITE"  they were read, and hold this one
    "open WRITE"           a load begins, with this number
    "closed"               all of this is what is there, and nobody writes
    """

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        # Two appending writes at once could get the same place in a file of another machine.
        self.lock = threading.Lock()
        self.sure, self.next, self.closed = [0] * SPAN, 1, True
        with open(path, encoding="ascii") as file:
            lines = file.read().split("\n")
        # What follows on the last newline was not written to its end.
        for line in lines[:-1]:
            self.take(*line.split())
        if not self.closed:
            # The load may have used numbers that nothing is known of.
            self.next += 1000000

    def take(self, what, *numbers):
        numbers = [int(number) for number in numbers]
        self.next = max(self.next, *(number + 1 for number in numbers[-1:]), 1)
        if what in "+=":
            first, count, version = numbers
            for at in range(first, first + count):
                self.sure[at] = version if what == "=" else max(self.sure[at], version)
        self.closed = what == "closed"

    def tell(self, lines):
        text = "".join(f"{line}\n" for line in lines).encode("ascii")
        while text:
            text = text[os.write(self.fd, text) :]

    def close(self, found):
        """All sectors were read, and are stable."""
        lines, first = [], 0
        for at in range(1, SPAN + 1):
            if at == SPAN or found[at] != found[first]:
                lines.append(f"= {first} {at - first} {found[first]}")
                first = at
        self.tell(lines + ["closed"])


class Flush:
    """A flush: it covers the acknowledged writes from number "void" to "end"."""

    def __init__(self, void, end):
        self.void, self.end = void, end
        self.spoiled = False
        # Flushes at the same time: their end decides.
        self.waits = set()


class Model:
    """What each sector may hold: writes from "sure" to "last", by number. Numbers grow."""

    def __init__(self, way, folder):
        self.way, self.folder = way, folder
        self.lock = threading.Lock()
        self.sure, self.last, self.next = [0] * SPAN, [0] * SPAN, 1
        self.written, self.flushes, self.failed, self.reads = 0, 0, 0, 0
        # Acknowledged writes in their order; up to "floor" all are stable, up to "void" a failed flush told of a loss.
        self.log, self.floor, self.void = [], 0, 0
        self.active, self.pending = set(), []
        self.problems = []
        self.old = 0
        # What the journal does not know yet.
        self.certain = []
        self.journal = Journal(JOURNAL) if JOURNAL else None
        if self.journal:
            self.sure, self.next = self.journal.sure, self.journal.next
            self.last = list(self.sure) if self.journal.closed else [ANY] * SPAN

    def tell(self):
        """Lets the journal know, before the caller does anything more."""
        if self.journal:
            with self.journal.lock:
                with self.lock:
                    lines, self.certain = self.certain, []
                self.journal.tell(lines)

    def problem(self, text):
        with self.lock:
            self.problems.append(text)

    def exists(self, name):
        return os.path.exists(f"{self.folder}/{name}")

    def write_begins(self, first, count):
        with self.lock:
            version = self.next
            self.next += 1
            self.last[first : first + count] = [version] * count
            return version

    def write_ended(self, first, count, version):
        with self.lock:
            self.written += 1
            if self.written == BUSY:
                open(f"{self.folder}/busy", "w").close()
            if self.way == "through":
                self.sure[first : first + count] = [version] * count
                self.certain.append(f"+ {first} {count} {version}")
            else:
                self.log.append((first, count, version))
        self.tell()

    def flush_begins(self):
        with self.lock:
            flush = Flush(self.void, len(self.log))
            self.active.add(flush)
            return flush

    def flush_ended(self, flush):
        with self.lock:
            self.flushes += 1
            self.active.remove(flush)
            flush.waits = set(self.active)
            if not flush.spoiled:
                self.pending.append(flush)
            for other in list(self.pending):
                other.waits.discard(flush)
                if not other.waits:
                    self.pending.remove(other)
                    self.covered(other)
        self.tell()

    def flush_failed(self, flush):
        with self.lock:
            self.failed += 1
            self.void = len(self.log)
            self.active.remove(flush)
            for other in self.active:
                other.spoiled = True
            self.pending = [other for other in self.pending if flush not in other.waits]

    def covered(self, flush):
        for first, count, version in self.log[max(flush.void, self.floor) : flush.end]:
            if min(self.sure[first : first + count]) < version:
                self.certain.append(f"+ {first} {count} {version}")
            for at in range(first, first + count):
                self.sure[at] = max(self.sure[at], version)
        if flush.void <= self.floor:
            self.floor = max(self.floor, flush.end)

    def sure_of(self, first, count):
        with self.lock:
            return self.sure[first : first + count], self.last[first : first + count]

    def check(self, base, first, data, sure, last, when):
        """Compares sectors that nobody writes to with what they may hold; returns what they hold."""
        found, sector = [], place(base, first)
        for i in range(len(data) // SECTOR):
            version = version_of(sector + i, data[i * SECTOR : (i + 1) * SECTOR])
            found.append(version)
            if version is None:
                self.problem(f"sector {sector + i} holds garbage {when}: {data[i * SECTOR : i * SECTOR + 64].hex()}")
            elif not sure[i] <= version <= last[i]:
                self.old += 1
                self.problem(f"sector {sector + i} holds write {version} {when}: {sure[i]} was stable, {last[i]} the last")
        return found


def read_from(fd, buffer, position):
    """Fills the buffer. A disk that was deleted has no bytes any more, which is its error and not this program's."""
    done = os.preadv(fd, [buffer], position)
    if done != len(buffer):
        raise OSError(errno.ENODATA, f"{done} bytes of {len(buffer)} at {position}")


class Thread(threading.Thread):
    def __init__(self, model, fd, base, number, seed):
        super().__init__()
        self.model, self.fd, self.base, self.number = model, fd, base, number
        self.dice = random.Random(f"{seed} {number}")
        self.buffer = memoryview(mmap.mmap(-1, CHUNK * SECTOR))

    def extent(self):
        """Some sectors of a chunk that belongs to this thread alone."""
        chunk = self.dice.randrange(SPAN // CHUNK // THREADS) * THREADS + self.number
        count = self.dice.choice((1, 1, 2, 7, 8, 8, 8, 16, 33, CHUNK))
        return chunk * CHUNK + self.dice.randrange(CHUNK - count + 1), count

    def write(self, first, count):
        version = self.model.write_begins(first, count)
        sector = place(self.base, first)
        fill = self.dice.randbytes(FILL)
        for i in range(count):
            self.buffer[i * SECTOR : (i + 1) * SECTOR] = record(sector + i, version, fill)
        done = os.pwritev(self.fd, [self.buffer[: count * SECTOR]], sector * SECTOR)
        assert done == count * SECTOR
        self.model.write_ended(first, count, version)

    def flush(self):
        flush = self.model.flush_begins()
        cut = self.model.exists("cut")
        try:
            os.fdatasync(self.fd)
        except OSError as error:
            if self.model.way == "through" or error.errno != errno.EIO:
                raise
            if not cut and not self.model.exists("cut"):
                raise
            self.model.flush_failed(flush)
        else:
            self.model.flush_ended(flush)

    def read(self):
        first, count = self.extent()
        sure, last = self.model.sure_of(first, count)
        read_from(self.fd, self.buffer[: count * SECTOR], place(self.base, first) * SECTOR)
        self.model.check(self.base, first, bytes(self.buffer[: count * SECTOR]), sure, last, "during the load")
        self.model.reads += 1

    def step(self):
        what = self.dice.choices((self.write, self.flush, self.read), (70, 15, 15))[0]
        what(*(self.extent() if what == self.write else ()))

    def run(self):
        try:
            if self.model.journal:
                for first in range(self.number * CHUNK, SPAN, THREADS * CHUNK):
                    self.write(first, CHUNK)
                self.flush()
            while not self.model.exists("stop"):
                self.step()
            for _ in range(REST):
                self.step()
        except Exception as error:  # pylint: disable=broad-except
            self.model.problem(f"thread {self.number}: {error!r}")


def settle(model, fd):
    """One flush more: it may be the one that tells of a loss, the one after it may not."""
    for attempt in 1, 2:
        flush = model.flush_begins()
        try:
            os.fdatasync(fd)
            return model.flush_ended(flush)
        except OSError as error:
            if model.way != "back" or attempt == 2:
                model.problem(f"flush {attempt} after the load: {error!r}")
            model.flush_failed(flush)


def read_all(model, fd, base, begin=0):
    """Which write each sector holds; "begin" is the first sector of what is read."""
    buffer = memoryview(mmap.mmap(-1, CHUNK * SECTOR))
    found = []
    for first in range(0, SPAN, CHUNK):
        if place(base, first) < begin:
            continue
        read_from(fd, buffer, (place(base, first) - begin) * SECTOR)
        sure, last = model.sure_of(first, CHUNK)
        found += model.check(base, first, bytes(buffer), sure, last, "in the end")
    return found


def check(model, fd, base):
    settle(model, fd)
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3")
    # What was found is stable: the last flush has ended well.
    found = [version or 0 for version in read_all(model, fd, base)]
    os.close(fd)
    if model.journal:
        model.journal.close(found)
    return found


def load(model, fd, base, seed):
    """Until FOLDER/stop is there."""
    state = f"{model.folder}/state"
    if model.journal:
        model.journal.tell([f"open {model.next}"])
    elif os.path.exists(state):
        with open(state, "rb") as file:
            model.sure, model.next = pickle.load(file)
        model.last = list(model.sure)
    threads = [Thread(model, fd, base, number, seed) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = check(model, fd, base)
    if not model.journal:
        with open(state, "wb") as file:
            pickle.dump((found, model.next), file)


def main():
    way, device, middle, *others = sys.argv[1:]
    base = int(middle) - SPAN * SPREAD // 2
    model = Model(way, others[-1] if way in ("through", "back") else None)
    if way == "look":
        read_all(model, os.open(device, os.O_RDONLY), base, int(others[0]))
    elif way == "check":
        check(model, os.open(device, os.O_RDWR | os.O_DIRECT), base)
    else:
        load(model, os.open(device, os.O_RDWR | os.O_DIRECT), base, others[0])
    for text in model.problems[:10]:
        print(text)
    print(
        f"{os.path.basename(device)}: {model.written} writes, {model.flushes} flushes and {model.failed} that failed, "
        f"{model.reads} reads, {len(model.problems)} problems, of which {model.old} sectors lost a stable write"
    )
    if model.old and model.old == len(model.problems):
        return 2
    return 1 if model.problems else 0


if __name__ == "__main__":
    sys.exit(main())
