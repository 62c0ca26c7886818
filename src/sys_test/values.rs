// SPDX-License-Identifier: GPL-2.0

//! Functions that only return a value: checksums, random numbers, clocks, the limit of the log.

use crate::{
    check,
    exec_test::aside::until,
    sys::{checksum::crc32c_of, clock, random, ratelimit},
};
use kernel::{
    prelude::*,
    time::{Instant, Monotonic},
};

/// CRC-32C: the examples of RFC 3720, appendix B.4, and the check value of the catalogues.
pub fn checksums() -> Result {
    let mut bytes = [0u8; 32];
    check!(crc32c_of(&bytes) == 0x8a91_36aa);
    bytes.fill(0xff);
    check!(crc32c_of(&bytes) == 0x62a8_ab43);
    for (value, byte) in (0u8..).zip(&mut bytes) {
        *byte = value;
    }
    check!(crc32c_of(&bytes) == 0x46dd_794e);
    bytes.reverse();
    check!(crc32c_of(&bytes) == 0x113f_db5c);
    check!(crc32c_of(b"123456789") == 0xe306_9283);
    check!(crc32c_of(b"") == 0);
    Ok(())
}

/// An identity has the form of a version 4 UUID, and every other bit of it is random.
pub fn identities() -> Result {
    let mut ones = [0u8; 16];
    let mut zeroes = [0u8; 16];
    let mut before = [0u8; 16];
    for _ in 0..200 {
        let identity = random::identity();
        check!(identity[6] >> 4 == 4);
        check!(identity[8] >> 6 == 0b10);
        check!(identity != before);
        before = identity;
        for ((one, zero), byte) in ones.iter_mut().zip(&mut zeroes).zip(identity) {
            *one |= byte;
            *zero |= !byte;
        }
    }
    check!(ones.iter().zip(1..).all(|(&bits, byte)| match byte {
        7 => bits == 0x4f,
        9 => bits == 0xbf,
        _ => bits == 0xff,
    }));
    check!(zeroes.iter().zip(1..).all(|(&bits, byte)| match byte {
        7 => bits == 0xbf,
        9 => bits == 0x7f,
        _ => bits == 0xff,
    }));
    Ok(())
}

/// Each bit of a random number is sometimes set and sometimes not.
pub fn numbers() -> Result {
    let (mut ones, mut zeroes) = (0, 0);
    for _ in 0..200 {
        let number = random::number();
        ones |= number;
        zeroes |= !number;
    }
    check!(ones == u32::MAX && zeroes == u32::MAX);
    Ok(())
}

/// The wall clock is set, to a time between 2020 and 2100.
pub fn wall_clock() -> Result {
    let now = clock::seconds_since_1970();
    check!((1_577_836_800..4_102_444_800).contains(&now));
    check!(clock::seconds_since_1970() >= now);
    Ok(())
}

/// Milliseconds that pass by the coarse clock and by the fine one, for 100 or more of the latter.
fn stretch() -> Result<(i64, i64)> {
    let begun = Instant::<Monotonic>::now();
    let first = clock::coarse_milliseconds();
    let mut last = first;
    while begun.elapsed().as_millis() < 100 {
        let now = clock::coarse_milliseconds();
        check!(now >= last);
        last = now;
    }
    Ok((last - first, begun.elapsed().as_millis()))
}

/// The coarse clock never goes back, moves on with the fine one, and counts the same unit.
pub fn coarse_clock() -> Result {
    let mut result = Ok(());
    // Ticks may come late, and this thread may be put aside, so not in each stretch do both agree; with
    // another unit they do in none.
    until(|| match stretch() {
        Ok((coarse, fine)) => (coarse - fine).abs() <= 20,
        Err(error) => {
            result = Err(error);
            true
        }
    })?;
    result
}

/// Ten messages in five seconds: what comes at once is refused after them, and allowed later.
pub fn rate() -> Result {
    until(ratelimit::allow)?;
    let begun = Instant::<Monotonic>::now();
    let mut allowed = 0u32;
    for _ in 0..1000 {
        if ratelimit::allow() {
            allowed += 1;
        }
    }
    // On a machine that stands still several periods may begin meanwhile.
    let periods = begun.elapsed().as_millis() / 5000 + 2;
    check!(i64::from(allowed) <= 10 * periods);
    until(ratelimit::allow)
}
