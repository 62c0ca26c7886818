// SPDX-License-Identifier: GPL-2.0

//! Random numbers of the kernel.
//!
//! C header: `include/linux/random.h`.

use kernel::bindings;

extern "C" {
    fn dst_blk_random_u32() -> u32;
}

/// A random number. Any context.
pub fn number() -> u32 {
    // SAFETY: No requirements.
    unsafe { dst_blk_random_u32() }
}

/// A random identity: 16 bytes in the form of a version 4 UUID (RFC 9562), so never all zero.
/// Any context.
pub fn identity() -> [u8; 16] {
    let mut bytes = [0; 16];
    // SAFETY: The buffer has the length given.
    unsafe { bindings::get_random_bytes(bytes.as_mut_ptr().cast(), bytes.len()) };
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes
}
