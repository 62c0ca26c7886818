// SPDX-License-Identifier: GPL-2.0

//! Which jobs that have ended are remembered.
//!
//! The numbers of jobs tell in which order they have begun. They do not tell which result is the oldest: a job that has
//! worked for days has a low number when it ends, and somebody is about to look how.

/// The position of the job that is forgotten next, of jobs that have ended at these times, `None` if
/// they have not: the one that ended first, if there are more than `remembered`. Of several at the same time it is the one
/// in front.
pub fn forgotten<T: Ord>(
    ended: impl Iterator<Item = Option<T>>,
    remembered: usize,
) -> Option<usize> {
    let mut count = 0;
    let mut first: Option<(T, usize)> = None;
    for (at, time) in ended.enumerate() {
        let Some(time) = time else {
            continue;
        };
        count += 1;
        if first.as_ref().is_none_or(|(earliest, _)| time < *earliest) {
            first = Some((time, at));
        }
    }
    first.filter(|_| count > remembered).map(|(_, at)| at)
}
