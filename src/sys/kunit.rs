// SPDX-License-Identifier: GPL-2.0

//! KUnit suites whose cases are functions that return a [`Result`].
//!
//! The kernel crate's `kunit_tests` makes suites of functions that panic; panics are for bugs of
//! the kernel. Here a case fails by returning an error, and a suite may prepare what its cases
//! share.
//!
//! Only for modules of tests, so it is no part of `sys/mod.rs`: a module with this file needs
//! `kunit.ko` where KUnit is a module itself.
//!
//! C header: [`include/kunit/test.h`](srctree/include/kunit/test.h)

use core::cell::UnsafeCell;
use kernel::{bindings, error::from_result, ffi::c_int, fmt, prelude::*};

/// Memory for a `static` that KUnit writes to.
///
/// # Invariants
///
/// Only KUnit reaches the value, under the lock with which it runs suites.
#[repr(transparent)]
pub struct ForKunit<T>(UnsafeCell<T>);

// SAFETY: By the type invariants.
unsafe impl<T> Sync for ForKunit<T> {}

impl<T> ForKunit<T> {
    /// For a `static`.
    pub const fn new(value: T) -> Self {
        // INVARIANT: The field is private, and the pointer to it is for KUnit.
        Self(UnsafeCell::new(value))
    }

    /// Where KUnit finds the value.
    pub const fn get(&'static self) -> *mut T {
        self.0.get()
    }
}

/// An address in the section where KUnit looks for suites.
#[repr(transparent)]
pub struct Entry(#[allow(dead_code)] *mut bindings::kunit_suite);

// SAFETY: The address is never changed.
unsafe impl Sync for Entry {}

impl Entry {
    /// The place of `suite`.
    pub const fn new(suite: &'static ForKunit<bindings::kunit_suite>) -> Self {
        Self(suite.get())
    }
}

/// What KUnit is told of a case.
pub const fn case(
    name: &'static CStr,
    run: unsafe extern "C" fn(*mut bindings::kunit),
) -> bindings::kunit_case {
    kernel::kunit::kunit_case(name, run)
}

/// What KUnit is told of a suite called `name`, at most 255 bytes.
///
/// # Safety
///
/// `cases` must end with a zeroed one.
pub const unsafe fn suite<const N: usize>(
    name: &'static CStr,
    cases: &'static ForKunit<[bindings::kunit_case; N]>,
    begin: unsafe extern "C" fn(*mut bindings::kunit_suite) -> c_int,
    end: unsafe extern "C" fn(*mut bindings::kunit_suite),
) -> bindings::kunit_suite {
    let from = name.to_bytes();
    let mut suite: bindings::kunit_suite = pin_init::zeroed();
    let mut at = 0;
    while at < from.len() {
        // A longer name does not compile: this is only evaluated for a `static`.
        suite.name[at] = from[at] as kernel::ffi::c_char;
        at += 1;
    }
    assert!(at < suite.name.len());
    suite.suite_init = Some(begin);
    suite.suite_exit = Some(end);
    suite.test_cases = cases.get().cast();
    suite.attr.speed = bindings::kunit_speed_KUNIT_SPEED_NORMAL;
    suite.status = bindings::kunit_status_KUNIT_SUCCESS;
    suite
}

/// Runs a case.
///
/// # Safety
///
/// Only as the function of a KUnit case, with the `test` that KUnit gives it.
pub unsafe fn run(test: *mut bindings::kunit, function: fn() -> Result) {
    if let Err(error) = function() {
        tell(fmt!("returned {:?}", error));
        // SAFETY: KUnit's test lives until its function has returned. KUnit marks a failure in
        // the same way, from any thread.
        unsafe { (&raw mut (*test).status).write_volatile(bindings::kunit_status_KUNIT_FAILURE) };
    }
}

/// Begins a suite; what KUnit is to know of the result.
pub fn begin(function: fn() -> Result) -> c_int {
    from_result(|| function().map(|()| 0))
}

/// Writes a line about the case that runs on this thread to its log and to the kernel's; without
/// a case only to the latter. May sleep.
pub fn tell(text: fmt::Arguments<'_>) {
    // SAFETY: No requirements.
    let test = unsafe { bindings::kunit_get_current_test() };
    if test.is_null() {
        pr_err!("{}\n", text);
        return;
    }
    // SAFETY: The test of the current thread lives while this thread is in it, and so do its name
    // and its log, which may be null.
    let (name, log) = unsafe { (CStr::from_char_ptr((*test).name), (*test).log) };
    kernel::kunit::err(fmt!("    # {}: {}\n", name, text));
    // SAFETY: As above. The format ends with NUL and takes a pointer to arguments for `%pA`.
    unsafe {
        bindings::kunit_log_append(
            log,
            c"    # %s: %pA\n".as_char_ptr(),
            (*test).name,
            core::ptr::from_ref(&text).cast::<c_void>(),
        );
    }
}

/// Registers a suite with KUnit, which runs it when the module has been loaded.
///
/// `begin` runs before the cases, in the task that loads the module (or that writes to the suite's
/// file `run`); if it fails so does the suite, and `end` does not run. Each case runs on a thread of
/// its own.
#[macro_export]
macro_rules! kunit_suite {
    ($suite:ident, $begin:expr, $end:expr, { $($case:ident => $function:expr),+ $(,)? }) => {
        #[allow(unsafe_code)]
        const _: () = {
            use $crate::kunit;
            use ::kernel::bindings;

            unsafe extern "C" fn begin(_: *mut bindings::kunit_suite) -> ::kernel::ffi::c_int {
                kunit::begin($begin)
            }

            unsafe extern "C" fn end(_: *mut bindings::kunit_suite) {
                $end()
            }

            static CASES: kunit::ForKunit<
                [bindings::kunit_case; 1 + [$(::core::stringify!($case)),+].len()],
            > = kunit::ForKunit::new([
                $({
                    unsafe extern "C" fn run(test: *mut bindings::kunit) {
                        // SAFETY: This is the function of a KUnit case.
                        unsafe { kunit::run(test, $function) }
                    }
                    kunit::case(::kernel::c_str!(::core::stringify!($case)), run)
                },)+
                ::pin_init::zeroed(),
            ]);

            static SUITE: kunit::ForKunit<bindings::kunit_suite> =
                // SAFETY: The last case is zeroed.
                kunit::ForKunit::new(unsafe {
                    kunit::suite(::kernel::c_str!(::core::stringify!($suite)), &CASES, begin, end)
                });

            #[used(compiler)]
            #[link_section = ".kunit_test_suites"]
            static ENTRY: kunit::Entry = kunit::Entry::new(&SUITE);
        };
    };
}
