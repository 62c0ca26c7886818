#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Do flushes tell, once, that nodes have lost writes which were acknowledged?

usage: flush-loss.py DEVICE MIDDLE UNFLUSHED LOSES late|early FOLDER

The device has two nodes that meet at sector MIDDLE. Writes to both and flushes; then writes to the nodes of UNFLUSHED
("", "1", "2" or "12") without a flush, and makes FOLDER/busy. FOLDER/off tells that nodes have lost their power,
FOLDER/stop that they are back. LOSES is 1 if something that was not flushed was on these.

late   the next flush has to fail if LOSES is 1, and only that one; else none. One more may fail that is asked for before
       the module has noted that the first was told, which is a moment later: it cannot know that its caller knows
early  flushes of many threads wait while the nodes are off: all of them have to fail, or none. Those that come later
       succeed. There are more of them than can be under way at once.

What was flushed is there. What was not is there if no node lost it, and is either old or new otherwise.
"""

import errno
import mmap
import os
import sys
import threading
import time

SECTOR = 512
COUNT = 64
THREADS = 80


def fail(text):
    print(f"{os.path.basename(sys.argv[1])}: {text}")
    sys.exit(1)


def asleep():
    """How many threads of this process wait in the kernel and cannot be interrupted."""
    count = 0
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/stat", encoding="ascii") as file:
            count += file.read().rpartition(")")[2].split()[0] == "D"
    return count


def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.1)


def main():
    device, middle, unflushed, loses, when, folder = sys.argv[1:]
    middle, loses = int(middle), loses == "1"
    starts = {"1": middle - COUNT, "2": middle}
    fd = os.open(device, os.O_RDWR | os.O_DIRECT)
    buffer = mmap.mmap(-1, COUNT * SECTOR)

    def write(node, letter):
        buffer[:] = letter * (COUNT * SECTOR)
        assert os.pwritev(fd, [buffer], starts[node] * SECTOR) == COUNT * SECTOR

    def read(node):
        assert os.preadv(fd, [buffer], starts[node] * SECTOR) == COUNT * SECTOR
        return {bytes(buffer[at : at + SECTOR]) for at in range(0, COUNT * SECTOR, SECTOR)}

    def flush_fails():
        try:
            os.fdatasync(fd)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return True
        return False

    old, new = b"o", b"n"
    for node in starts:
        write(node, old)
    if flush_fails():
        fail("a flush fails before anything is lost")
    for node in unflushed:
        write(node, new)
    open(f"{folder}/busy", "w").close()
    wait_for(f"{folder}/off")
    results = []
    threads = [threading.Thread(target=lambda: results.append(flush_fails())) for _ in range(THREADS * (when == "early"))]
    for thread in threads:
        thread.start()
    while asleep() < len(threads) and not results:
        time.sleep(0.1)
    open(f"{folder}/waiting", "w").close()
    wait_for(f"{folder}/stop")
    for thread in threads:
        thread.join()
    if results.count(loses) != len(threads):
        fail(f"of {len(threads)} flushes during the loss of '{unflushed}' {results.count(True)} fail, lost: {loses}")
    tells = loses and not threads
    failures = [flush_fails() for _ in range(3)]
    if failures != [tells, False, False] and failures != [tells, tells, False]:
        fail(f"which of three flushes fail: {failures}; not flushed were the nodes '{unflushed}', lost: {loses}, {when}")
    for node in starts:
        expected = {old * SECTOR}
        if node in unflushed:
            expected = {new * SECTOR, old * SECTOR} if loses else {new * SECTOR}
        if not read(node) <= expected:
            fail(f"node {node} does not hold what it should; not flushed were the nodes '{unflushed}', lost: {loses}")
    for node in starts:
        write(node, new)
    if flush_fails():
        fail("a flush fails after the loss was told")
    print(f"{os.path.basename(device)}: nodes with unflushed writes '{unflushed}', lost: {loses}, told {when}: right")


if __name__ == "__main__":
    main()
