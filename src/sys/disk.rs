// SPDX-License-Identifier: GPL-2.0

//! Bio-based disks.
//!
//! # Life of a disk
//!
//! [`DiskBuilder::add`] makes the disk visible; bios may arrive before it returns, as the kernel
//! looks for partitions. [`Disk::begin_removal`] refuses further opens, and fails if the disk is
//! open. For a removal by force, the owner first sees to it that every bio, accepted or to come,
//! ends soon; then [`Disk::begin_forced_removal`], [`Disk::mark_dead`] and [`Disk::remove`].
//! `remove` returns when the disk is gone from `/dev` and sysfs and no task is in
//! [`Operations::submit`] any more. Bios that were accepted before do not hold it up (the queue's
//! usage counter is only held during `submit`): the owner drains these itself. The data lives on
//! until the last opener has closed, and the disk pins the module until then.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::{
    bdev::{DeviceName, BLK_OPEN_WRITE},
    bio::{Bio, SECTOR_SHIFT},
    limits::QueueLimits,
};
use core::{marker::PhantomData, ptr::NonNull};
use kernel::{
    bindings,
    device::Device,
    error::{from_err_ptr, from_result, to_result},
    ffi::{c_char, c_int, c_uint, c_void},
    prelude::*,
    static_lock_class,
    sync::atomic::{ordering, Atomic},
    types::ForeignOwnable,
    ThisModule,
};

// The C structures contain empty ones, which Rust calls not FFI-safe; no such value is passed.
#[allow(improper_ctypes)]
extern "C" {
    fn dst_blk_disk_openers(disk: *mut bindings::gendisk) -> c_uint;
    fn dst_blk_disk_lock_openers(disk: *mut bindings::gendisk);
    fn dst_blk_disk_unlock_openers(disk: *mut bindings::gendisk);
    fn dst_blk_disk_name_taken(disk: *mut bindings::gendisk, name: *const c_char) -> bool;
    fn dst_blk_disk_get_module(module: *mut bindings::module) -> bool;
    fn dst_blk_disk_put_module(module: *mut bindings::module);
}

/// Most sectors of a disk: sizes in bytes are signed 64 bit numbers.
pub const CAPACITY_MAX: u64 = (i64::MAX >> SECTOR_SHIFT) as u64;

/// Most bytes of a disk's name, without the terminator.
pub const NAME_MAX: usize = bindings::DISK_NAME_LEN as usize - 1;

/// Major and minor of a kernel device number.
pub(super) fn split_device_number(number: bindings::dev_t) -> (u32, u32) {
    (number >> 20, number & ((1 << 20) - 1))
}

/// The C device behind a device reference.
fn device_ptr(device: &Device) -> *mut bindings::device {
    // `Device` is a transparent wrapper of an opaque `struct device`.
    core::ptr::from_ref(device).cast_mut().cast()
}

/// The data as the operations see it.
pub type Borrowed<'a, T> = <<T as Operations>::Data as ForeignOwnable>::Borrowed<'a>;

/// How a disk is being opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskOpenMode {
    /// Also for writing.
    pub write: bool,
}

/// What a disk does.
pub trait Operations: Sized + 'static {
    /// What the operations work on; dropped when nobody can call them any more.
    type Data: ForeignOwnable + Send + Sync;

    /// A bio has arrived, of any size and for any range on the disk.
    ///
    /// Runs in process context of the submitter, or of a lower level's worker; it may sleep (not
    /// for a bio that must not wait), but not for another bio that it submits itself: that one is
    /// only sent after it has returned. [`Disk::remove`] waits for it.
    fn submit(data: Borrowed<'_, Self>, bio: Bio);

    /// Somebody opens the disk or a partition. An error refuses it.
    ///
    /// Process context, under the disk's open mutex. Not called once a removal has begun.
    fn open(data: Borrowed<'_, Self>, mode: DiskOpenMode) -> Result {
        let _ = (data, mode);
        Ok(())
    }

    /// An opener has closed. Process context, under the disk's open mutex.
    fn release(data: Borrowed<'_, Self>) {
        let _ = data;
    }
}

/// What `private_data` of our disks points to.
///
/// # Invariants
///
/// `data` came from `into_foreign` and is valid until this structure is freed.
struct Private<T: Operations> {
    /// Each disk has a table of its own, as the owner is only known at run time.
    fops: bindings::block_device_operations,
    data: *mut c_void,
    removing: Atomic<bool>,
    module: *mut bindings::module,
    operations: PhantomData<T>,
}

impl<T: Operations> Private<T> {
    /// # Safety
    ///
    /// `disk` must be a disk made by [`DiskBuilder::add`] for the same `T`, and not yet freed.
    unsafe fn of<'a>(disk: *mut bindings::gendisk) -> &'a Self {
        // SAFETY: By the requirements, `private_data` points to our structure.
        unsafe { &*(*disk).private_data.cast::<Self>() }
    }

    fn data(&self) -> Borrowed<'_, T> {
        // SAFETY: By the type invariants; the borrow does not outlive `self`.
        unsafe { T::Data::borrow(self.data) }
    }

    /// # Safety
    ///
    /// Only as an operation of a disk made for the same `T`; `bio` is given to the driver.
    unsafe extern "C" fn submit_bio(bio: *mut bindings::bio) {
        // SAFETY: The block layer passes a valid bio for one of our disks. The disk cannot be
        // freed during the call, as the submitter has it open.
        let private = unsafe { Self::of((*(*bio).bi_bdev).bd_disk) };
        // SAFETY: The bio is valid, so not null, and from here on ended by its handle only.
        let bio = unsafe { Bio::accept(NonNull::new_unchecked(bio)) };
        T::submit(private.data(), bio);
    }

    /// # Safety
    ///
    /// Only as an operation of a disk made for the same `T`.
    unsafe extern "C" fn open(disk: *mut bindings::gendisk, mode: bindings::blk_mode_t) -> c_int {
        // SAFETY: The block layer passes one of our disks, with a reference held.
        let private = unsafe { Self::of(disk) };
        from_result(|| {
            // The open mutex, which is held here, orders this against `begin_removal`.
            if private.removing.load(ordering::Relaxed) {
                return Err(ENXIO);
            }
            let mode = DiskOpenMode {
                write: mode & BLK_OPEN_WRITE != 0,
            };
            T::open(private.data(), mode)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Only as an operation of a disk made for the same `T`.
    unsafe extern "C" fn release(disk: *mut bindings::gendisk) {
        // SAFETY: The block layer passes one of our disks, with a reference held.
        let private = unsafe { Self::of(disk) };
        T::release(private.data());
    }

    /// # Safety
    ///
    /// Only as an operation of a disk made for the same `T`.
    unsafe extern "C" fn free_disk(disk: *mut bindings::gendisk) {
        // SAFETY: The block layer calls this once, when nobody refers to the disk any more.
        unsafe {
            let private = (*disk).private_data.cast::<Self>();
            Self::free(private);
        }
    }

    /// Drops the data and lets go of the module.
    ///
    /// # Safety
    ///
    /// `private` must come from `KBox::into_raw`, and nobody may use it any more.
    unsafe fn free(private: *mut Self) {
        // SAFETY: By the requirements of this function and the type invariants.
        let module = unsafe {
            let private = KBox::from_raw(private);
            drop(T::Data::from_foreign(private.data));
            private.module
        };
        // Last: once the count is zero, this code may be unloaded.
        // SAFETY: The reference was taken by `DiskBuilder::add`.
        unsafe { dst_blk_disk_put_module(module) };
    }
}

/// Collects what a new disk needs.
pub struct DiskBuilder {
    name: [u8; NAME_MAX + 1],
    capacity: u64,
    limits: QueueLimits,
    read_only: bool,
}

impl DiskBuilder {
    /// A disk `/dev/<name>`; `EINVAL` if the name is empty, longer than [`NAME_MAX`] bytes, `.`,
    /// `..`, or has a slash or a zero in it.
    pub fn new(name: &str) -> Result<Self> {
        let bytes = name.as_bytes();
        if bytes.is_empty()
            || bytes.len() > NAME_MAX
            || matches!(bytes, b"." | b"..")
            || bytes.iter().any(|byte| matches!(byte, b'/' | b'!' | 0))
        {
            return Err(EINVAL);
        }
        let mut this = Self {
            name: [0; NAME_MAX + 1],
            capacity: 0,
            limits: QueueLimits::new(),
            read_only: false,
        };
        this.name[..bytes.len()].copy_from_slice(bytes);
        Ok(this)
    }

    /// Size in 512 byte sectors.
    pub fn capacity(mut self, sectors: u64) -> Self {
        self.capacity = sectors;
        self
    }

    /// What the disk can do.
    pub fn limits(mut self, limits: QueueLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Writes and opens for writing are refused by the block layer.
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Makes the disk and shows it to the world. May sleep.
    ///
    /// `EEXIST` if a block device or a partition has the name already, `EINVAL` if the size is
    /// above [`CAPACITY_MAX`] or the block layer does not like the limits.
    ///
    /// `parent` is its place under `/sys/devices` (`None`: `virtual/block`). Partitions are looked
    /// for, so bios arrive before this returns: `data` must be ready to serve them.
    pub fn add<T: Operations>(
        &mut self,
        module: &'static ThisModule,
        parent: Option<&Device>,
        data: T::Data,
    ) -> Result<Disk<T>> {
        if self.capacity > CAPACITY_MAX {
            return Err(EINVAL);
        }
        let private = KBox::new(
            Private::<T> {
                fops: bindings::block_device_operations {
                    submit_bio: Some(Private::<T>::submit_bio),
                    open: Some(Private::<T>::open),
                    release: Some(Private::<T>::release),
                    free_disk: Some(Private::<T>::free_disk),
                    owner: module.as_ptr(),
                    ..NO_OPERATIONS
                },
                data: core::ptr::null_mut(),
                removing: Atomic::new(false),
                module: module.as_ptr(),
                operations: PhantomData,
            },
            GFP_KERNEL,
        )?;
        // SAFETY: The module runs this code, so it is valid.
        if !unsafe { dst_blk_disk_get_module(module.as_ptr()) } {
            return Err(ENODEV);
        }
        let private = KBox::into_raw(private);
        // INVARIANT: `data` comes from `into_foreign`.
        // SAFETY: `private` is valid and only known here.
        unsafe { (*private).data = data.into_foreign() };

        // SAFETY: `private` is valid and not in use.
        unsafe { self.add_private(parent, private) }.inspect_err(|_| {
            // SAFETY: The disk, if there was one, no longer refers to it.
            unsafe { Private::free(private) };
        })
    }

    /// The rest of [`DiskBuilder::add`]. On success the disk owns `private`, else the caller.
    ///
    /// # Safety
    ///
    /// `private` must be valid and not be used by anybody.
    unsafe fn add_private<T: Operations>(
        &mut self,
        parent: Option<&Device>,
        private: *mut Private<T>,
    ) -> Result<Disk<T>> {
        // SAFETY: The limits are initialised.
        let raw = from_err_ptr(unsafe {
            bindings::__blk_alloc_disk(
                self.limits.as_mut_ptr(),
                bindings::NUMA_NO_NODE,
                static_lock_class!().as_ptr(),
            )
        })?;
        // SAFETY: The disk is valid and not yet visible to anybody else. The name is terminated.
        let added = unsafe {
            for (to, from) in (*raw).disk_name.iter_mut().zip(self.name) {
                *to = from as c_char;
            }
            (*raw).private_data = private.cast();
            (*raw).fops = &raw const (*private).fops;
            bindings::set_capacity(raw, self.capacity);
            bindings::set_disk_ro(raw, self.read_only);
            // The driver core would refuse the name as well, but with a stack trace in the log.
            if dst_blk_disk_name_taken(raw, (*raw).disk_name.as_ptr()) {
                Err(EEXIST)
            } else {
                to_result(bindings::device_add_disk(
                    parent.map_or(core::ptr::null_mut(), device_ptr),
                    raw,
                    core::ptr::null_mut(),
                ))
            }
        };
        if let Err(error) = added {
            // SAFETY: The disk was not added, so nothing but its device's reference count keeps
            // it; should that be held by somebody else for a moment, it must not find `private`.
            unsafe {
                (*raw).fops = &raw const NO_OPERATIONS_TABLE.0;
                (*raw).private_data = core::ptr::null_mut();
                bindings::put_disk(raw);
            }
            return Err(error);
        }
        // INVARIANT: The disk has been added, with `private`.
        Ok(Disk {
            raw,
            operations: PhantomData,
        })
    }
}

/// A table without any operation, for a disk that could not be added.
static NO_OPERATIONS_TABLE: Table = Table(NO_OPERATIONS);

/// Lets a table be a static.
struct Table(bindings::block_device_operations);

// SAFETY: The table is never changed, and the pointers in it are null.
unsafe impl Sync for Table {}

/// No operation.
const NO_OPERATIONS: bindings::block_device_operations = bindings::block_device_operations {
    submit_bio: None,
    poll_bio: None,
    open: None,
    release: None,
    ioctl: None,
    compat_ioctl: None,
    check_events: None,
    unlock_native_capacity: None,
    getgeo: None,
    set_read_only: None,
    free_disk: None,
    swap_slot_free_notify: None,
    report_zones: None,
    devnode: None,
    get_unique_id: None,
    owner: core::ptr::null_mut(),
    pr_ops: core::ptr::null(),
    alternative_gpt_sector: None,
};

/// A disk that has been added. Dropping it removes it.
///
/// # Invariants
///
/// `raw` is a valid disk made by [`DiskBuilder::add`] for the same `T`, that has not been removed.
pub struct Disk<T: Operations> {
    raw: *mut bindings::gendisk,
    operations: PhantomData<T>,
}

// SAFETY: A disk may be managed and removed by any task; its data may be sent and shared.
unsafe impl<T: Operations> Send for Disk<T> {}

// SAFETY: All functions used through a shared reference do their own locking.
unsafe impl<T: Operations> Sync for Disk<T> {}

impl<T: Operations> Disk<T> {
    fn private(&self) -> &Private<T> {
        // SAFETY: By the type invariants.
        unsafe { Private::of(self.raw) }
    }

    /// The data that the operations work on.
    pub fn data(&self) -> Borrowed<'_, T> {
        self.private().data()
    }

    /// Major and minor number.
    pub fn device_number(&self) -> (u32, u32) {
        // SAFETY: The disk is valid by the type invariants; its number never changes.
        unsafe { ((*self.raw).major as u32, (*self.raw).first_minor as u32) }
    }

    /// The disk's name.
    pub fn name(&self) -> DeviceName {
        // SAFETY: The disk is valid by the type invariants, so its whole-disk device is.
        unsafe { super::bdev::name_of((*self.raw).part0) }
    }

    /// Changes the size, at most to [`CAPACITY_MAX`], and tells user space. May sleep.
    pub fn set_capacity(&self, sectors: u64) {
        let sectors = sectors.min(CAPACITY_MAX);
        // SAFETY: The disk is valid by the type invariants.
        unsafe { bindings::set_capacity_and_notify(self.raw, sectors) };
    }

    /// How often the disk and its partitions are open. Only a hint: see [`Disk::begin_removal`].
    pub fn openers(&self) -> u32 {
        // SAFETY: The disk is valid by the type invariants.
        unsafe { dst_blk_disk_openers(self.raw) }
    }

    /// Calls `f` with the number of openers, while nobody can open or close.
    fn with_openers<R>(&self, f: impl FnOnce(u32) -> R) -> R {
        // SAFETY: The disk is valid by the type invariants, and the lock is given back below.
        unsafe { dst_blk_disk_lock_openers(self.raw) };
        let result = f(self.openers());
        // SAFETY: Locked above.
        unsafe { dst_blk_disk_unlock_openers(self.raw) };
        result
    }

    /// Refuses every open from now on (`ENXIO`); `EBUSY`, and nothing changes, if the disk or a
    /// partition is open.
    ///
    /// May sleep. Programs like udev open a disk for a moment after it has changed or was closed
    /// after writing, so it is worth trying for a second or so.
    pub fn begin_removal(&self) -> Result {
        self.with_openers(|openers| {
            if openers > 0 {
                return Err(EBUSY);
            }
            self.private().removing.store(true, ordering::Relaxed);
            Ok(())
        })
    }

    /// Refuses every open from now on, however many there are. May sleep.
    pub fn begin_forced_removal(&self) {
        self.with_openers(|_| self.private().removing.store(true, ordering::Relaxed));
    }

    /// Takes [`Disk::begin_removal`] back. May sleep.
    pub fn cancel_removal(&self) {
        self.with_openers(|_| self.private().removing.store(false, ordering::Relaxed));
    }

    /// Has every new bio fail before it reaches [`Operations::submit`], sets the size to 0, tells
    /// filesystems on the disk that it is dead, and drops cached pages. May sleep.
    ///
    /// It does not touch bios that `submit` has been given, nor tasks that sleep in it; and the
    /// filesystem's part may wait for a task that waits for such a bio. So the owner first lets
    /// these fail.
    pub fn mark_dead(&self) {
        // SAFETY: The disk is valid by the type invariants.
        unsafe { bindings::blk_mark_disk_dead(self.raw) };
    }

    /// Removes the disk. May sleep, until no task is in [`Operations::submit`] any more.
    ///
    /// Unless it was marked dead, filesystems on it are told to write back what they have, so
    /// bios arrive until shortly before this returns.
    pub fn remove(self) {
        drop(self);
    }
}

impl<T: Operations> Drop for Disk<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the disk was added and not yet removed. Our reference is
        // given up; the last one calls `free_disk`.
        unsafe {
            bindings::del_gendisk(self.raw);
            bindings::put_disk(self.raw);
        }
    }
}
