#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Claims an export, as a new owner of its storage does, while the former owner's write is at a device that is slow.

    claims.py drain ADDRESS EPOCH     the write takes longer than a claim waits; the claim is repeated until it is granted
    claims.py record ADDRESS EPOCH    nothing is under way
    claims.py labels ADDRESS EPOCH    the labels are slow; the former owner's update of them comes to its turn after the claim

EPOCH is the one in the device's label, 0 if nobody has claimed it. Prints the epoch that is claimed in the end, as soon as the claim
is granted.
"""

import select
import struct
import sys

import label
import peer

SECTORS = 8
DRAINING = 22
LIMIT = 120


def come(address, name):
    client = peer.Peer(address, timeout=LIMIT)
    reply = client.open(session=name, flags=peer.WANT_WRITE | peer.WANT_SHARED)
    assert reply.status == peer.OK, reply.payload
    return client


def is_answered(client):
    return bool(select.select([client.socket], [], [], 0)[0])


def claim(client, epoch):
    client.send(peer.message(peer.CLAIM, epoch=epoch, tag=epoch))


def becomes_stale(client, epoch):
    """Waits until requests of this epoch are refused; nothing else is asked for but to read."""
    for _ in range(10000):
        reply = client.ask(peer.READ, length=512, epoch=epoch)
        if reply.status == peer.STALE_EPOCH:
            return
        assert reply.status == peer.OK, reply.status
    raise AssertionError("the epoch that was claimed is not in force")


def drain(address, epoch):
    # Two connections of the former owner: what is asked for on one is not held up by the other.
    former = come(address, b"former----------")
    looks = come(address, b"looks-----------")
    former.send(peer.message(peer.WRITE, bytes(SECTORS * 512), length=SECTORS * 512, epoch=epoch, tag=1))
    # It is at the device once a read that came later has been there.
    assert former.ask(peer.READ, offset=1 << 20, length=512, epoch=epoch, tag=2).status == peer.OK
    later = come(address, b"later-----------")
    claim(later, epoch + 1)
    becomes_stale(looks, epoch)
    assert not is_answered(former), "the write is not slow"
    refused = 0
    while True:
        ready = select.select([former.socket, later.socket], [], [], LIMIT)[0]
        assert ready, "neither write nor claim is answered"
        if former.socket in ready:
            break
        reply = later.receive()
        assert reply.status == DRAINING, f"status {reply.status} for a claim while a write of the former owner is at the device"
        refused += 1
        claim(later, epoch + 1)
    reply = former.receive()
    assert (reply.opcode, reply.status) == (peer.WRITE, peer.OK), "a write that had begun before the claim"
    assert refused, "the claim has waited for longer than it may"
    reply = later.receive()
    if reply.status == DRAINING:
        reply = later.ask(peer.CLAIM, epoch=epoch + 1)
    assert reply.status == peer.OK, (reply.status, reply.payload)
    return epoch + 1


def record(address, epoch):
    client = come(address, b"third-----------")
    reply = client.ask(peer.CLAIM, epoch=epoch + 1)
    assert reply.status == peer.OK, (reply.status, reply.payload)
    return epoch + 1


def updated(block, steps):
    block = bytearray(block)
    label.change(block, "sequence", int(label.text(block, "sequence")) + steps)
    block[12:16] = bytes(4)
    struct.pack_into("<I", block, 12, peer.crc32c(block))
    return bytes(block)


def is_in_force(client, epoch):
    """Also shows that what was sent before on this connection waits for its turn."""
    return client.ask(peer.READ, length=512, epoch=epoch, tag=99).status == peer.OK


def labels(address, epoch):
    former, second, later = (come(address, name * 16) for name in (b"1", b"2", b"3"))
    block = former.ask(peer.LABEL_READ).payload
    former.send(peer.message(peer.LABEL_WRITE, updated(block, 1), epoch=epoch, tag=1))
    assert is_in_force(former, epoch)
    claim(later, epoch + 1)
    assert is_in_force(later, epoch)
    second.send(peer.message(peer.LABEL_WRITE, updated(block, 1000), epoch=epoch, tag=1))
    assert is_in_force(second, epoch)
    assert not is_answered(former), "the label is not slow"
    for client, what, status in ((former, "update", peer.OK), (later, "claim", peer.OK), (second, "late update", peer.STALE_EPOCH)):
        reply = client.receive()
        assert reply.status == status, f"status {reply.status} for the {what}"
    return epoch + 1


def main():
    what, address, epoch = sys.argv[1:]
    print({"drain": drain, "record": record, "labels": labels}[what](address, int(epoch)), flush=True)


if __name__ == "__main__":
    main()
