// SPDX-License-Identifier: GPL-2.0

//! Checksums of the kernel's library.
//!
//! C header: `include/linux/crc32.h`.

extern "C" {
    fn crc32c(crc: u32, data: *const core::ffi::c_void, length: usize) -> u32;
}

/// CRC-32C (Castagnoli) of `data`, as RFC 3720 defines it. Any context.
pub fn crc32c_of(data: &[u8]) -> u32 {
    // SAFETY: `data` is valid for reads of its length.
    !unsafe { crc32c(!0, data.as_ptr().cast(), data.len()) }
}
