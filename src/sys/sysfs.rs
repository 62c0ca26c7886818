// SPDX-License-Identifier: GPL-2.0

//! Directories of text files under `/sys/devices`.
//!
//! C headers: `include/linux/device.h`, `include/linux/sysfs.h`.

use core::{
    ffi::{c_char, c_int, c_uint, c_void},
    marker::PhantomData,
    ptr::NonNull,
};
use kernel::{
    bindings, error::from_err_ptr, fmt, page::PAGE_SIZE, prelude::*, str::CStr, sync::Arc,
    types::Opaque,
};

extern "C" {
    fn dst_blk_dir_name_taken(name: *const c_char) -> bool;
    fn dst_blk_dir_new(
        parent: *mut RawDirectory,
        name: *const c_char,
        specs: *const Spec,
        count: c_uint,
        ops: *const Operations,
        data: *mut c_void,
    ) -> *mut RawDirectory;
    fn dst_blk_dir_remove(dir: *mut RawDirectory);
}

/// `struct dst_blk_dir` of `sysfs.c`.
type RawDirectory = Opaque<c_void>;

/// `struct dst_blk_dir_spec` of `sysfs.c`.
#[repr(C)]
struct Spec {
    name: *const c_char,
    mode: bindings::umode_t,
}

/// `struct dst_blk_dir_ops` of `sysfs.c`.
#[repr(C)]
struct Operations {
    show: unsafe extern "C" fn(*mut c_void, c_uint, *mut c_char) -> isize,
    store: unsafe extern "C" fn(*mut c_void, c_uint, *const c_char, usize) -> isize,
    release: unsafe extern "C" fn(*mut c_void),
}

/// Whether something under `/sys/devices` has this name. May sleep.
pub fn name_taken(name: &CStr) -> bool {
    // SAFETY: `name` is a string of C.
    unsafe { dst_blk_dir_name_taken(name.as_char_ptr().cast()) }
}

/// What a file does.
pub enum Access<T: ?Sized> {
    /// Everybody may read it.
    Read(fn(&T, &mut Page<'_>) -> Result),
    /// Only root may write it; the text comes as it was written, in one piece.
    Write(fn(&T, &[u8]) -> Result),
    /// Everybody may read it, only root may write it.
    ReadWrite(fn(&T, &mut Page<'_>) -> Result, fn(&T, &[u8]) -> Result),
}

/// A file of a directory.
pub struct File<T: ?Sized> {
    /// Its name.
    pub name: &'static CStr,
    /// What reading or writing does. The functions run in process context, may sleep, and may
    /// run at the same time. They must not remove the directory that they are in, and must not
    /// wait for a lock under which it is removed.
    pub access: Access<T>,
}

/// What is behind the files of a directory.
pub trait Files: Send + Sync + Sized + 'static {
    /// The files.
    const FILES: &'static [File<Self>];
}

/// The page that a file's content is written to.
///
/// What does not fit into a page is cut off.
pub struct Page<'a> {
    bytes: &'a mut [u8],
    length: usize,
}

impl Page<'_> {
    /// Adds text, see [`kernel::prelude::fmt`].
    pub fn put(&mut self, text: fmt::Arguments<'_>) -> Result {
        fmt::Write::write_fmt(self, text).map_err(|_| EIO)
    }
}

impl fmt::Write for Page<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.length..).unwrap_or(&mut []);
        let count = text.len().min(room.len());
        room[..count].copy_from_slice(&text.as_bytes()[..count]);
        self.length += count;
        Ok(())
    }
}

/// A directory. Dropping it removes it and waits until nobody reads or writes its files.
///
/// # Invariants
///
/// `dir` was made by `dst_blk_dir_new()` with a `KBox<T>` as its data, and not removed. If it
/// lies in another directory, that one is not removed before: a reference to it is held.
pub struct Directory<T: Files> {
    dir: NonNull<RawDirectory>,
    parent: Option<Arc<dyn Keep>>,
    _data: PhantomData<KBox<T>>,
}

/// Something that is only kept.
trait Keep: Send + Sync {}

impl<T: Files> Keep for Directory<T> {}

// SAFETY: The data is `Send` and `Sync`; the kernel synchronises the rest.
unsafe impl<T: Files> Send for Directory<T> {}

// SAFETY: As for `Send`.
unsafe impl<T: Files> Sync for Directory<T> {}

impl<T: Files> Directory<T> {
    /// Makes `/sys/devices/NAME`. May sleep.
    ///
    /// Errors: `EEXIST` if something has that name, `ENOMEM`.
    pub fn at_top(name: &CStr, data: T) -> Result<Self> {
        Self::new(core::ptr::null_mut(), None, name, data)
    }

    /// Makes a directory in another one. May sleep. Errors as for [`Self::at_top`].
    pub fn within<P: Files>(parent: &Arc<Directory<P>>, name: &CStr, data: T) -> Result<Self> {
        let raw = parent.dir.as_ptr();
        let keep: Arc<dyn Keep> = parent.clone();
        Self::new(raw, Some(keep), name, data)
    }

    fn new(
        parent: *mut RawDirectory,
        keep: Option<Arc<dyn Keep>>,
        name: &CStr,
        data: T,
    ) -> Result<Self> {
        let mut specs = KVec::with_capacity(T::FILES.len(), GFP_KERNEL)?;
        for file in T::FILES {
            let mode = match file.access {
                Access::Read(_) => 0o444,
                Access::Write(_) => 0o200,
                Access::ReadWrite(..) => 0o644,
            };
            let name = file.name.as_char_ptr().cast();
            specs.push(Spec { name, mode }, GFP_KERNEL)?;
        }
        let ops = Operations {
            show: show::<T>,
            store: store::<T>,
            release: release::<T>,
        };
        let count = c_uint::try_from(specs.len())?;
        let data = KBox::into_raw(KBox::new(data, GFP_KERNEL)?);
        // SAFETY: `parent` is null or kept by `keep`. The names of the files are static, the
        // other arguments are copied. The data is owned by the directory from here on, also if
        // it cannot be made.
        let dir = from_err_ptr(unsafe {
            dst_blk_dir_new(
                parent,
                name.as_char_ptr().cast(),
                specs.as_ptr(),
                count,
                &ops,
                data.cast(),
            )
        })?;
        // INVARIANT: As just made; `from_err_ptr` let no error through, and null is none of
        // the results.
        Ok(Self {
            dir: NonNull::new(dir).ok_or(ENOMEM)?,
            parent: keep,
            _data: PhantomData,
        })
    }
}

impl<T: Files> Drop for Directory<T> {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant. What lies in this directory holds a reference to it,
        // so nothing does any more.
        unsafe { dst_blk_dir_remove(self.dir.as_ptr()) };
        // The directory around this one may go now.
        self.parent = None;
    }
}

/// Reads a file.
///
/// # Safety
///
/// `data` is that of a directory of `T`, `page` has room for a page.
unsafe extern "C" fn show<T: Files>(data: *mut c_void, index: c_uint, page: *mut c_char) -> isize {
    // SAFETY: The directory owns a `KBox<T>` and waits for this function before releasing it.
    let data = unsafe { &*data.cast::<T>() };
    // SAFETY: By the contract of this function; sysfs hands out zeroed pages.
    let bytes = unsafe { core::slice::from_raw_parts_mut(page.cast::<u8>(), PAGE_SIZE - 1) };
    let mut page = Page { bytes, length: 0 };
    let result = match T::FILES.get(index as usize).map(|file| &file.access) {
        Some(Access::Read(read) | Access::ReadWrite(read, _)) => read(data, &mut page),
        _ => Err(EIO),
    };
    match result {
        // Less than a page.
        Ok(()) => page.length as isize,
        Err(error) => error_code(error),
    }
}

/// Writes a file.
///
/// # Safety
///
/// `data` is that of a directory of `T`, `text` has `count` bytes.
unsafe extern "C" fn store<T: Files>(
    data: *mut c_void,
    index: c_uint,
    text: *const c_char,
    count: usize,
) -> isize {
    // SAFETY: As in `show`.
    let data = unsafe { &*data.cast::<T>() };
    // SAFETY: By the contract of this function.
    let text = unsafe { core::slice::from_raw_parts(text.cast::<u8>(), count) };
    let result = match T::FILES.get(index as usize).map(|file| &file.access) {
        Some(Access::Write(write) | Access::ReadWrite(_, write)) => write(data, text),
        _ => Err(EIO),
    };
    match result {
        // At most a page.
        Ok(()) => count as isize,
        Err(error) => error_code(error),
    }
}

/// The directory is gone.
///
/// # Safety
///
/// `data` is that of a directory of `T`, and nobody uses it any more.
unsafe extern "C" fn release<T: Files>(data: *mut c_void) {
    // SAFETY: The pointer came from `KBox::into_raw` in `Directory::new`.
    drop(unsafe { KBox::from_raw(data.cast::<T>()) });
}

fn error_code(error: Error) -> isize {
    let code: c_int = error.to_errno();
    code as isize
}
