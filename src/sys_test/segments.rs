// SPDX-License-Identifier: GPL-2.0

//! Windows of memory segments: how far they reach. That they lead to the right memory is shown
//! where something goes through them: in [`super::socket`] and [`super::bio`].

use crate::{
    check,
    sys::{
        random,
        segments::{Segments, MAX_SEGMENTS},
    },
};
use kernel::{
    page::{Page, PAGE_SIZE},
    prelude::*,
};

fn pages(count: usize) -> Result<KVec<Page>> {
    let mut pages = KVec::with_capacity(count, GFP_KERNEL)?;
    for _ in 0..count {
        pages.push(Page::alloc_page(GFP_KERNEL)?, GFP_KERNEL)?;
    }
    Ok(pages)
}

/// Count and bytes of a window.
fn size(segments: &Segments<'_>) -> (usize, usize) {
    (segments.count(), segments.bytes())
}

/// Windows at all kinds of places, which end with the pages and with their room.
pub fn windows() -> Result {
    const P: usize = PAGE_SIZE;
    let few = pages(3)?;
    for (offset, bytes, expected) in [
        (0, 0, (0, 0)),
        (0, 1, (1, 1)),
        (0, P, (1, P)),
        (0, P + 1, (2, P + 1)),
        (1, P, (2, P)),
        (P - 1, 2, (2, 2)),
        (P, P, (1, P)),
        (P - 1, P + 2, (3, P + 2)),
        (0, 3 * P, (3, 3 * P)),
        (0, 4 * P, (3, 3 * P)),
        (2 * P + 5, usize::MAX, (1, P - 5)),
        (3 * P, 1, (0, 0)),
        (usize::MAX, 1, (0, 0)),
    ] {
        let window = Segments::from_pages(&few, offset, bytes);
        check!(size(&window) == expected);
        check!(window.is_empty() == (expected.0 == 0));
        check!(window.len() == window.count() && window.splice_ok());
    }
    let many = pages(MAX_SEGMENTS + 2)?;
    let window = Segments::from_pages(&many, 10, many.len() * P);
    check!(size(&window) == (MAX_SEGMENTS, MAX_SEGMENTS * P - 10));
    check!(size(&Segments::empty()) == (0, 0));
    Ok(())
}

/// Windows that are shortened from both sides at random have what a model of them has.
pub fn model() -> Result {
    let pages = pages(6)?;
    let all = pages.len() * PAGE_SIZE;
    for _ in 0..300 {
        let mut begin = random::number() as usize % all;
        let mut end = begin + random::number() as usize % (all - begin + 1);
        let mut window = Segments::from_pages(&pages, begin, end - begin);
        for _ in 0..8 {
            let amount = random::number() as usize % (2 * PAGE_SIZE);
            if random::number() & 1 == 0 {
                window.advance(amount);
                begin = end.min(begin + amount);
            } else {
                let keep = (end - begin).saturating_sub(amount);
                window.truncate(keep);
                end = begin + keep;
            }
            let count = if begin == end {
                0
            } else {
                (end - 1) / PAGE_SIZE - begin / PAGE_SIZE + 1
            };
            check!(size(&window) == (count, end - begin));
        }
        window.truncate(usize::MAX);
        check!(window.bytes() == end - begin);
        window.advance(usize::MAX);
        check!(size(&window) == (0, 0));
    }
    Ok(())
}
