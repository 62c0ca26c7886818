// SPDX-License-Identifier: GPL-2.0

//! Clones of accepted bios, and flushes. They go to the same disk that has accepted the source,
//! where the case ends them.

use super::disk::{disk, pattern, Sent, TestDisk};
use crate::{
    check,
    exec_test::{
        aside::{until, Aside},
        context::{Counter, Token},
    },
    sys::{
        bio::{Bio, Op, SharedBio, Status},
        bio_set::{BioSet, CloneEnd, Keep},
        device_bio::{DeviceBio, DeviceBioEnd, DeviceFlags, DeviceOp},
    },
};
use kernel::{
    new_spinlock_irq,
    page::PAGE_SIZE,
    prelude::*,
    sync::{Arc, SpinLockIrq},
};

/// What the ends have told: how often, the last status, and the last source.
#[pin_data]
struct Ends {
    #[pin]
    told: SpinLockIrq<(u32, Option<Status>, Option<SharedBio>)>,
}

/// A context that a clone carries.
struct Clone_ {
    ends: Arc<Ends>,
    _token: Token,
}

impl CloneEnd for Clone_ {
    fn end(self, source: Option<SharedBio>, status: Status) {
        let mut told = self.ends.told.lock();
        let count = told.0.saturating_add(1);
        let before = core::mem::replace(&mut *told, (count, Some(status), source));
        drop(told);
        drop(before);
    }
}

impl Ends {
    fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                told <- new_spinlock_irq!((0, None, None)),
            }),
            GFP_KERNEL,
        )
    }

    fn count(&self) -> u32 {
        self.told.lock().0
    }

    fn status(&self) -> Option<Status> {
        self.told.lock().1
    }

    fn source(&self) -> Option<SharedBio> {
        self.told.lock().2.take()
    }
}

/// A set with what it works on.
struct Scene {
    disk: Arc<TestDisk>,
    set: BioSet<Clone_>,
    ends: Arc<Ends>,
    counter: Counter,
}

impl Scene {
    fn new(reserve: u32) -> Result<Self> {
        let disk = disk()?;
        Ok(Self {
            set: BioSet::new(disk.device.clone(), reserve)?,
            disk,
            ends: Ends::new()?,
            counter: Counter::new()?,
        })
    }

    fn context(&self) -> Clone_ {
        Clone_ {
            ends: self.ends.clone(),
            _token: self.counter.token(),
        }
    }

    /// Sends a clone of the `bytes` bytes at `begin` of `source` to `sector`.
    fn clone(
        &self,
        source: &SharedBio,
        (begin, bytes): (u32, u32),
        sector: u64,
        keep: Keep,
    ) -> Result<Bio> {
        let mut piece = source.iter();
        source.advance(&mut piece, begin);
        piece.truncate(bytes);
        let (source, context) = (source.clone(), self.context());
        let sent = self
            .disk
            .keep(|| self.set.submit_clone(source, piece, sector, keep, context));
        check!(sent.is_ok());
        self.disk.next().ok_or(ENODATA)
    }

    fn write(&self, data: &[u8]) -> Result<(Sent, SharedBio)> {
        let (sent, bio) = self.disk.write(2048, data)?;
        Ok((sent, bio.share()))
    }
}

/// A clone is the piece of its source that it was made of, at its own place; the source ends after
/// it, and the context comes back once.
pub fn clones() -> Result {
    let scene = Scene::new(4)?;
    let size = 5 * PAGE_SIZE;
    let bytes = pattern(size, 1)?;
    let mut found = pattern(size, 0)?;
    let whole = u32::try_from(size)?;
    for (begin, length) in [(0, whole), (512, 512), (3584, 9728), (whole - 512, 512)] {
        let (sent, source) = scene.write(&bytes)?;
        let bio = scene.clone(&source, (begin, length), 30000, Keep::DATA)?;
        check!(bio.op() == Op::Write && bio.sector() == 30000 && bio.bytes() == length);
        let (from, length) = (begin as usize, length as usize);
        check!(bio.segments(&bio.iter()).bytes() == length);
        bio.read_at(&bio.iter(), &mut found[..length])?;
        check!(found[..length] == bytes[from..from + length]);
        // The source is where it was.
        check!(source.sector() == 2048 && source.bytes() == whole);
        drop(source);
        let before = scene.ends.count();
        check!(!sent.has_ended());
        bio.end(Status::Medium);
        check!(scene.ends.count() == before + 1);
        check!(scene.ends.status() == Some(Status::Medium));
        check!(!sent.has_ended());
        let source = scene.ends.source().ok_or(ENODATA)?;
        check!(source.sector() == 2048 && !source.failed());
        drop(source);
        check!(sent.status()? == Status::Ok);
    }
    check!(scene.counter.made() == 4 && scene.counter.dropped() == 4);
    Ok(())
}

/// A clone has those flags of its source that it is to keep.
pub fn flags() -> Result {
    let scene = Scene::new(1)?;
    for (fua, preflush) in [(false, false), (true, false), (false, true), (true, true)] {
        for (keeps_fua, keeps_preflush) in
            [(false, false), (true, false), (false, true), (true, true)]
        {
            let flags = DeviceFlags {
                fua,
                preflush,
                sync: true,
                ..DeviceFlags::default()
            };
            let (sent, source) = scene.disk.send(DeviceOp::Write, flags, 8, 512, &[])?;
            let source = source.share();
            let keep = Keep {
                nowait: true,
                preflush: keeps_preflush,
                fua: keeps_fua,
            };
            let bio = scene.clone(&source, (0, 512), 64, keep)?;
            check!(bio.flags().fua() == (fua && keeps_fua));
            check!(bio.flags().preflush() == (preflush && keeps_preflush));
            check!(bio.flags().sync() && !bio.flags().nowait());
            check!(source.flags().fua() == fua && source.flags().preflush() == preflush);
            bio.end(Status::Ok);
            drop((source, scene.ends.source()));
            check!(sent.status()? == Status::Ok);
        }
    }
    Ok(())
}

/// A flush arrives as one, alone or on behalf of a bio, which ends after it.
pub fn flushes() -> Result {
    let scene = Scene::new(1)?;
    scene
        .disk
        .keep(|| scene.set.submit_flush(None, scene.context()));
    let flush = scene.disk.next().ok_or(ENODATA)?;
    check!(flush.op() == Op::Flush && flush.bytes() == 0);
    flush.end(Status::Timeout);
    check!(scene.ends.status() == Some(Status::Timeout) && scene.ends.source().is_none());

    let (sent, source) = scene.write(&[1; 512])?;
    scene
        .disk
        .keep(|| scene.set.submit_flush(Some(source), scene.context()));
    let flush = scene.disk.next().ok_or(ENODATA)?;
    check!(flush.op() == Op::Flush && !sent.has_ended());
    flush.end(Status::Ok);
    check!(scene.ends.count() == 2 && scene.ends.status() == Some(Status::Ok));
    check!(!sent.has_ended());
    drop(scene.ends.source());
    check!(sent.status()? == Status::Ok);
    check!(scene.counter.dropped() == 2);
    Ok(())
}

/// Many more clones than the reserve holds are under way at once; each carries its own context.
pub fn beyond_the_reserve() -> Result {
    const CLONES: u32 = 64;
    let scene = Scene::new(2)?;
    let bytes = pattern(CLONES as usize * 512, 1)?;
    let (sent, source) = scene.write(&bytes)?;
    let mut bios = KVec::with_capacity(CLONES as usize, GFP_KERNEL)?;
    for number in 0..CLONES {
        let sector = 4096 + u64::from(number) * 8;
        let bio = scene.clone(&source, (number * 512, 512), sector, Keep::DATA)?;
        bios.push(bio, GFP_KERNEL)?;
    }
    drop(source);
    check!(scene.counter.made() == CLONES && scene.counter.dropped() == 0);
    let mut found = [0; 512];
    for (number, bio) in (0usize..).zip(bios) {
        check!(bio.sector() == 4096 + number as u64 * 8);
        bio.read_at(&bio.iter(), &mut found)?;
        check!(found == bytes[number * 512..][..512]);
        check!(!sent.has_ended());
        bio.end(Status::Ok);
    }
    check!(scene.ends.count() == CLONES);
    drop(scene.ends.source());
    check!(sent.status()? == Status::Ok);
    check!(scene.counter.dropped() == CLONES);
    Ok(())
}

/// A set that is dropped waits for its clones, and its ends.
pub fn waits_for_all() -> Result {
    let scene = Scene::new(1)?;
    let (sent, source) = scene.write(&[1; 512])?;
    let bio = scene.clone(&source, (0, 512), 64, Keep::DATA)?;
    drop(source);
    let Scene { set, ends, .. } = scene;
    let thread = Aside::run(move || drop(set))?;
    let begun = kernel::time::Instant::<kernel::time::Monotonic>::now();
    until(|| begun.elapsed().as_millis() > 100 || thread.has_ended())?;
    check!(!thread.has_ended() && ends.count() == 0);
    bio.end(Status::Ok);
    thread.value()?;
    check!(ends.count() == 1);
    drop(ends.source());
    check!(sent.status()? == Status::Ok);
    Ok(())
}

/// What is lent and refused is given back at once.
struct Refused;

impl DeviceBioEnd for Refused {
    fn end(self, _bio: DeviceBio<Self>, _status: Status) {}
}

/// A bio that is lent has no device, goes the way of an accepted one, comes back with what was read
/// when its last handle is gone, and tells the first error.
pub fn lent() -> Result {
    let scene = Scene::new(2)?;
    let size = 3 * PAGE_SIZE;
    let bytes = pattern(size, 7)?;
    for status in [Status::Ok, Status::Medium] {
        let (sent, bio) = Sent::lent(777, u32::try_from(size)?)?;
        check!(bio.op() == Op::Read && bio.sector() == 777 && bio.bytes() as usize == size);
        let source = bio.share();
        // One half goes to a local device, the other is filled as by a socket.
        let half = u32::try_from(size / 2)?;
        let clone = scene.clone(&source, (0, half), 4096, Keep::DATA)?;
        clone.write_at(&clone.iter(), &bytes[..size / 2])?;
        let mut rest = source.iter();
        source.advance(&mut rest, half);
        source.write_at(&rest, &bytes[size / 2..])?;
        check!(rest.sector() == 777 + u64::from(half >> 9));
        clone.end(Status::Ok);
        drop(scene.ends.source());
        check!(!sent.has_ended());
        source.fail(status);
        drop(source);
        let (buffer, told) = sent.outcome()?;
        check!(told == status);
        let mut found = pattern(size, 0)?;
        buffer.read_at(0, &mut found)?;
        check!(found[..] == bytes[..]);
    }
    for (op, bytes) in [
        (DeviceOp::Read, 0),
        (DeviceOp::Read, 100),
        (DeviceOp::Write, 8192),
        (DeviceOp::Discard, 512),
    ] {
        let buffer = DeviceBio::new(1)?;
        check!(PAGE_SIZE != 4096 || buffer.lend(op, 0, bytes, Refused).is_err());
    }
    check!(scene.counter.dropped() == 2);
    Ok(())
}
