// SPDX-License-Identifier: GPL-2.0

//! Block devices of this machine, opened for our own use.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::limits::Limits;
use core::ptr::NonNull;
use kernel::{
    bindings,
    error::{from_err_ptr, to_result},
    ffi::{c_char, c_int, c_void},
    fmt,
    prelude::*,
    str::CStr,
    sync::Arc,
    ThisModule,
};

// The C structures contain empty ones, which Rust calls not FFI-safe; no such value is passed.
#[allow(improper_ctypes)]
extern "C" {
    fn dst_blk_bdev_limits(bdev: *mut bindings::block_device, out: *mut RawLimits);
    fn dst_blk_bdev_close(file: *mut bindings::file);
    fn dst_blk_bdev_sectors(bdev: *mut bindings::block_device) -> u64;
    fn dst_blk_bdev_read_only(bdev: *mut bindings::block_device) -> bool;
    fn dst_blk_bdev_name(
        bdev: *mut bindings::block_device,
        buffer: *mut c_char,
        size: usize,
    ) -> c_int;
    fn dst_blk_bdev_owned_by(
        bdev: *mut bindings::block_device,
        module: *mut bindings::module,
    ) -> bool;
    fn dst_blk_bdev_rw(
        bdev: *mut bindings::block_device,
        pos: bindings::loff_t,
        buffer: *mut c_void,
        length: usize,
        write: bool,
        stable: bool,
    ) -> c_int;
}

/// `BLK_OPEN_READ`, checked in `bdev.c`.
pub(super) const BLK_OPEN_READ: bindings::blk_mode_t = 1 << 0;
/// `BLK_OPEN_WRITE`, checked in `bdev.c`.
pub(super) const BLK_OPEN_WRITE: bindings::blk_mode_t = 1 << 1;

/// The layout of `struct dst_blk_bdev_limits` in `bdev.c`.
#[repr(C)]
#[derive(Default)]
struct RawLimits {
    max_transfer: u64,
    max_discard: u64,
    max_write_zeroes: u64,
    logical_block: u32,
    physical_block: u32,
    io_min: u32,
    io_opt: u32,
    discard_granularity: u32,
    discard_alignment: u32,
    dma_alignment: u32,
    write_cache: u8,
    fua: u8,
    rotational: u8,
    read_only: u8,
    stable_writes: u8,
    nowait: u8,
    zoned: u8,
    integrity: u8,
}

/// Size of a block device in 512 byte sectors.
///
/// # Safety
///
/// `bdev` must be valid.
pub(super) unsafe fn sectors_of(bdev: *mut bindings::block_device) -> u64 {
    // SAFETY: By the requirements of this function.
    unsafe { dst_blk_bdev_sectors(bdev) }
}

/// Name of a block device.
///
/// # Safety
///
/// `bdev` must be valid.
pub(super) unsafe fn name_of(bdev: *mut bindings::block_device) -> DeviceName {
    let mut name = DeviceName {
        text: [0; 48],
        length: 0,
    };
    // SAFETY: `bdev` is valid, and the buffer is valid for writes of its length.
    let length = unsafe { dst_blk_bdev_name(bdev, name.text.as_mut_ptr().cast(), name.text.len()) };
    name.length = usize::try_from(length).unwrap_or(0).min(name.text.len());
    name
}

/// How to open a block device. Reading is always included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenMode {
    /// Also for writing.
    pub write: bool,
    /// Claim the device: fails if a filesystem, another driver or another of our opens has
    /// claimed it (or a partition of it), and keeps these out from then on.
    pub exclusive: bool,
}

/// The short name of a block device, such as `sda1`.
pub struct DeviceName {
    text: [u8; 48],
    length: usize,
}

impl DeviceName {
    /// The name without a terminator.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[..self.length]
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        core::str::from_utf8(self.as_bytes())
            .map_err(|_| fmt::Error)
            .and_then(|name| f.write_str(name))
    }
}

/// An open block device.
///
/// Dropping it closes the device: at once where sleeping is allowed; in atomic context through the
/// kernel's deferred closing of files, and then an exclusive claim stays for a moment. Closing
/// takes the device's open mutex and may write back its page cache.
///
/// # Invariants
///
/// - `file` is a reference to a file that `bdev_file_open_by_path` returned, and `bdev` its device.
/// - `_holder` is the claim's identity if the device was opened exclusively; nobody else has it.
pub struct BlockDevice {
    file: NonNull<bindings::file>,
    bdev: NonNull<bindings::block_device>,
    _holder: Option<KBox<usize>>,
}

// SAFETY: An open block device is not bound to the task that opened it.
unsafe impl Send for BlockDevice {}

// SAFETY: All functions used through a shared reference do their own locking.
unsafe impl Sync for BlockDevice {}

impl BlockDevice {
    /// Opens the device at `path`, looked up in the mount namespace of the calling task.
    ///
    /// May sleep, for as long as the device's driver takes to open it. Errors: `ENOENT` (no such
    /// path), `ENOTBLK` (not a block device), `EACCES` (the device is read-only, or its mount
    /// forbids devices), `ENXIO` (no such device, or it is going away), `EBUSY` (claimed by
    /// somebody else).
    pub fn open(path: &CStr, mode: OpenMode) -> Result<Arc<Self>> {
        let mut flags = BLK_OPEN_READ;
        if mode.write {
            flags |= BLK_OPEN_WRITE;
        }
        let holder = mode
            .exclusive
            .then(|| KBox::new(0_usize, GFP_KERNEL))
            .transpose()?;
        let identity = holder.as_ref().map_or(core::ptr::null_mut(), |holder| {
            core::ptr::from_ref::<usize>(holder).cast_mut().cast()
        });
        // SAFETY: `path` is a valid C string; `identity` is only compared with other pointers.
        let file = from_err_ptr(unsafe {
            bindings::bdev_file_open_by_path(path.as_char_ptr(), flags, identity, core::ptr::null())
        })?;
        // SAFETY: `file` is the file of an open block device.
        let bdev = unsafe { bindings::file_bdev(file) };
        let (Some(file), Some(bdev)) = (NonNull::new(file), NonNull::new(bdev)) else {
            return Err(ENXIO);
        };
        // INVARIANT: As just obtained. If the allocation fails, `Drop` closes the file.
        let device = Self {
            file,
            bdev,
            _holder: holder,
        };
        Ok(Arc::new(device, GFP_KERNEL)?)
    }

    /// The raw device, valid while `self` lives.
    #[inline]
    pub(super) fn as_ptr(&self) -> *mut bindings::block_device {
        self.bdev.as_ptr()
    }

    /// Size in 512 byte sectors, as of now: 0 if the device has gone.
    pub fn sectors(&self) -> u64 {
        // SAFETY: The device is open by the type invariants.
        unsafe { sectors_of(self.as_ptr()) }
    }

    /// Whether writes are refused, as of now.
    pub fn is_read_only(&self) -> bool {
        // SAFETY: The device is open by the type invariants.
        unsafe { dst_blk_bdev_read_only(self.as_ptr()) }
    }

    /// The kernel's name of the device.
    pub fn name(&self) -> DeviceName {
        // SAFETY: The device is open by the type invariants.
        unsafe { name_of(self.as_ptr()) }
    }

    /// Major and minor number.
    pub fn device_number(&self) -> (u32, u32) {
        // SAFETY: The device is open by the type invariants; the number never changes.
        super::disk::split_device_number(unsafe { (*self.as_ptr()).bd_dev })
    }

    /// Whether the device is one of `module`'s own disks, or a partition of one.
    ///
    /// Never true when the code is built into the kernel: it has no module then.
    pub fn opened_by(&self, module: &ThisModule) -> bool {
        // SAFETY: The device is open; the module's address is only compared.
        unsafe { dst_blk_bdev_owned_by(self.as_ptr(), module.as_ptr()) }
    }

    /// Sizes and abilities, as of now.
    pub fn limits(&self) -> Limits {
        let mut raw = RawLimits::default();
        // SAFETY: The device is open, and the structures have the same layout.
        unsafe { dst_blk_bdev_limits(self.as_ptr(), &mut raw) };
        Limits {
            logical_block: raw.logical_block,
            physical_block: raw.physical_block,
            io_min: raw.io_min,
            io_opt: raw.io_opt,
            max_transfer: raw.max_transfer,
            max_discard: raw.max_discard,
            discard_granularity: raw.discard_granularity,
            discard_alignment: raw.discard_alignment,
            max_write_zeroes: raw.max_write_zeroes,
            dma_alignment: raw.dma_alignment,
            write_cache: raw.write_cache != 0,
            fua: raw.fua != 0,
            rotational: raw.rotational != 0,
            read_only: raw.read_only != 0,
            stable_writes: raw.stable_writes != 0,
            nowait: raw.nowait != 0,
            zoned: raw.zoned != 0,
            integrity: raw.integrity != 0,
        }
    }

    /// Flushes the device's volatile cache and waits for it.
    ///
    /// Sleeps; not to be called from `submit_bio` or by a worker that moves I/O.
    pub fn flush(&self) -> Result {
        // SAFETY: The device is open by the type invariants.
        to_result(unsafe { bindings::blkdev_issue_flush(self.as_ptr()) })
    }

    /// Reads exactly `data.len()` bytes at `offset`, past the page cache.
    ///
    /// `offset` and length are multiples of the logical block (`EINVAL`), the range lies on the
    /// device (`EIO` otherwise). Sleeps; same callers as [`BlockDevice::flush`].
    pub fn read_exact_at(&self, offset: u64, data: &mut [u8]) -> Result {
        let pos = self.check(offset, data.len())?;
        // SAFETY: The device is open, and `data` is valid for writes of its length.
        to_result(unsafe {
            dst_blk_bdev_rw(
                self.as_ptr(),
                pos,
                data.as_mut_ptr().cast(),
                data.len(),
                false,
                false,
            )
        })
    }

    /// Writes all of `data` at `offset`, past the page cache.
    ///
    /// With `stable`, the data is on stable storage on return. Otherwise as
    /// [`BlockDevice::read_exact_at`].
    pub fn write_all_at(&self, offset: u64, data: &[u8], stable: bool) -> Result {
        let pos = self.check(offset, data.len())?;
        // SAFETY: The device is open, and `data` is valid for reads of its length; when writing
        // to the device, the buffer is only read.
        to_result(unsafe {
            dst_blk_bdev_rw(
                self.as_ptr(),
                pos,
                data.as_ptr().cast_mut().cast(),
                data.len(),
                true,
                stable,
            )
        })
    }

    /// The position for a transfer, if it is aligned to the logical block.
    fn check(&self, offset: u64, length: usize) -> Result<bindings::loff_t> {
        let block = u64::from(self.limits().logical_block.max(512));
        if offset % block != 0 || length as u64 % block != 0 {
            return Err(EINVAL);
        }
        bindings::loff_t::try_from(offset).map_err(|_| EINVAL)
    }
}

impl Drop for BlockDevice {
    fn drop(&mut self) {
        // SAFETY: The reference to the file is ours by the type invariants and is given up here.
        unsafe { dst_blk_bdev_close(self.file.as_ptr()) };
    }
}
