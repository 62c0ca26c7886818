#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Writes files and makes them durable while machines lose their power, and looks which of them are there afterwards.

usage: power-files.py write FOLDER SEED LOG OWN         until the file OWN/stop appears or a call fails
       power-files.py check FOLDER LOG

Several threads make files of random content. A line of LOG, which lies on another machine, tells each thing that is
certain from then on: "+ NAME SEED SIZE", the file is durable under this name, since fsync has ended well for it and for
its folder; "- NAME", it is about to be removed or replaced, so nothing is known about it any more. OWN/busy appears when
some files are durable.
"""

import os
import random
import sys
import threading

THREADS = 4
FILES = 40
BUSY = 20
# Two appending writes at once could get the same place in a file of another machine.
LOG = threading.Lock()


def content(seed, size):
    return random.Random(seed).randbytes(size)


def sync_folder(folder):
    fd = os.open(folder, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


class Writer(threading.Thread):
    durable = 0

    def __init__(self, folder, seed, log, own, number):
        super().__init__()
        self.folder, self.log, self.own, self.number = f"{folder}/{number}", log, own, number
        self.dice = random.Random(f"{seed} {number}")
        self.error = None
        os.makedirs(self.folder, exist_ok=True)

    def tell(self, line):
        with LOG:
            os.write(self.log, f"{line}\n".encode())
            Writer.durable += line[0] == "+"
            if Writer.durable == BUSY:
                open(f"{self.own}/busy", "w").close()

    def step(self):
        name = f"{self.folder}/{self.dice.randrange(FILES)}"
        seed, size = self.dice.getrandbits(32), self.dice.choice((0, 1, 511, 4096, 5000, 20000, 70000))
        self.tell(f"- {name}")
        if self.dice.random() < 0.1 and os.path.exists(name):
            os.unlink(name)
            return
        target = f"{name}.new" if self.dice.random() < 0.5 else name
        with open(target, "wb") as file:
            file.write(content(seed, size))
            file.flush()
            os.fsync(file.fileno())
        if target != name:
            os.rename(target, name)
        sync_folder(self.folder)
        self.tell(f"+ {name} {seed} {size}")

    def run(self):
        try:
            while not os.path.exists(f"{self.own}/stop"):
                self.step()
        except OSError as error:
            self.error = error


def write(folder, seed, log, own):
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    writers = [Writer(folder, seed, fd, own, number) for number in range(THREADS)]
    sync_folder(folder)
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    errors = [repr(writer.error) for writer in writers if writer.error]
    print("\n".join(errors) or "no error")
    return 1 if errors else 0


def check(folder, log):
    known, lines = {}, 0
    with open(log, encoding="ascii") as file:
        for line in file:
            sign, name, *facts = line.split()
            lines += sign == "+"
            known[name] = facts
    lost = []
    durable = {name: facts for name, facts in known.items() if facts}
    for name, (seed, size) in durable.items():
        try:
            with open(name, "rb") as file:
                data = file.read()
        except OSError as error:
            lost.append(f"{name}: {error}")
            continue
        if data != content(int(seed), int(size)):
            lost.append(f"{name}: {len(data)} bytes of other content than the {size} that were written")
    for text in lost[:10]:
        print(text)
    print(f"{folder}: {lines} files were made durable, {len(durable)} of them are there still, {len(lost)} are lost")
    return 2 if lost else 0


if __name__ == "__main__":
    sys.exit(write(*sys.argv[2:]) if sys.argv[1] == "write" else check(*sys.argv[2:]))
