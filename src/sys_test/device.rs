// SPDX-License-Identifier: GPL-2.0

//! Block devices and disks: who may open them, what goes through them, what they are called.

use super::disk::{again, disk, pattern, TestDisk, NAME, SECTORS};
use crate::{
    check,
    exec_test::aside::{until, Aside},
    sys::{
        bio::{Op, Status},
        disk::{DiskBuilder, CAPACITY_MAX, NAME_MAX},
    },
};
use kernel::prelude::*;

/// Who claims nothing is let in beside a claim, and a claim that is given back is free; what cannot
/// be opened says why.
pub fn opens() -> Result {
    let disk = disk()?;
    let opens = &disk.opens;
    check!(opens.missing == Some(ENOENT));
    check!(opens.no_device == Some(ENOTBLK));
    check!(opens.unclaimed.is_none() && opens.claimed_again.is_none());
    check!(opens.not_removed.is_none());
    check!(opens.read_only);
    Ok(())
}

/// Works off the bios of a transfer of `data` at sector 777, of which `status` ends the first one
/// if it is an error. A device is read from and written to in several bios.
fn serve(disk: &TestDisk, op: Op, stable: bool, data: &mut [u8], status: Status) -> Result {
    let mut done = 0;
    while done < data.len() {
        let bio = disk.wait_next()?;
        let rest = data.get_mut(done..).ok_or(EINVAL)?;
        let bytes = bio.bytes() as usize;
        check!(bio.op() == op && bio.flags().fua() == stable);
        check!(bio.sector() == 777 + done as u64 / 512);
        check!(bytes % 512 == 0 && (1..=rest.len()).contains(&bytes));
        match op {
            Op::Read => bio.write_at(&bio.iter(), &rest[..bytes])?,
            _ => bio.read_at(&bio.iter(), &mut rest[..bytes])?,
        }
        bio.end(status);
        if !status.is_ok() {
            return Ok(());
        }
        done += bytes;
    }
    Ok(())
}

/// Bytes are read from and written to where they are meant to, errors come back, and what is not
/// aligned is refused.
pub fn transfers() -> Result {
    const BYTES: usize = 10240;
    const AT: u64 = 777 * 512;
    let disk = disk()?;
    let data = pattern(BYTES, 1)?;
    let mut found = pattern(BYTES, 0)?;
    for (stable, status) in [
        (false, Status::Ok),
        (true, Status::Ok),
        (true, Status::NoSpace),
    ] {
        let (on, mut bytes) = (disk.clone(), pattern(BYTES, 0)?);
        bytes.copy_from_slice(&data);
        found.fill(0);
        let writer = Aside::run(move || on.keep(|| on.device.write_all_at(AT, &bytes, stable)))?;
        serve(&disk, Op::Write, stable, &mut found, status)?;
        check!(writer.value()? == status.to_result());
        check!(!status.is_ok() || found[..] == data[..]);
    }
    found.copy_from_slice(&data);
    for status in [Status::Ok, Status::Medium] {
        let (on, mut bytes) = (disk.clone(), pattern(BYTES, 0)?);
        let reader = Aside::run(move || {
            let result = on.keep(|| on.device.read_exact_at(AT, &mut bytes));
            (result, bytes)
        })?;
        serve(&disk, Op::Read, false, &mut found, status)?;
        let (result, bytes) = reader.value()?;
        check!(result == status.to_result());
        check!(result.is_err() || bytes[..] == data[..]);
    }
    let on = disk.clone();
    let flusher = Aside::run(move || on.keep(|| on.device.flush()))?;
    let bio = disk.wait_next()?;
    check!(bio.op() == Op::Flush);
    bio.end(Status::Timeout);
    check!(flusher.value()? == Err(ETIMEDOUT));
    check!(disk.device.read_exact_at(1, &mut found) == Err(EINVAL));
    check!(disk.device.read_exact_at(512, &mut found[..100]) == Err(EINVAL));
    check!(disk.device.write_all_at(u64::MAX - 511, &found, false) == Err(EINVAL));
    check!(disk.device.read_exact_at(SECTORS * 512, &mut found[..512]) == Err(EIO));
    Ok(())
}

/// A disk that is open is not removed; its size can change, and its device knows.
pub fn removal() -> Result {
    let disk = disk()?;
    // Others, such as udev, may look at it for a moment.
    until(|| disk.disk.openers() == 1)?;
    check!(disk.disk.begin_removal() == Err(EBUSY));
    disk.disk.set_capacity(SECTORS / 2);
    let halved = disk.device.sectors();
    disk.disk.set_capacity(SECTORS);
    check!(halved == SECTORS / 2 && disk.device.sectors() == SECTORS);
    Ok(())
}

/// A disk and its device agree on what they are; a name is used once, and not every name can be.
pub fn names() -> Result {
    let disk = disk()?;
    check!(disk.device.name().as_bytes() == NAME.as_bytes());
    check!(disk.disk.name().as_bytes() == NAME.as_bytes());
    check!(disk.device.device_number() == disk.disk.device_number());
    check!(disk.device.opened_by(crate::this_module()?));
    check!(disk.device.sectors() == SECTORS && !disk.device.is_read_only());
    let limits = disk.device.limits();
    check!(limits.logical_block == 512 && limits.write_cache && limits.fua && limits.nowait);
    check!(limits.max_discard == 1 << 24 && limits.max_write_zeroes == 1 << 24);
    check!(!limits.rotational && !limits.zoned && !limits.integrity && !limits.read_only);
    check!(again(NAME) == Some(EEXIST));
    let longest = [b'n'; NAME_MAX + 1];
    let longest = core::str::from_utf8(&longest)?;
    for name in ["", ".", "..", "a/b", "a!b", "a\0b", longest] {
        check!(DiskBuilder::new(name).err() == Some(EINVAL));
    }
    check!(DiskBuilder::new(&longest[1..]).is_ok());
    check!(CAPACITY_MAX == (1 << 54) - 1);
    Ok(())
}
