// SPDX-License-Identifier: GPL-2.0

//! Bios from both sides: as a device of ours gets them, and as a disk of ours has accepted them.

use super::disk::{disk, pattern, TestDisk};
use crate::{
    check,
    exec_test::aside::Aside,
    sys::{
        bio::{Bio, BioList, Op, Status},
        device_bio::{DeviceFlags, DeviceOp},
        segments::MAX_SEGMENTS,
    },
};
use kernel::{page::PAGE_SIZE, prelude::*};

const PLAIN: DeviceFlags = DeviceFlags {
    fua: false,
    preflush: false,
    nounmap: false,
    sync: false,
};
const ALL: DeviceFlags = DeviceFlags {
    fua: true,
    preflush: true,
    nounmap: true,
    sync: true,
};

/// Each operation arrives as what it is, with those of the flags that it knows.
pub fn operations() -> Result {
    let disk = disk()?;
    for (sends, arrives) in [
        (DeviceOp::Read, Op::Read),
        (DeviceOp::Write, Op::Write),
        (DeviceOp::Flush, Op::Flush),
        (DeviceOp::Discard, Op::Discard),
        (DeviceOp::WriteZeroes, Op::WriteZeroes),
    ] {
        for flags in [PLAIN, ALL] {
            let (sent, bio) = disk.send(sends, flags, 2048, 8192, &[])?;
            check!(bio.op() == arrives);
            let write = arrives == Op::Write;
            check!(bio.flags().fua() == (flags.fua && write));
            check!(bio.flags().preflush() == (flags.preflush && write || arrives == Op::Flush));
            check!(bio.flags().nounmap() == (flags.nounmap && arrives == Op::WriteZeroes));
            check!(bio.flags().sync() == flags.sync || arrives == Op::Flush);
            check!(!bio.flags().nowait() && !bio.flags().meta() && !bio.flags().read_ahead());
            check!(bio.bytes() == if arrives == Op::Flush { 0 } else { 8192 });
            check!(arrives == Op::Flush || bio.sector() == 2048);
            let data = matches!(arrives, Op::Read | Op::Write);
            check!(bio.segments(&bio.iter()).bytes() == if data { 8192 } else { 0 });
            check!(!sent.has_ended());
            bio.end(Status::Ok);
            check!(sent.status()? == Status::Ok);
        }
    }
    Ok(())
}

/// A bio ends with the status that it was given, and each has its error number.
pub fn statuses() -> Result {
    let disk = disk()?;
    for (status, error) in [
        (Status::Ok, None),
        (Status::NotSupported, Some(EOPNOTSUPP)),
        (Status::Timeout, Some(ETIMEDOUT)),
        (Status::NoSpace, Some(ENOSPC)),
        (Status::Transport, Some(ENOLINK)),
        (Status::Target, Some(EREMOTEIO)),
        (Status::Reservation, Some(EBADE)),
        (Status::Medium, Some(ENODATA)),
        (Status::Protection, Some(EILSEQ)),
        (Status::Resource, Some(ENOMEM)),
        (Status::Io, Some(EIO)),
        (Status::WouldBlock, Some(EAGAIN)),
        (Status::Offline, Some(ENODEV)),
        (Status::Invalid, Some(EINVAL)),
    ] {
        let (sent, bio) = disk.read(8, 512)?;
        bio.end(status);
        check!(sent.status()? == status);
        check!(Status::from_raw(status.as_raw()) == status);
        check!(status.to_result().err() == error && status.is_ok() == error.is_none());
        if let Some(error) = error {
            check!(Status::from(error) == status);
        }
    }
    check!(Status::from(EPERM) == Status::Io && Status::from_raw(200) == Status::Io);
    Ok(())
}

/// A handle that is dropped ends its bio with an error.
pub fn dropped() -> Result {
    let disk = disk()?;
    let (sent, bio) = disk.read(8, 512)?;
    drop(bio);
    check!(sent.status()? == Status::Io);
    let (sent, bio) = disk.read(8, 512)?;
    drop(bio.share());
    // The last counted handle ends it as done: errors are noted before.
    check!(sent.status()? == Status::Ok);
    Ok(())
}

/// Pieces move and shrink within their bio, and what they cover is told right.
pub fn pieces() -> Result {
    let disk = disk()?;
    let pages = MAX_SEGMENTS as u32 + 8;
    let bytes = pages * PAGE_SIZE as u32;
    for op in [DeviceOp::Write, DeviceOp::Discard] {
        let (sent, bio) = disk.send(op, PLAIN, 4096, bytes, &[])?;
        let data = op == DeviceOp::Write;
        let mut piece = bio.iter();
        check!(piece.sector() == 4096 && piece.bytes() == bytes);
        let mut at = 0;
        for step in [512, 3584, 4096, 512, 8192 + 1024, 0, 12 * 4096] {
            bio.advance(&mut piece, step);
            at += step;
            check!(piece.sector() == 4096 + u64::from(at / 512));
            check!(piece.bytes() == bytes - at);
            let mut short = piece;
            short.truncate(5120);
            check!(short.sector() == piece.sector() && short.bytes() == 5120);
            short.truncate(6144);
            check!(short.bytes() == 5120);
            let window = bio.segments(&short);
            check!(window.bytes() == if data { 5120 } else { 0 });
            check!(window.count() <= 3 && window.is_empty() != data);
        }
        // However scattered the pages are, windows behind each other cover all of it.
        let mut piece = bio.iter();
        let mut covered = 0;
        while data && piece.bytes() > 0 {
            let window = bio.segments(&piece);
            check!(window.count() <= MAX_SEGMENTS && !window.is_empty());
            covered += window.bytes();
            bio.advance(&mut piece, u32::try_from(window.bytes())?);
        }
        check!(!data || covered == bytes as usize);
        bio.advance(&mut piece, u32::MAX);
        check!(piece.bytes() == 0 && bio.segments(&piece).is_empty());
        check!(bio.iter().bytes() == bytes);
        bio.end(Status::Ok);
        check!(sent.status()? == Status::Ok);
    }
    Ok(())
}

/// A piece of another bio is none of this one: nothing is read or written through it.
pub fn foreign_pieces() -> Result {
    let disk = disk()?;
    let (sent, bio) = disk.write(8, &[1; 4096])?;
    let (other_sent, other) = disk.write(4096, &[2; 8192])?;
    let mut foreign = other.iter();
    let mut byte = [7];
    check!(bio.segments(&foreign).is_empty());
    check!(bio.read_at(&foreign, &mut byte) == Err(EINVAL) && byte == [7]);
    check!(bio.write_at(&foreign, &byte) == Err(EINVAL));
    bio.advance(&mut foreign, 512);
    check!(foreign.bytes() == 0);
    check!(other.read_at(&other.iter(), &mut byte).is_ok() && byte == [2]);
    bio.end(Status::Ok);
    other.end(Status::Ok);
    check!(sent.status()? == Status::Ok && other_sent.status()? == Status::Ok);
    Ok(())
}

/// Places in a bio of five pages, and lengths, within sectors and across pages.
const PLACES: [(u32, usize); 8] = [
    (0, 1),
    (0, 5 * PAGE_SIZE),
    (512, 512),
    (3584, 512),
    (3584, 513),
    (4096, 3 * PAGE_SIZE),
    (7680, 2 * PAGE_SIZE + 77),
    (19968, 512),
];

/// Copies out of a bio and into it reach the bytes that they are meant for, and no others.
pub fn copies() -> Result {
    let disk = disk()?;
    let size = 5 * PAGE_SIZE;
    let (bytes, other) = (pattern(size, 1)?, pattern(size, 2)?);
    let mut found = pattern(size, 0)?;
    for (begin, length) in PLACES {
        let at = begin as usize;
        let (sent, bio) = disk.write(8, &bytes)?;
        let mut piece = bio.iter();
        bio.advance(&mut piece, begin);
        check!(bio.read_at(&piece, &mut found[..length]).is_ok());
        check!(found[..length] == bytes[at..at + length]);
        let too_long = (piece.bytes() as usize + 1).min(size);
        check!(too_long == size || bio.read_at(&piece, &mut found[..too_long]) == Err(EINVAL));
        bio.end(Status::Ok);
        check!(sent.status()? == Status::Ok);

        let (sent, bio) = disk.send(DeviceOp::Read, PLAIN, 8, u32::try_from(size)?, &bytes)?;
        let mut piece = bio.iter();
        bio.advance(&mut piece, begin);
        check!(bio.write_at(&piece, &other[..length]).is_ok());
        check!(too_long == size || bio.write_at(&piece, &other[..too_long]) == Err(EINVAL));
        bio.end(Status::Ok);
        let (pages, status) = sent.outcome()?;
        check!(status == Status::Ok);
        pages.read_at(0, &mut found)?;
        check!(found[..at] == bytes[..at]);
        check!(found[at..at + length] == other[..length]);
        check!(found[at + length..] == bytes[at + length..]);
    }
    let (_sent, discard) = disk.send(DeviceOp::Discard, PLAIN, 8, 4096, &[])?;
    check!(discard.read_at(&discard.iter(), &mut found[..1]) == Err(EINVAL));
    check!(discard.write_at(&discard.iter(), &[0]) == Err(EINVAL));
    discard.end(Status::Ok);
    Ok(())
}

/// A bio with several handles ends with the last of them, once, on whatever threads they are.
pub fn shared() -> Result {
    let disk = disk()?;
    let (sent, bio) = disk.write(8, &[5; 4096])?;
    let one = bio.share();
    let (two, three) = (one.clone(), one.clone());
    check!(one.same(&two) && one.sector() == 8);
    drop(two);
    let one = one.into_bio().err().ok_or(EINVAL)?;
    drop(three);
    let bio = one.into_bio().ok().ok_or(EINVAL)?;
    check!(!sent.has_ended());
    let one = bio.share();
    let mut threads = KVec::with_capacity(4, GFP_KERNEL)?;
    for _ in 0..4 {
        let handle = one.clone();
        let work = move || {
            for _ in 0..5000 {
                drop(handle.clone());
            }
        };
        threads.push(Aside::run(work)?, GFP_KERNEL)?;
    }
    drop(one);
    for thread in threads {
        thread.value()?;
    }
    check!(sent.status()? == Status::Ok);
    Ok(())
}

/// The first error is the bio's.
pub fn first_error() -> Result {
    let disk = disk()?;
    let (sent, bio) = disk.read(8, 512)?;
    let one = bio.share();
    let two = one.clone();
    one.fail(Status::Ok);
    check!(!one.failed());
    two.fail(Status::Medium);
    one.fail(Status::Io);
    one.fail(Status::Ok);
    check!(one.failed() && two.failed());
    drop((one, two));
    check!(sent.status()? == Status::Medium);

    let (sent, bio) = disk.read(8, 512)?;
    let one = bio.share();
    one.fail(Status::Timeout);
    let bio = one.into_bio().ok().ok_or(EINVAL)?;
    bio.end(Status::Ok);
    check!(sent.status()? == Status::Timeout);
    Ok(())
}

fn sector(bio: Option<&Bio>) -> Option<u64> {
    bio.map(Bio::sector)
}

/// The next bio of a list, which is done.
fn pop(list: &mut BioList) -> Option<u64> {
    let bio = list.pop();
    let at = sector(bio.as_ref());
    if let Some(bio) = bio {
        bio.end(Status::Ok);
    }
    at
}

fn three(disk: &TestDisk) -> Result<([super::disk::Sent; 3], [Bio; 3])> {
    let (one, first) = disk.read(8, 512)?;
    let (two, second) = disk.read(16, 512)?;
    let (three, third) = disk.read(24, 512)?;
    Ok(([one, two, three], [first, second, third]))
}

/// Parked bios come back in order, can be taken together, and are not lost with their list.
pub fn lists() -> Result {
    let disk = disk()?;
    let mut list = BioList::new();
    check!(list.is_empty() && list.pop().is_none());
    let (sent, [one, two, three_]) = three(&disk)?;
    list.push_back(two);
    list.push_back(three_);
    list.push_front(one);
    check!(pop(&mut list) == Some(8) && pop(&mut list) == Some(16));
    let mut rest = list.take();
    check!(list.is_empty() && !rest.is_empty() && !sent[2].has_ended());
    check!(pop(&mut rest) == Some(24) && pop(&mut rest).is_none() && rest.is_empty());
    for sent in sent {
        check!(sent.status()? == Status::Ok);
    }
    // An emptied list begins anew at both ends.
    let (sent, [one, two, three_]) = three(&disk)?;
    rest.push_front(one);
    rest.push_back(two);
    check!(pop(&mut rest) == Some(8) && pop(&mut rest) == Some(16));
    rest.push_back(three_);
    drop(rest);
    let [one, two, three_] = sent;
    check!(one.status()? == Status::Ok && two.status()? == Status::Ok);
    check!(three_.status()? == Status::Io);
    Ok(())
}
