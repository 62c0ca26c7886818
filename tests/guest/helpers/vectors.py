#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Writes and reads with vectors that begin at any multiple of 512 bytes in a page.

usage: vectors.py DISK REFERENCE ROUNDS BOUNDARY...

Does the same writes to DISK, past the page cache, and to the file REFERENCE, and compares what it reads. Most of the
ranges cross one of the given boundaries (sectors).
"""

import mmap
import os
import random
import sys

SECTOR = 512
MOST = 2000


def vectors(rng, memory, count):
    """COUNT sectors of memory in pieces of random lengths that begin at random sectors, without overlap."""
    pieces = []
    at = rng.randrange(16)
    while count > 0:
        length = min(count, rng.choice((1, 1, 2, 3, 7, 8, 9, 33, 500)))
        pieces.append(memory[at * SECTOR:(at + length) * SECTOR])
        at += length + rng.choice((0, 0, 1, 5, 8))
        count -= length
    return pieces


def main():
    disk_path, reference_path, rounds, boundaries = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
    boundaries = [int(boundary) for boundary in boundaries]
    rng = random.Random(1)
    disk = os.open(disk_path, os.O_RDWR | os.O_DIRECT)
    total = os.lseek(disk, 0, os.SEEK_END) // SECTOR
    reference = os.open(reference_path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.truncate(reference, total * SECTOR)
    memory = memoryview(mmap.mmap(-1, 16 * MOST * SECTOR))
    for _ in range(rounds):
        count = rng.choice((1, 2, 3, 8, 15, 17, 64, 255, MOST))
        count = rng.randint(1, min(count, total))
        at = rng.choice(boundaries) - rng.randint(0, count)
        if rng.random() < 0.1:
            at = rng.randrange(total)
        at = max(0, min(at, total - count))
        pieces = vectors(rng, memory, count)
        if rng.random() < 0.6:
            for piece in pieces:
                piece[:] = rng.randbytes(len(piece))
            done = os.pwritev(disk, pieces, at * SECTOR)
            os.pwrite(reference, b"".join(pieces), at * SECTOR)
        else:
            done = os.preadv(disk, pieces, at * SECTOR)
            if b"".join(pieces) != os.pread(reference, count * SECTOR, at * SECTOR):
                sys.exit(f"reading {count} sectors at {at} gave something else than was written")
        if done != count * SECTOR:
            sys.exit(f"{done} bytes were moved instead of {count} sectors at {at}")


main()
