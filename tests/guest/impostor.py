#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Servers that lie, and a storage that lives with them: impostor.py ADDRESS. Runs "dst" as the client."""

import os
import random
import subprocess
import sys

import peer
from peer import IS_RAW, IS_READ_ONLY, READ, REPLY, WRITE, Server

address = sys.argv[1]
BLOCK = 64 << 10


def fail(text):
    sys.exit(f"FAILED: {text}")


def create(limit=60, connections=1):
    command = ["ip", "netns", "exec", "client", "dst", "create", "liar", "--raw", "--device", "dst-liar",
               "--connect-timeout", str(limit), "--connections", str(connections), f"{address}:1025"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def state():
    with open("/sys/devices/liar/n-0/state") as file:
        return file.read().strip()


def refused_hellos(server):
    """What a server cannot be: each is told when the node is added, and nothing is left of the storage."""
    half = bytes(server.data[:1])
    for text, greeting, fields in (
        ("does not speak DST", b"SSH-2.0-OpenSSH_9.9\r\n", {}),
        ("no answer in time", b"", {}),
        ("framed by version", None, None),
        ("protocol version 2 was not offered", None, {"version": 2}),
        ("features 0x80 were not offered", None, {"features": 0x80}),
        ("unknown export flags", None, {"flags": IS_RAW | 0x8000}),
        ("one side means the whole device", None, {"flags": 0}),
        ("incarnation 77", None, {"incarnation": 77}),
        ("a size of 0 bytes", None, {"size": 0}),
        ("a size of 1000 bytes", None, {"size": 1000}),
        (f"a size of {2 ** 64 - 512} bytes", None, {"size": 2 ** 64 - 512}),
        ("a logical block of 0 bytes", None, {"logical_block": 0}),
        ("a logical block of 768 bytes", None, {"logical_block": 768}),
        ("a logical block of 1048576 bytes", None, {"logical_block": 1 << 20, "physical_block": 1 << 20}),
        ("a physical block of 256 bytes", None, {"physical_block": 256}),
        ("transfers of 0 bytes", None, {"max_transfer": 0}),
        ("transfers of 4294967295 bytes", None, {"max_transfer": 0xFFFFFFFF}),
        ("a queue depth of 0", None, {"queue_depth": 0}),
        ("a queue depth of 100000", None, {"queue_depth": 100000}),
        ("limits of discard", None, {"max_discard": 100}),
        ("malformed", None, {"reserved2": b"\1" * 136}),
        ("malformed", None, {"reserved0": 1}),
    ):
        server.greeting = greeting
        if fields is None:
            server.greeting, text = b"DST\x07\0\0\0\0", "frames its messages by version 7"
        server.hello = fields or {}
        done = create(limit=2 if greeting == b"" else 60)
        if done.returncode == 0 or text not in done.stderr:
            fail(f"a server whose hello deserves '{text}': {done.returncode} {done.stderr}")
        if os.path.exists("/sys/devices/liar"):
            fail(f"after '{text}' the storage is left")
    server.greeting, server.hello = None, {}
    assert half is not None


def wrong_tag(server, connection, request):
    return lie(server, connection, request, tag=request.tag ^ 0x5555 << 32)


def unknown_slot(server, connection, request):
    return lie(server, connection, request, tag=0xFFFFFFFFFFFFFFFF)


def other_offset(server, connection, request):
    return lie(server, connection, request, offset=request.offset + 512)


def other_length(server, connection, request):
    return lie(server, connection, request, length=request.length // 2)


def other_opcode(server, connection, request):
    answer = bytearray(lie(server, connection, request))
    answer[peer.RECORD.size + 4] = peer.FLUSH
    return bytes(answer)


def request_back(server, connection, request):
    return lie(server, connection, request, kind=peer.REQUEST)


def wrong_magic(server, connection, request):
    return lie(server, connection, request, magic=0)


def lie(server, connection, request, **changes):
    """The right answer but for some fields."""
    request.payload = connection.take(request.announced)
    payload = server.data[request.offset:request.offset + request.length] if request.opcode == READ else b""
    # A write that is answered wrongly is not done either: it must be sent again.
    return Server.reply(request, bytes(payload), **changes)


def short_data(server, connection, request):
    connection.take(request.announced)
    return Server.reply(request, bytes(512))


def long_data(server, connection, request):
    connection.take(request.announced)
    return Server.reply(request, bytes(request.length + 512))


def huge_record(server, connection, request):
    connection.take(request.announced)
    return peer.record(0xFFFFFFFF) + peer.header(request.opcode, kind=REPLY, tag=request.tag)


def half_data(server, connection, request):
    """Ends in the middle of the data, which was wrong so far."""
    connection.take(request.announced)
    connection.send(Server.reply(request, b"\xbb" * request.length)[:peer.HEAD_BYTES + request.length // 2])
    return None


def half_header(server, connection, request):
    connection.take(request.announced)
    connection.send(Server.reply(request)[:20])
    return None


def nothing(server, connection, request):
    return None


def noise(server, connection, request):
    connection.take(request.announced)
    return random.Random(1).randbytes(5000)


def twice(server, connection, request):
    """The right answer, and again."""
    request.payload = connection.take(request.announced)
    answer = server.truth(request)
    return answer + answer


def unasked(server, connection, request):
    """An answer to a request that was never made, before the right one."""
    request.payload = connection.take(request.announced)
    return Server.reply(request, tag=3 << 32 | 100) + server.truth(request)


def early(server, connection, request):
    """Takes the write only after it has answered it."""
    connection.send(Server.reply(request))
    request.payload = connection.take(request.announced)
    server.data[request.offset:request.offset + request.length] = request.payload
    return b""


def exchanged(server, connection, request):
    """The answers to two reads that are under way at the same time, each with the tag of the other."""
    first = request
    connection.take(request.announced)

    def both(server, connection, request):
        connection.take(request.announced)
        return b"".join(
            Server.reply(of, bytes(server.data[of.offset:of.offset + of.length]), tag=other.tag)
            for of, other in ((first, request), (request, first)))
    server.fault = both
    return b""


def elsewhere(server, connection, request):
    """An answer on another connection, with wrong data, and once that was closed the right one in its place."""
    request.payload = connection.take(request.announced)
    other = next(other for other in server.peers if other is not connection)
    other.send(Server.reply(request, b"\xbb" * request.length if request.opcode == READ else b""))
    if not peer.wait_until(60, lambda: other not in server.peers):
        print("# the other connection stays open", flush=True)
    return server.truth(request)


def goodbye(server, connection, request):
    connection.take(request.announced)
    return peer.message(peer.GOODBYE, length=2)


def transfer(server, opcode, block, content):
    """Reads or writes one block through the disk and compares."""
    script = f"""
import mmap, os
file = os.open("/dev/dst-liar", os.O_RDWR | os.O_DIRECT)
buffer = mmap.mmap(-1, {BLOCK})
expected = open({content!r}, "rb").read()
if {opcode} == {READ}:
    assert os.preadv(file, [buffer], {block * BLOCK}) == {BLOCK}
    assert buffer[:] == expected, "other data"
else:
    buffer[:] = expected
    assert os.pwritev(file, [buffer], {block * BLOCK}) == {BLOCK}
"""
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)


def two_reads(blocks, content):
    """Reads two blocks through the disk at the same time and compares."""
    script = f"""
import mmap, os, threading
wrong = {{{", ".join(str(block) for block in blocks)}}}
expected = open({content!r}, "rb").read()
def read(number, block):
    file = os.open("/dev/dst-liar", os.O_RDONLY | os.O_DIRECT)
    buffer = mmap.mmap(-1, {BLOCK})
    assert os.preadv(file, [buffer], block * {BLOCK}) == {BLOCK}
    if buffer[:] == expected[number * {BLOCK}:(number + 1) * {BLOCK}]:
        wrong.remove(block)
threads = [threading.Thread(target=read, args=which) for which in enumerate({blocks!r})]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not wrong, f"other data in blocks {{wrong}}"
"""
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)


def exchanged_answers(server):
    """Two reads under way: whose answer it is, is not said by the tag alone."""
    content = os.environ["work"] + "/blocks"
    data = random.Random(3).randbytes(2 * BLOCK)
    with open(content, "wb") as file:
        file.write(data)
    for number, blocks in enumerate(((50, 53), (63, 57))):
        for half, block in enumerate(blocks):
            server.data[block * BLOCK:(block + 1) * BLOCK] = data[half * BLOCK:(half + 1) * BLOCK]
        connections, faults = server.connections, server.faults
        server.fault = exchanged
        done = two_reads(blocks, content)
        if done.returncode:
            fail(f"exchanged answers: {done.stderr}")
        if server.faults != faults + 2:
            fail("exchanged answers: the fault did not happen")
        if not peer.wait_until(60, lambda: server.connections > connections and state() == "up"):
            fail(f"exchanged answers: the node is {state()}, {server.connections - connections} new connections")
        if server.connections != connections + 1:
            fail(f"exchanged answers: {server.connections - connections} new connections")
        print(f"# the answers to two reads exchanged, {number + 1}: survived", flush=True)


def other_connection(server):
    """An answer that comes on another connection than the request went out on costs that one."""
    done = subprocess.run(["ip", "netns", "exec", "client", "dst", "delete", "liar"], capture_output=True, text=True,
                          timeout=120)
    if done.returncode:
        fail(f"the storage is not deleted: {done.stderr}")
    if not peer.wait_until(60, lambda: not server.peers):
        fail("a connection outlives its storage")
    done = create(connections=2)
    if done.returncode or not peer.wait_until(60, lambda: len(server.peers) == 2):
        fail(f"two connections are not made: {done.stderr}")
    content = os.environ["work"] + "/block"
    generator = random.Random(4)
    for number, opcode in enumerate((READ, WRITE, READ, WRITE)):
        what = f"an answer to a {'read' if opcode == READ else 'write'} on another connection"
        data = generator.randbytes(BLOCK)
        place = slice((70 + number) * BLOCK, (71 + number) * BLOCK)
        with open(content, "wb") as file:
            file.write(data)
        if opcode == READ:
            server.data[place] = data
        connections, faults = server.connections, server.faults
        server.fault = elsewhere
        done = transfer(server, opcode, 70 + number, content)
        if done.returncode or not peer.wait_until(60, lambda: server.data[place] == data):
            fail(f"{what}: {done.stderr or 'other data'}")
        if server.faults != faults + 1:
            fail(f"{what}: the fault did not happen")
        if not peer.wait_until(60, lambda: server.connections > connections and len(server.peers) == 2):
            fail(f"{what}: {server.connections - connections} new connections, {len(server.peers)} stand")
        # The one that the request went out on goes on.
        if server.connections != connections + 1:
            fail(f"{what}: {server.connections - connections} new connections")
        print(f"# {what}: survived", flush=True)


def running_faults(server):
    """Each lie costs the connection, of which there is one; the request is done again on the next one, with the right data."""
    done = create()
    if done.returncode:
        fail(f"a server that tells the truth is refused: {done.stderr}")
    content = os.environ["work"] + "/block"
    generator = random.Random(2)
    common = (wrong_tag, unknown_slot, other_offset, other_length, other_opcode, request_back, wrong_magic, huge_record,
              half_header, nothing, noise, twice, unasked, goodbye)
    for opcode, faults in ((READ, common + (short_data, long_data, half_data)), (WRITE, common + (long_data, early))):
        for number, fault in enumerate(faults):
            what = f"{fault.__name__} in answer to {'a read' if opcode == READ else 'a write'}"
            data = generator.randbytes(BLOCK)
            place = slice(number * BLOCK, (number + 1) * BLOCK)
            with open(content, "wb") as file:
                file.write(data)
            if opcode == READ:
                server.data[place] = data
            connections, faults_before = server.connections, server.faults
            server.fault = fault
            done = transfer(server, opcode, number, content)
            # The server may be in the middle of what it does once it has answered.
            if done.returncode or not peer.wait_until(60, lambda: server.data[place] == data):
                fail(f"{what}: {done.stderr or 'other data'}")
            if server.faults != faults_before + 1:
                fail(f"{what}: the fault did not happen")
            # The request may end before its connection does. An answer to what was answered is taken off the
            # stream and forgotten.
            expected = 0 if fault in (early, twice) else 1
            if not peer.wait_until(60, lambda: server.connections - connections >= expected and state() == "up"):
                fail(f"{what}: the node is {state()}, {server.connections - connections} new connections")
            lost = server.connections - connections
            if lost != expected:
                fail(f"{what}: {lost} new connections")
            print(f"# {what}: survived", flush=True)


def failures(server):
    """Errors that the server reports are errors of the disk, also those that have no name."""
    content = os.environ["work"] + "/block"
    for status, text in ((peer.IO, "Input/output"), (peer.NO_SPACE, "No space"), (9999, "Input/output")):
        def answer(server, connection, request, status=status):
            connection.take(request.announced)
            return Server.reply(request, status=status)
        server.fault = answer
        done = transfer(server, WRITE, 0, content)
        if text not in done.stderr:
            fail(f"status {status}: {done.returncode} {done.stderr}")
    if state() != "up":
        fail(f"after errors the node is {state()}")


def changed_on_return(server):
    """A server that comes back smaller, or read-only, is not the node any more."""
    content = os.environ["work"] + "/block"
    for what, fields in (("smaller", {"size": 1 << 20}), ("read-only", {"flags": IS_RAW | IS_READ_ONLY}),
                         ("with larger blocks", {"logical_block": 4096, "physical_block": 4096})):
        server.hello = fields
        server.fault = nothing
        before = server.connections
        reader = subprocess.Popen(["dd", "if=/dev/dst-liar", "of=/dev/null", "bs=64k", "count=1", "skip=40",
                                   "iflag=direct"], stderr=subprocess.DEVNULL)
        if not peer.wait_until(60, lambda: server.connections > before + 1):
            fail(f"a server that has come back {what} is taken: the node is {state()}")
        if state() == "up":
            fail(f"a server that has come back {what} is up")
        server.hello = {}
        if reader.wait(120):
            fail(f"the read fails though the server, once {what}, is itself again")
        if not peer.wait_until(60, lambda: state() == "up"):
            fail(f"a server that was {what} is not taken back: the node is {state()}")
        print(f"# {what}: not taken", flush=True)


server = Server(address)
refused_hellos(server)
print("# hellos: refused", flush=True)
running_faults(server)
exchanged_answers(server)
failures(server)
changed_on_return(server)
other_connection(server)
