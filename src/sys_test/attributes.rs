// SPDX-License-Identifier: GPL-2.0

//! Reading netlink attributes, also those that no policy would let through.

use crate::{
    check,
    sys::{
        genl_attr::{At, Attributes, Fault},
        random,
    },
};
use kernel::prelude::*;

/// What is put in front: the headers of a message.
const OFFSET: usize = 20;

/// Appends an attribute that is padded to four bytes.
fn put(bytes: &mut KVVec<u8>, kind: u16, payload: &[u8]) -> Result {
    let length = u16::try_from(payload.len().saturating_add(4))?;
    bytes.extend_from_slice(&length.to_ne_bytes(), GFP_KERNEL)?;
    bytes.extend_from_slice(&kind.to_ne_bytes(), GFP_KERNEL)?;
    bytes.extend_from_slice(payload, GFP_KERNEL)?;
    while bytes.len() % 4 != 0 {
        bytes.push(0, GFP_KERNEL)?;
    }
    Ok(())
}

fn error<T>(result: Result<T, Fault>) -> Option<(Error, At)> {
    result.err().map(|fault| (fault.error, fault.at))
}

/// Whether something was refused with `EINVAL` in the attribute at this offset.
fn refused<T>(result: Result<T, Fault>, offset: usize) -> bool {
    matches!(error(result), Some((found, At::Attribute(at))) if found == EINVAL && at == offset)
}

fn number<T: PartialEq>(result: Result<T, Fault>, expected: T) -> bool {
    result.is_ok_and(|found| found == expected)
}

/// Numbers of all sizes, and what has another size.
pub fn numbers() -> Result {
    let mut bytes = KVVec::new();
    put(&mut bytes, 1, &[0x81])?;
    put(&mut bytes, 2, &0x8123u16.to_ne_bytes())?;
    put(&mut bytes, 3, &0x8123_4567u32.to_ne_bytes())?;
    put(&mut bytes, 4, &0x8123_4567_89ab_cdefu64.to_ne_bytes())?;
    put(&mut bytes, 5, &(-7i32).to_ne_bytes())?;
    put(&mut bytes, 6, &[])?;
    put(&mut bytes, 3, &77u32.to_ne_bytes())?;
    let all = Attributes::new(&bytes, OFFSET);
    let get = |kind| all.get(kind).ok_or(ENOENT);
    check!(number(get(1)?.u8(), 0x81));
    check!(number(get(2)?.u16(), 0x8123));
    // The last of its kind counts.
    check!(number(get(3)?.u32(), 77));
    check!(all.all(3).count() == 2 && all.iter().count() == 7);
    check!(number(get(3)?.uint(), 77));
    check!(number(get(4)?.uint(), 0x8123_4567_89ab_cdef));
    check!(number(get(5)?.i32(), -7));
    check!(number(
        get(4)?.exactly(),
        0x8123_4567_89ab_cdefu64.to_ne_bytes()
    ));
    check!(refused(get(1)?.u16(), OFFSET));
    check!(refused(get(2)?.u32(), OFFSET + 8));
    check!(refused(get(2)?.uint(), OFFSET + 8));
    check!(refused(get(4)?.u32(), OFFSET + 24));
    check!(refused(get(6)?.u8(), OFFSET + 44));
    check!(refused(get(6)?.uint(), OFFSET + 44));
    check!(all.get(7).is_none());
    check!(number(all.get_u32(7), None) && number(all.get_u32(3), Some(77)));
    check!(number(all.get_i32(5), Some(-7)) && number(all.get_uint(4).map(|n| n.is_some()), true));
    check!(number(all.flags(7), 0) && number(all.flags(3), 77));
    check!(error(all.get_u32(2)).is_some() && error(all.flags(2)).is_some());
    Ok(())
}

/// Attributes of every length are found behind each other; the bits for nests and byte order are
/// no part of the kind.
pub fn padding() -> Result {
    let payload = [9u8; 20];
    let mut bytes = KVVec::new();
    for length in 0..20u16 {
        put(
            &mut bytes,
            0x4000 | 0x8000 | length,
            &payload[..usize::from(length)],
        )?;
    }
    let mut offset = OFFSET;
    let all = Attributes::new(&bytes, OFFSET);
    for (length, attribute) in (0u16..).zip(all.iter()) {
        check!(matches!(attribute.at(), At::Attribute(at) if at == offset));
        check!(attribute.bytes() == &payload[..usize::from(length)]);
        check!(all.get(length).is_some());
        offset += (usize::from(length) + 4).next_multiple_of(4);
    }
    check!(all.iter().count() == 20 && offset == OFFSET + bytes.len());
    // The last one may lack its padding.
    let mut bytes = KVVec::new();
    put(&mut bytes, 1, &[1])?;
    put(&mut bytes, 2, &[2])?;
    let bytes = &bytes[..bytes.len() - 3];
    check!(Attributes::new(bytes, OFFSET).iter().count() == 2);
    Ok(())
}

/// Strings with and without their zero, and what is no string.
pub fn texts() -> Result {
    let mut bytes = KVVec::new();
    for (kind, payload) in (1u16..).zip([
        &b"name\0"[..],
        b"name",
        b"\0",
        b"",
        "d\u{e9}p\u{f4}t\0".as_bytes(),
        b"na\0me\0",
        b"name\0\0",
        b"\xff\0",
        b"d\xc3\0",
    ]) {
        put(&mut bytes, kind, payload)?;
    }
    let all = Attributes::new(&bytes, OFFSET);
    let get = |kind| all.get(kind).ok_or(ENOENT);
    for (kind, text) in (1u16..).zip(["name", "name", "", "", "d\u{e9}p\u{f4}t"]) {
        check!(number(get(kind)?.text(), text));
    }
    for kind in 6..=9 {
        check!(
            matches!(error(get(kind)?.text()), Some((found, At::Attribute(_))) if found == EINVAL)
        );
    }
    Ok(())
}

/// A nest is read as its own sequence, and its attributes know where in the message they are.
pub fn nests() -> Result {
    let (mut inner, mut outer) = (KVVec::new(), KVVec::new());
    put(&mut inner, 1, &5u32.to_ne_bytes())?;
    put(&mut inner, 2, &[1, 2])?;
    put(&mut outer, 9, &[0; 6])?;
    put(&mut outer, 0x8000 | 3, &inner)?;
    put(&mut outer, 4, &[])?;
    let all = Attributes::new(&outer, OFFSET);
    let nest = all.get(3).ok_or(ENOENT)?.nest();
    check!(number(nest.get_u32(1), Some(5)));
    check!(nest.iter().count() == 2);
    // In front of it lie an attribute of 12 bytes, its own header, and an attribute of 8.
    check!(refused(
        nest.get(2).ok_or(ENOENT)?.u32(),
        OFFSET + 12 + 4 + 8
    ));
    check!(nest.get(2).ok_or(ENOENT)?.bytes() == [1, 2]);
    check!(all.get(4).ok_or(ENOENT)?.nest().iter().count() == 0);
    Ok(())
}

/// Who misses an attribute says which one, and in which nest.
pub fn missing() -> Result {
    let (mut inner, mut outer) = (KVVec::new(), KVVec::new());
    put(&mut inner, 1, &[])?;
    put(&mut outer, 8, &[])?;
    put(&mut outer, 3, &inner)?;
    let all = Attributes::new(&outer, OFFSET);
    let fault = all.require(7, "the name").err().ok_or(ENOENT)?;
    check!(fault.error == EINVAL && fault.text.as_str() == "the name is missing");
    check!(matches!(fault.at, At::Missing(7)));
    let nest = all
        .require(3, "the nest")
        .map_err(|fault| fault.error)?
        .nest();
    check!(nest.require(1, "it").is_ok());
    let fault = nest.require(2, "it").err().ok_or(ENOENT)?;
    check!(matches!(fault.at, At::MissingIn(at, 2) if at == OFFSET + 4));
    Ok(())
}

/// What is cut off, or says that it is shorter than its header, ends the sequence.
pub fn cut_off() -> Result {
    let mut bytes = KVVec::new();
    put(&mut bytes, 1, &[1; 4])?;
    put(&mut bytes, 2, &[2; 4])?;
    for length in 0..=bytes.len() {
        let count = Attributes::new(&bytes[..length], OFFSET).iter().count();
        check!(count == length / 8);
    }
    for length in 0u16..4 {
        bytes[8..10].copy_from_slice(&length.to_ne_bytes());
        check!(Attributes::new(&bytes, OFFSET).iter().count() == 1);
    }
    bytes[8..10].copy_from_slice(&9u16.to_ne_bytes());
    check!(Attributes::new(&bytes, OFFSET).iter().count() == 1);
    bytes[8..10].copy_from_slice(&u16::MAX.to_ne_bytes());
    check!(Attributes::new(&bytes, OFFSET).iter().count() == 1);
    Ok(())
}

/// Looks at everything in a sequence; the number of attributes found.
fn look(all: Attributes<'_>, room: usize, depth: u32) -> Result<usize> {
    let mut count = 0;
    let mut bytes = 0;
    for attribute in all.iter() {
        count += 1;
        bytes += 4 + attribute.bytes().len();
        let _ = (attribute.u8(), attribute.uint(), attribute.text());
        check!(attribute.bytes().len() + 4 <= room);
        if depth > 0 {
            look(attribute.nest(), attribute.bytes().len(), depth - 1)?;
        }
    }
    check!(bytes <= room);
    Ok(count)
}

/// Whatever the bytes are, the sequence ends and nothing outside of them is given out.
pub fn random_bytes() -> Result {
    let mut bytes = [0u8; 96];
    let mut found = 0;
    for _ in 0..5000 {
        let length = random::number() as usize % (bytes.len() + 1);
        for word in bytes.chunks_exact_mut(4) {
            let mut value = random::number();
            // Most lengths are small, so that something is found at all.
            if value & 0x30_0000 != 0 {
                value = value & 0xffff_0000 | (value & 0x1f);
            }
            word.copy_from_slice(&value.to_ne_bytes());
        }
        found += look(Attributes::new(&bytes[..length], OFFSET), length, 3)?;
    }
    check!(found > 1000);
    Ok(())
}
