// SPDX-License-Identifier: GPL-2.0

//! The extents that a job has in flight.
//!
//! A range of sectors is worked off in extents of equal length, the last of which may be shorter.
//! At most `N` of them are open at a time, and none lies `N` extents or more above the first one
//! that is not done: so there is one place for each, everything below [`Window::low_water`] is done,
//! and little is done twice by one who begins again there. They may end in any order.
//!
//! Once an extent has failed, nothing behind it is issued any more; what is before it is, so that
//! the first failure is found whatever the order of the answers.

use core::num::NonZeroU32;

/// A run of sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first.
    pub first: u64,
    /// How many; never 0.
    pub sectors: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Nothing is open here.
    Free,
    /// To be issued (again).
    Ready,
    /// Issued.
    InFlight,
    /// Done, but one before it is not.
    Done,
    /// Cannot be done.
    Failed,
}

/// The open extents of a range.
#[derive(Clone, Copy, Debug)]
pub struct Window<const N: usize> {
    begin: u64,
    end: u64,
    step: NonZeroU32,
    /// The number of the first extent that is not done.
    low: u64,
    /// The number of the next extent that was never issued.
    next: u64,
    /// The place of extent `number` is `number % N`.
    places: [Place; N],
    done_sectors: u64,
    failed: Option<u64>,
}

impl<const N: usize> Window<N> {
    /// The sectors from `begin` to before `end`, in extents of `step`.
    pub const fn new(begin: u64, end: u64, step: NonZeroU32) -> Self {
        Self {
            begin,
            end: if end < begin { begin } else { end },
            step,
            low: 0,
            next: 0,
            places: [Place::Free; N],
            done_sectors: 0,
            failed: None,
        }
    }

    /// How many extents there are.
    fn count(&self) -> u64 {
        // The end is never below the beginning.
        (self.end - self.begin).div_ceil(u64::from(self.step.get()))
    }

    fn extent(&self, number: u64) -> Extent {
        let offset = number.saturating_mul(u64::from(self.step.get()));
        let first = self.begin.saturating_add(offset).min(self.end);
        let left = self.end - first;
        Extent {
            first,
            sectors: u32::try_from(left).map_or(self.step.get(), |left| left.min(self.step.get())),
        }
    }

    fn index(number: u64) -> usize {
        // Smaller than N, which is a usize.
        number.checked_rem(N as u64).unwrap_or(0) as usize
    }

    fn place(&mut self, number: u64) -> Option<&mut Place> {
        self.places.get_mut(Self::index(number))
    }

    /// The number of the open extent at `index`.
    fn number_at(&self, index: usize) -> Option<u64> {
        (self.low..self.next).find(|number| Self::index(*number) == index)
    }

    /// Takes the lowest extent that is to be issued, and the index of its place: below `N`, and no
    /// other's until it has ended. `None` if none may be issued now.
    pub fn take(&mut self) -> Option<(usize, Extent)> {
        let limit = self.failed.unwrap_or(u64::MAX);
        for number in self.low..self.next.min(limit) {
            if let Some(place @ Place::Ready) = self.place(number) {
                *place = Place::InFlight;
                return Some((Self::index(number), self.extent(number)));
            }
        }
        let number = self.next;
        let room = number.wrapping_sub(self.low) < N as u64;
        if self.failed.is_some() || !room || number >= self.count() {
            return None;
        }
        self.next = number.saturating_add(1);
        *self.place(number)? = Place::InFlight;
        Some((Self::index(number), self.extent(number)))
    }

    /// The extent at `index`, which was taken, is to be issued once more. Nothing happens if none is
    /// in flight there.
    pub fn give_back(&mut self, index: usize) {
        if let Some(place @ Place::InFlight) = self.places.get_mut(index) {
            *place = Place::Ready;
        }
    }

    /// The extent at `index`, which was taken, is done. Nothing happens if none is in flight there.
    pub fn complete(&mut self, index: usize) {
        let Some(number) = self.number_at(index) else {
            return;
        };
        let sectors = self.extent(number).sectors;
        let Some(place @ Place::InFlight) = self.place(number) else {
            return;
        };
        *place = Place::Done;
        self.done_sectors = self.done_sectors.saturating_add(sectors.into());
        while self.low < self.next {
            match self.place(self.low) {
                Some(place @ Place::Done) => *place = Place::Free,
                _ => break,
            }
            self.low += 1;
        }
    }

    /// The extent at `index`, which was taken, cannot be done. Nothing happens if none is in flight
    /// there.
    pub fn fail(&mut self, index: usize) {
        let Some(number) = self.number_at(index) else {
            return;
        };
        if let Some(place @ Place::InFlight) = self.place(number) {
            *place = Place::Failed;
            self.failed = Some(self.failed.map_or(number, |failed| failed.min(number)));
        }
    }

    /// Extents that were taken and have not ended.
    pub fn in_flight(&self) -> usize {
        let in_flight = |place: &&Place| **place == Place::InFlight;
        self.places.iter().filter(in_flight).count()
    }

    /// Everything below this sector is done.
    pub fn low_water(&self) -> u64 {
        self.extent(self.low).first
    }

    /// How many sectors are done, in whatever order.
    pub fn done(&self) -> u64 {
        self.done_sectors
    }

    /// Whether everything is done.
    pub fn is_finished(&self) -> bool {
        self.low >= self.count()
    }

    /// The first extent that failed, once everything before it is done.
    pub fn failure(&self) -> Option<Extent> {
        let failed = self.failed.filter(|failed| *failed == self.low)?;
        (self.in_flight() == 0).then(|| self.extent(failed))
    }

    /// Lets every extent that failed be issued again.
    pub fn retry_failed(&mut self) {
        self.failed = None;
        for place in &mut self.places {
            if *place == Place::Failed {
                *place = Place::Ready;
            }
        }
    }
}
