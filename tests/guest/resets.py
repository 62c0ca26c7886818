#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What a connection between a storage and an export can meet on its way, while the storage is under a load that checks itself.

usage: resets.py ADDRESS EXPORT FOLDER ROUNDS SEED LOCAL [PART...]

Passes on from ADDRESS:1025 to EXPORT:1025 and does one thing after the other to the first node of the storage "storage";
after each the node has to be up and the load to go on. FOLDER/ready appears when connections are accepted, FOLDER/go
tells that the load runs, FOLDER/done appears when all is done; it ends when FOLDER/end is there. The first round
breaks off at chosen bytes of each message, each other one at every byte. When FOLDER/idle is there the load has ended, and
what is said beside it is broken off: FOLDER/quiet appears when that is done. Storages are deleted then, and made of ADDRESS and
LOCAL by the machine "client". PARTs are what only some modules can do:

silent   notice a peer whose TCP acknowledges everything and that says nothing
"""

import fcntl
import mmap
import os
import random
import socket
import struct
import subprocess
import sys
import threading

import peer
import proxy
from proxy import CLIENT, PREFACE, SERVER, Fault

NAMES = {PREFACE: "the preface", peer.HELLO: "a hello", peer.LABEL_READ: "the reading of a label", peer.READ: "a read",
         peer.WRITE: "a write", peer.FLUSH: "a flush", peer.DISCARD: "a discard", peer.WRITE_ZEROES: "a write of zeroes",
         peer.PING: "a ping", peer.CLAIM: "a claim", peer.LABEL_WRITE: "the writing of a label",
         peer.GOODBYE: "a goodbye"}
HELLO_BYTES = peer.HEAD_BYTES + peer.HELLO_REQUEST.size
# What is said on each new connection, before anything else is.
FIRST = (PREFACE, peer.HELLO, peer.LABEL_READ)


def fail(text):
    sys.exit(f"FAILED: {text}; the node is {node('state')} and waits for {node('waits_for')}")


def node(name, storage="storage"):
    with open(f"/sys/devices/{storage}/n-0/{name}", encoding="ascii") as file:
        return file.read().strip()


def writes():
    return int(node("write_ios"))


def goes_on(what, count=2, seconds=90):
    """The node is up and has done so many writes more."""
    before = writes()
    if not peer.wait_until(seconds, lambda: writes() >= before + count and node("state") == "up"):
        fail(f"after {what} there are {writes() - before} writes in {seconds} s")


def places(every, dice):
    """Each place where a connection can break: who speaks, in what, at which byte (a float: part of the payload)."""
    payload = (0.0, 1.0) if not every else (0.0, 0.001, 0.5, 0.999, 1.0)
    payload += (dice.random(),) * (8 if every else 1)
    for speaker in (CLIENT, SERVER):
        for opcode, length, chosen in (
            (PREFACE, len(peer.PREFACE), (0, 5, 8)),
            (peer.HELLO, HELLO_BYTES, (0, 1, 8, 56, 200, HELLO_BYTES)),
            (peer.LABEL_READ, peer.HEAD_BYTES, (8, 56)),
            (peer.WRITE, peer.HEAD_BYTES, (0, 1, 8, 30)),
            (peer.READ, peer.HEAD_BYTES, (1, 30)),
            (peer.FLUSH, peer.HEAD_BYTES, (0, 30, 56)),
            (peer.DISCARD, peer.HEAD_BYTES, (8, 56)),
            (peer.WRITE_ZEROES, peer.HEAD_BYTES, (8, 56)),
        ):
            for at in range(length + 1) if every else chosen + (dice.randrange(length),):
                yield speaker, opcode, at
            if (speaker, opcode) in ((CLIENT, peer.WRITE), (SERVER, peer.READ), (SERVER, peer.LABEL_READ)):
                for at in payload:
                    yield speaker, opcode, at


def breaks_off(middle, speaker, opcode, at, half):
    """A reset at this place; "half": the export is not told, and finds out when the client comes again."""
    left = []

    def both(link, rest):
        link.cut()

    def client_only(link, rest):
        middle.silent.add(link)
        link.cut(CLIENT)
        left.append(link)

    what = f"a reset at {at} of {NAMES[opcode]} that the {speaker} says{', of which the export is not told' if half else ''}"
    fault = middle.arm(Fault(speaker, opcode, at, client_only if half else both))
    if opcode in FIRST:
        middle.cut_all()
    if not fault.hit.wait(60):
        fail(f"{what} does not happen")
    goes_on(what)
    for link in left:
        link.cut()


def sweep(middle, every, dice):
    count = 0
    for speaker, opcode, at in places(every, dice):
        # Before the hello there is nothing that the export could be left with.
        breaks_off(middle, speaker, opcode, at, opcode != PREFACE and dice.random() < 0.5)
        count += 1
    print(f"# {count} resets in the middle of messages: survived", flush=True)
    return count


def twice(middle):
    """Each answer of some comes again."""
    for opcode in (peer.WRITE, peer.READ, peer.FLUSH, peer.DISCARD, peer.WRITE_ZEROES):
        fault = middle.arm(Fault(SERVER, opcode, 0, lambda link, rest: rest + rest))
        if not fault.hit.wait(60):
            fail(f"no answer to {NAMES[opcode]} comes twice")
        goes_on(f"an answer to {NAMES[opcode]} that came twice")
    print("# answers that come twice: survived", flush=True)


def slow(middle):
    """Answers take their time."""
    middle.late = 0.4
    goes_on("answers that are late", 8, 120)
    middle.late = 0.0
    goes_on("answers that were late")
    print("# answers that come late: survived", flush=True)


def closed(stream):
    """Whether the export has closed its side of a connection."""
    try:
        return stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[0] != 1
    except OSError:
        return True


def late_write(middle):
    """The second half of a write arrives when the client has another connection and has gone on."""
    for at in (10, 56, 0.5):
        kept = []

        def keep(link, rest, kept=kept):
            middle.silent.add(link)
            kept.extend((link, rest))
            link.cut(CLIENT)

        fault = middle.arm(Fault(CLIENT, peer.WRITE, at, keep))
        if not fault.hit.wait(60):
            fail("no write is held up")
        goes_on("a write that was held up", 12)
        link, rest = kept
        if not peer.wait_until(60, lambda link=link: closed(link.sides[SERVER])):
            fail("the export keeps a connection open that the client has replaced")
        try:
            link.sides[SERVER].sendall(rest)
        except OSError:
            pass
        goes_on("the rest of a write that was held up", 4)
        link.cut()
    print("# the rest of a write after its connection was replaced: not done", flush=True)


def forgotten(middle):
    """The machine between loses its memory while it cannot be reached: nobody says that the connections are gone."""
    cable = ["ip", "-n", "wire", "link", "set", "port-middle"]
    subprocess.run(cable + ["down"], check=True)
    before = -1
    while before != writes():
        before = writes()
        peer.wait_until(1, lambda: False)
    if not middle.cut_all():
        fail("there was no connection to forget")
    peer.wait_until(1, lambda: False)
    if before != writes():
        fail("writes are answered without a cable")
    subprocess.run(cable + ["up"], check=True)
    goes_on("connections that the other side has forgotten", 4)
    print("# connections that only one side knows: survived", flush=True)


def silent(middle):
    """Connections that stay and say nothing; new ones work."""
    count = middle.freeze()
    if not count:
        fail("there is no connection")
    made = middle.connections
    if not peer.wait_until(60, lambda: middle.connections >= made + count):
        fail(f"of {count} connections that say nothing {middle.connections - made} were replaced")
    goes_on("connections that say nothing", 20)
    middle.thaw()
    goes_on("what was kept back by connections that said nothing", 20)
    print(f"# {count} connections that stay and say nothing: replaced", flush=True)


def cut(link, rest):
    link.cut()


def idle(middle):
    """Connections break while nothing is asked for but whether the other side is there."""
    for speaker, at in ((CLIENT, 0), (CLIENT, 30), (SERVER, 30)):
        before = int(node("reconnects"))
        fault = middle.arm(Fault(speaker, peer.PING, at, cut))
        if not fault.hit.wait(60):
            fail("nobody asks whether the other side is there")
        again = lambda before=before: int(node("reconnects")) > before and node("state") == "up"
        if not peer.wait_until(60, again):
            fail(f"after a reset at {at} of a ping that the {speaker} says")
    print("# resets in the middle of pings: survived", flush=True)


def dst(*arguments):
    """What the program says on the machine "client", and whether it has succeeded."""
    command = ["ip", "netns", "exec", "client", "dst", *arguments]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
    return result.returncode == 0, result.stdout


def begins_and_ends(middle, address, local):
    """A connection breaks while a storage is made, started or deleted. If that fails, it succeeds the next time."""
    failed, name, made = 0, "storage", 0
    start, new = False, True
    for is_new, opcode, speaker, at in (
        (start, peer.LABEL_READ, SERVER, 0.5), (start, peer.CLAIM, CLIENT, 0), (start, peer.CLAIM, CLIENT, 30),
        (start, peer.CLAIM, SERVER, 0), (start, peer.CLAIM, SERVER, 30), (new, peer.LABEL_WRITE, CLIENT, 30),
        (new, peer.LABEL_WRITE, CLIENT, 0.5), (new, peer.LABEL_WRITE, SERVER, 0), (new, peer.LABEL_WRITE, SERVER, 30),
        (new, peer.CLAIM, SERVER, 30), (start, peer.GOODBYE, CLIENT, 0), (start, peer.GOODBYE, CLIENT, 30),
    ):
        what = f"a reset at {at} of {NAMES[opcode]} that the {speaker} says"
        good, text = dst("delete", name)
        if not good:
            sys.exit(f"FAILED: the storage cannot be deleted before {what}: {text}")
        if is_new:
            made += 1
            name = f"storage-{made}"
        options = ["create", name, *["--force"] * is_new, "--keepalive", "2", address, local]
        fault = middle.arm(Fault(speaker, opcode, at, cut))
        good, text = dst(*options)
        if opcode == peer.GOODBYE:
            good, text = dst("delete", name)
            if not good:
                sys.exit(f"FAILED: the storage cannot be deleted in spite of {what}: {text}")
            good = False
        if not fault.hit.wait(10):
            sys.exit(f"FAILED: {what} does not happen: {text}")
        if not good:
            failed += opcode != peer.GOODBYE
            good, text = dst(*options)
        if not good:
            sys.exit(f"FAILED: there is no storage after {what}, the second time: {text}")
        if not peer.wait_until(60, lambda name=name: node("state", name) == "up"):
            sys.exit(f"FAILED: the node is {node('state', name)} after {what}")
    good, text = dst("delete", name)
    if not good:
        sys.exit(f"FAILED: the last storage cannot be deleted: {text}")
    print(f"# a connection breaks when storages are made, started, deleted: good, {failed} of them the second time", flush=True)


class Trimming(threading.Thread):
    """Writes, zeroes and discards a place on the first node where the load is not, until "over" is set."""

    BYTES = 64 << 10
    BLKDISCARD, BLKZEROOUT = 0x1277, 0x127F

    def __init__(self):
        super().__init__(daemon=True)
        self.over, self.count = False, 0

    def run(self):
        disk = os.open("/dev/dst", os.O_RDWR | os.O_DIRECT)
        buffer = mmap.mmap(-1, self.BYTES)
        extent = struct.pack("QQ", 0, self.BYTES)
        while not self.over:
            buffer[:] = bytes([self.count % 255 + 1]) * self.BYTES
            assert os.pwritev(disk, [buffer], 0) == self.BYTES
            fcntl.ioctl(disk, self.BLKZEROOUT, extent)
            assert os.preadv(disk, [buffer], 0) == self.BYTES
            assert not any(buffer[:]), "what was zeroed is not zero"
            fcntl.ioctl(disk, self.BLKDISCARD, extent)
            self.count += 1
        os.close(disk)
        self.over = "well"


def main():
    address, export, folder, rounds, seed, local, *parts = sys.argv[1:]
    dice = random.Random(int(seed))
    middle = proxy.Proxy(address, export)
    open(f"{folder}/ready", "w", encoding="ascii").close()
    peer.wait_until(300, lambda: os.path.exists(f"{folder}/go"))
    trimming = Trimming()
    trimming.start()
    goes_on("the beginning", 20)
    resets = 0
    for number in range(1, int(rounds) + 1):
        count = sweep(middle, number > 1, dice)
        twice(middle)
        slow(middle)
        late_write(middle)
        forgotten(middle)
        if "silent" in parts:
            silent(middle)
        print(f"# round {number}: {middle.connections} connections, {node('reconnects')} reconnects", flush=True)
        resets += count
        if int(node("reconnects")) < resets:
            fail(f"{resets} resets and {node('reconnects')} reconnects")
    trimming.over = True
    trimming.join(60)
    if trimming.over != "well" or not trimming.count:
        fail(f"zeroes and discards do not go on after {trimming.count} times")
    print(f"# {trimming.count} times written, zeroed and discarded", flush=True)
    open(f"{folder}/done", "w", encoding="ascii").close()
    peer.wait_until(600, lambda: os.path.exists(f"{folder}/idle"))
    idle(middle)
    begins_and_ends(middle, f"{address}:1025", local)
    open(f"{folder}/quiet", "w", encoding="ascii").close()
    peer.wait_until(600, lambda: os.path.exists(f"{folder}/end"))


main()
