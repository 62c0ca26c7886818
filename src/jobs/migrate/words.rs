// SPDX-License-Identifier: GPL-2.0

//! What a migration tells people.

use super::{
    super::{config::Reason, job::Progress, verify::Words},
    Copier,
};
use crate::{
    dst_core::{
        migration::{self, Pause, Phase, Way},
        units::sectors_to_bytes,
        wire::Status,
    },
    storage::node::{Hindrance, Node},
};

impl Copier {
    /// Why the old device stays; `None` if somebody wanted it so.
    pub(super) fn why_given_up(&self, reason: migration::Reason) -> Option<Reason> {
        let place = self.mover.new_device().place();
        let failure = self.failure.or(self.moving().failure());
        Some(match (reason, failure) {
            (migration::Reason::Cancelled, _) => return None,
            (migration::Reason::NewFailed, Some((status, sector))) => {
                let words = Words(status);
                Reason::from_display(&format_args!(
                    "{place}: {words}, at sector {sector} of the node; the node stays where it is"
                ))
            }
            (migration::Reason::NewFailed, None) => Reason::from_display(&format_args!(
                "{place} cannot be written; the node stays where it is"
            )),
            (migration::Reason::NotPrepared, _) => Reason::from_display(&format_args!(
                "{place} does not take the label: {}; the node stays where it is",
                self.refusal
            )),
        })
    }

    /// Finds the words for what it waits for.
    pub(super) fn explain(&mut self, old: &Node) {
        self.explain_way();
        let index = self.mover.index();
        let place = self.mover.new_device().place();
        let phase = self.moving().phase();
        self.waits_for = match (self.moving().paused(), phase) {
            (Some(Pause::Unreadable(sector)), _) => Reason::from_display(&format_args!(
                "somebody to look at node {index}, of which sector {sector}, or what is near it, cannot be read"
            )),
            (Some(Pause::NotFlushed), _) => Reason::from_display(&format_args!(
                "somebody to look at node {index}, which has failed to flush, or has lost acknowledged writes of \
                 which no flush has told yet"
            )),
            (Some(Pause::NotRecorded), _) => Reason::from_display(&format_args!(
                "somebody to look at node {index}: {}",
                self.mover.waits_for()
            )),
            (Some(Pause::Asked), _) => Reason::new(),
            (None, Phase::Copying) if self.moving().is_away() || self.away_since.is_some() => {
                Reason::from_display(&format_args!("{place} to be connected again"))
            }
            (None, Phase::Copying) => match old.hindrance() {
                None => Reason::new(),
                Some(Hindrance::Suspended) => {
                    Reason::from_display(&format_args!("node {index} to be resumed"))
                }
                Some(Hindrance::Away) => {
                    Reason::from_display(&format_args!("node {index} to be connected again"))
                }
                Some(Hindrance::Lost) => {
                    Reason::from_display(&format_args!("somebody to look at node {index}, which was given up"))
                }
            },
            (None, Phase::Draining) => {
                Reason::from_display(&"what is under way at the node to end")
            }
            (None, Phase::Flushing) => Reason::from_display(&"the devices to flush"),
            _ => self.mover.waits_for(),
        };
    }

    /// Finds the words for the way that the data goes.
    pub(super) fn explain_way(&mut self) {
        let [old, new] = [self.mover.old(), self.mover.new_device()];
        let (Some(from), Some(_)) = (old.address(), new.address()) else {
            return;
        };
        if self.source.is_none() {
            self.way = Reason::from_display(
                &"through this machine: the other does not copy, or cannot use its address of the old device",
            );
            return;
        }
        let ip = from.ip();
        let place = new.place();
        self.way = match self.no_direct {
            _ if self.moving().way() == Way::Direct => {
                Reason::from_display(&"from the old device's machine to the new one's")
            }
            Some(Status::PeerNotAllowed) => Reason::from_display(&format_args!(
                "through this machine: the export {place} may not copy from {ip} (--copy-from)"
            )),
            Some(Status::PeerRefused) => Reason::from_display(&format_args!(
                "through this machine: {from} refuses {place}, whose log says why"
            )),
            Some(why) => Reason::from_display(&format_args!(
                "through this machine: {place} cannot copy from {from}: {why}"
            )),
            None => Reason::from_display(&"through this machine for the moment"),
        };
    }

    pub(super) fn tell(&self, now: u64) {
        self.tell_that(now, self.waits_for);
    }

    /// Tells how far it is, and that it waits for this.
    pub(super) fn tell_that(&self, now: u64, waits_for: Reason) {
        let copied = sectors_to_bytes(self.moving().copied_sectors());
        self.job.report(Progress {
            done: copied.unwrap_or(self.total).min(self.total),
            rate: self.pace.rate(now),
            in_flight: self.loans.lent(),
            waits_for,
            way: self.way,
        });
    }
}
