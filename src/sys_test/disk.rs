// SPDX-License-Identifier: GPL-2.0

//! A disk of our own: what a case sends to it, the case itself receives and ends.
//!
//! Who else looks at the disk, for partitions or for a filesystem, reads zeroes.
//!
//! It is made in the task that loads the module, because a path means nothing to the threads on
//! which KUnit runs cases: only what [`begin`] has opened is open.

use crate::{
    exec_test::aside::{gate, until, Aside, PATIENT},
    sys::{
        bdev::{BlockDevice, OpenMode},
        bio::{Bio, BioList, Op, Status},
        completion::{Completion, Wait},
        device_bio::{DeviceBio, DeviceBioEnd, DeviceFlags, DeviceOp},
        disk::{Borrowed, Disk, DiskBuilder, Operations},
        global::Global,
        limits::QueueLimits,
        random,
    },
};
use kernel::{
    new_spinlock, new_spinlock_irq,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc, SpinLock, SpinLockIrq,
    },
};

/// The disk's name.
pub const NAME: &str = "dst-test";
const PATH: &CStr = c"/dev/dst-test";
/// Its size.
pub const SECTORS: u64 = 1 << 16;

/// Bios that have arrived.
#[pin_data]
pub struct Catcher {
    gone: Gone,
    /// The thread whose bios are kept, 0 for none.
    thread: Atomic<i32>,
    #[pin]
    caught: SpinLock<BioList>,
}

/// Tells when nobody uses the disk any more.
struct Gone(Arc<Completion>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.complete();
    }
}

/// What the disk does.
pub struct Caught;

impl Operations for Caught {
    type Data = Arc<Catcher>;

    fn submit(catcher: Borrowed<'_, Self>, bio: Bio) {
        if catcher.thread.load(ordering::Acquire) == current!().pid() {
            catcher.caught.lock().push_back(bio);
            return;
        }
        let mut piece = bio.iter();
        while bio.op() == Op::Read && piece.bytes() > 0 {
            if bio.write_at(&piece, &[0; 512]).is_err() {
                break;
            }
            bio.advance(&mut piece, 512);
        }
        bio.end(Status::Ok);
    }
}

/// How opening has gone.
///
/// What fails on our own disk is left to the tests of the whole module: the kernel lets go of the
/// disk after such an open only when the task goes back to user space.
pub struct Opens {
    /// The error for a path that is none.
    pub missing: Option<Error>,
    /// The error for something else than a block device.
    pub no_device: Option<Error>,
    /// The error of one who does not claim what another one has claimed.
    pub unclaimed: Option<Error>,
    /// The error of one who claims what was claimed before.
    pub claimed_again: Option<Error>,
    /// The error after a removal that was taken back.
    pub not_removed: Option<Error>,
    /// Whether a disk that is read-only says so.
    pub read_only: bool,
}

/// The disk, and a device that it is opened as.
pub struct TestDisk {
    // Fields are dropped in this order.
    /// The device.
    pub device: Arc<BlockDevice>,
    /// How opening has gone.
    pub opens: Opens,
    catcher: Arc<Catcher>,
    /// The disk.
    pub disk: Disk<Caught>,
}

static DISK: Global<Option<Arc<TestDisk>>> = Global::new(None);

/// The disk of the suite.
pub fn disk() -> Result<Arc<TestDisk>> {
    DISK.with(|disk| disk.clone()).ok_or(ENODEV)
}

fn limits() -> QueueLimits {
    QueueLimits::new()
        .write_cache(true)
        .fua(true)
        .discard(1 << 24, 512)
        .write_zeroes(1 << 24)
}

/// Makes a disk, on a thread of its own: the kernel closes what it has opened to look for partitions
/// only when the task goes back to user space, or in a moment if it is a kernel thread.
fn make_disk(name: &'static str, read_only: bool) -> Result<(Disk<Caught>, Arc<Catcher>)> {
    Aside::run(move || new_disk(name, read_only))?.value()?
}

fn new_disk(name: &str, read_only: bool) -> Result<(Disk<Caught>, Arc<Catcher>)> {
    let gone = Gone(gate()?);
    let catcher = Arc::pin_init(
        pin_init!(Catcher {
            gone,
            thread: Atomic::new(0),
            caught <- new_spinlock!(BioList::new()),
        }),
        GFP_KERNEL,
    )?;
    let disk = DiskBuilder::new(name)?
        .capacity(SECTORS)
        .limits(limits())
        .read_only(read_only)
        .add(crate::this_module()?, None, catcher.clone())?;
    Ok((disk, catcher))
}

/// Why a second disk of that name cannot be made.
pub fn again(name: &str) -> Option<Error> {
    new_disk(name, false).err()
}

fn opens(disk: &Disk<Caught>) -> Result<Opens> {
    let open = |path, write, exclusive| BlockDevice::open(path, OpenMode { write, exclusive });
    let claim = open(PATH, true, true)?;
    let unclaimed = open(PATH, true, false).err();
    drop(claim);
    let claimed_again = open(PATH, true, true).err();
    disk.begin_forced_removal();
    disk.cancel_removal();
    let not_removed = open(PATH, false, false).err();
    let (locked, _) = make_disk("dst-test-ro", true)?;
    let read_only = open(c"/dev/dst-test-ro", false, false)?.is_read_only();
    drop(locked);
    Ok(Opens {
        missing: open(c"/dev/dst-test-none", false, false).err(),
        no_device: open(c"/dev/null", false, false).err(),
        unclaimed,
        claimed_again,
        not_removed,
        read_only,
    })
}

/// Makes the disk.
pub fn begin() -> Result {
    let (disk, catcher) = make_disk(NAME, false)?;
    let opens = opens(&disk)?;
    let mode = OpenMode {
        write: true,
        exclusive: true,
    };
    let disk = TestDisk {
        device: BlockDevice::open(PATH, mode)?,
        opens,
        catcher,
        disk,
    };
    let disk = Arc::new(disk, GFP_KERNEL)?;
    DISK.with(|place| *place = Some(disk));
    Ok(())
}

/// Removes it.
pub fn end() {
    let Some(disk) = DISK.with(Option::take) else {
        return;
    };
    let gone = disk.catcher.gone.0.clone();
    drop(disk);
    // Others, such as udev, may have it open still. A module whose loading fails is freed even so.
    let _ = gone.wait(PATIENT);
}

impl TestDisk {
    /// Runs `send`; the bios that this thread sends meanwhile are kept for [`Self::next`].
    pub fn keep<R>(&self, send: impl FnOnce() -> R) -> R {
        self.catcher
            .thread
            .store(current!().pid(), ordering::Release);
        let result = send();
        self.catcher.thread.store(0, ordering::Release);
        result
    }

    /// The next bio that was kept.
    pub fn next(&self) -> Option<Bio> {
        self.catcher.caught.lock().pop()
    }

    /// Waits for the next bio that is kept. Errors: `ETIMEDOUT`.
    pub fn wait_next(&self) -> Result<Bio> {
        until(|| !self.catcher.caught.lock().is_empty())?;
        self.next().ok_or(ENODATA)
    }

    /// Sends a bio of `bytes` bytes, whose pages begin with `data`. Errors: `ENODATA` if it does
    /// not arrive as one.
    pub fn send(
        &self,
        op: DeviceOp,
        flags: DeviceFlags,
        sector: u64,
        bytes: u32,
        data: &[u8],
    ) -> Result<(Sent, Bio)> {
        let pages = match op {
            DeviceOp::Read | DeviceOp::Write => bytes.div_ceil(PAGE_SIZE as u32),
            _ => 1,
        };
        let mut pages = DeviceBio::new(pages as usize)?;
        pages.write_at(0, data)?;
        let sent = Sent::new()?;
        let ended = Ended(sent.0.clone());
        self.keep(|| pages.submit(&self.device, op, flags, sector, bytes, ended));
        let bio = self.next().ok_or(ENODATA)?;
        if self.next().is_some() {
            return Err(ENODATA);
        }
        Ok((sent, bio))
    }

    /// Sends a read.
    pub fn read(&self, sector: u64, bytes: u32) -> Result<(Sent, Bio)> {
        self.send(DeviceOp::Read, DeviceFlags::default(), sector, bytes, &[])
    }

    /// Sends a write of `data`.
    pub fn write(&self, sector: u64, data: &[u8]) -> Result<(Sent, Bio)> {
        let bytes = u32::try_from(data.len())?;
        self.send(DeviceOp::Write, DeviceFlags::default(), sector, bytes, data)
    }
}

#[pin_data]
struct Outcome {
    #[pin]
    result: SpinLockIrq<Option<(DeviceBio<Ended>, Status)>>,
    #[pin]
    done: Completion,
    times: Atomic<u32>,
}

/// A bio under way, on the side of its sender.
pub struct Sent(Arc<Outcome>);

/// What is told that it has ended.
pub struct Ended(Arc<Outcome>);

impl DeviceBioEnd for Ended {
    fn end(self, bio: DeviceBio<Self>, status: Status) {
        *self.0.result.lock() = Some((bio, status));
        self.0.times.fetch_add(1, ordering::Relaxed);
        self.0.done.complete();
    }
}

impl Sent {
    /// A bio that is lent, not sent: `bytes` bytes to be read at `sector`, and what it tells.
    pub fn lent(sector: u64, bytes: u32) -> Result<(Self, Bio)> {
        let this = Self::new()?;
        let pages = (bytes as usize).div_ceil(PAGE_SIZE);
        let buffer = DeviceBio::new(pages)?;
        let lent = buffer.lend(DeviceOp::Read, sector, bytes, Ended(this.0.clone()));
        Ok((this, lent.map_err(|_| EINVAL)?))
    }

    fn new() -> Result<Self> {
        Ok(Self(Arc::pin_init(
            pin_init!(Outcome {
                result <- new_spinlock_irq!(None),
                done <- Completion::new(),
                times: Atomic::new(0),
            }),
            GFP_KERNEL,
        )?))
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.0.done.wait(Wait::NONE).ok().is_ok()
    }

    /// What has come back. Errors: `ETIMEDOUT` if nothing does, `EINVAL` if it did twice.
    pub fn outcome(&self) -> Result<(DeviceBio<Ended>, Status)> {
        self.0.done.wait(PATIENT).ok()?;
        if self.0.times.load(ordering::Relaxed) != 1 {
            return Err(EINVAL);
        }
        let outcome = self.0.result.lock().take();
        outcome.ok_or(ENODATA)
    }

    /// How it has ended. Errors: as [`Self::outcome`].
    pub fn status(&self) -> Result<Status> {
        Ok(self.outcome()?.1)
    }
}

/// Random bytes of which no two stretches are alike; all zero for `seed` 0.
pub fn pattern(bytes: usize, seed: u32) -> Result<KVVec<u8>> {
    let mut pattern = KVVec::from_elem(0u8, bytes, GFP_KERNEL)?;
    if seed != 0 {
        for word in pattern.chunks_mut(4) {
            let random = random::number().to_ne_bytes();
            word.copy_from_slice(&random[..word.len()]);
        }
    }
    Ok(pattern)
}
