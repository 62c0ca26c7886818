// SPDX-License-Identifier: GPL-2.0

//! The switch: from the first label to the last.

use core::ops::DerefMut;

use super::{Copying, Migration, Pause, Phase, Reason, Request, Side};

/// Something that the caller does for the migration, apart from requests and copies.
///
/// An update of a label reads the label that is there, makes the
/// [`Change`](super::super::label::Change) and writes the next label, in both places, durably.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Label the new device as a [copy](super::super::label::Label::copy), claim the epoch there unless that
    /// label has it, and look whether it still is that label: from here on nobody else changes it, as nobody
    /// [labels](super::super::label::NoCopy::Ahead) a device that is in a higher epoch. On a connection that was
    /// made after all of an earlier migration to this device: what that had sent has landed, or never will.
    Prepare,
    /// Flush the old device. What it may have lost is told with [`Migration::lost_cache`].
    FlushOld,
    /// Flush the new device, likewise.
    FlushNew,
    /// Update the old device's label: `Replaced`.
    Record,
    /// Update the old device's label: `Kept`.
    Revoke,
    /// Update the new device's label: `TakenOver`.
    TakeOver,
    /// Update the other nodes' labels: `Told`.
    Tell,
    /// Update the new device's label: `Settled`.
    Settle,
}

/// A step to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// What.
    pub step: Step,
    number: u32,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, durably.
    Done,
    /// It is not done, and will not be: whoever was asked has refused before anything was done.
    Refused,
    /// It may be done, or not, or in part; but nothing more will be done: the connection that it was
    /// asked on is behind a fence, or the device has answered with an error.
    Unknown,
    /// Another owner has the storage, or has changed the label.
    Fenced,
}

/// Where the switch is.
pub(super) struct Switch {
    pub(super) phase: Phase,
    /// Tasks that were given out: of the old device and everything else, and the flush of the new one.
    issued: [Option<Task>; 2],
    number: u32,
    flushed: [bool; 2],
    /// The label that is being changed may have been changed already.
    doubt: bool,
    /// Not forward, but back to this phase.
    back: Option<Phase>,
}

impl Switch {
    pub(super) const fn new() -> Self {
        Self {
            phase: Phase::Preparing,
            issued: [None; 2],
            number: 0,
            flushed: [false; 2],
            doubt: false,
            back: None,
        }
    }

    /// What is still under way for the phase before is not waited for.
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.issued = [None; 2];
        self.flushed = [false; 2];
        self.doubt = false;
        if !matches!(phase, Phase::Recording | Phase::Revoking) {
            self.back = None;
        }
    }

    fn issue(&mut self, place: usize, step: Step) -> Option<Task> {
        let slot = self.issued.get_mut(place)?;
        if slot.is_some() {
            return None;
        }
        self.number = self.number.wrapping_add(1);
        *slot = Some(Task {
            step,
            number: self.number,
        });
        *slot
    }

    /// Takes the old device's label back, and goes to `to` then.
    fn revoke(&mut self, to: Phase) {
        // An end is not taken back for a mere return.
        let to = match self.back {
            Some(Phase::Ended(reason)) => Phase::Ended(reason),
            _ => to,
        };
        self.enter(Phase::Revoking);
        self.back = Some(to);
    }

    /// Goes back to `to`, if that is possible still.
    fn retreat(&mut self, to: Phase) -> bool {
        match self.phase {
            Phase::Preparing | Phase::Copying | Phase::Draining | Phase::Flushing => self.enter(to),
            Phase::Recording | Phase::Revoking if self.issued[0].is_some() => {
                if !matches!(self.back, Some(Phase::Ended(_))) {
                    self.back = Some(to);
                }
            }
            Phase::Recording if !self.doubt => self.enter(to),
            Phase::Recording | Phase::Revoking => self.revoke(to),
            Phase::TakingOver if self.issued[0].is_none() && !self.doubt => self.revoke(to),
            _ => return false,
        }
        true
    }

    fn recorded(&mut self, outcome: Outcome) -> Option<Pause> {
        match (outcome, self.back) {
            (Outcome::Done, None) => self.enter(Phase::TakingOver),
            (Outcome::Refused, back) if !self.doubt => {
                self.enter(back.unwrap_or(Phase::Copying));
                return Some(Pause::NotRecorded);
            }
            (Outcome::Refused, None) => {
                self.revoke(Phase::Copying);
                return Some(Pause::NotRecorded);
            }
            (_, Some(back)) => self.revoke(back),
            (_, None) => self.doubt = true,
        }
        None
    }

    fn taken_over(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Done => self.enter(Phase::Telling),
            Outcome::Refused if !self.doubt => self.revoke(Phase::Ended(Reason::NotPrepared)),
            Outcome::Refused => {}
            _ => self.doubt = true,
        }
    }
}

impl<B, C, R> Migration<B, C, R>
where
    B: DerefMut<Target = [u64]>,
    C: DerefMut<Target = [Copying]>,
    R: DerefMut<Target = [Request]>,
{
    pub(super) fn retreat(&mut self, to: Phase) -> bool {
        self.switch.retreat(to)
    }

    /// Begins the switch, if all is copied. False if it is not.
    pub fn switch(&mut self) -> bool {
        let ready = self.phase() == Phase::Copying
            && self.extents.is_complete()
            && self.pause.is_none()
            && !self.away;
        if ready {
            self.switch.enter(Phase::Draining);
        }
        ready
    }

    /// Something to be done now, if there is. Asked again after every event, until there is nothing. What
    /// has failed is given again at once; the caller lets some time pass.
    pub fn next_step(&mut self) -> Option<Task> {
        if self.phase() == Phase::Draining && self.is_idle() {
            // Writes that have failed meanwhile leave something to be copied.
            let next = match self.extents.is_complete() {
                true => Phase::Flushing,
                false => Phase::Copying,
            };
            self.switch.enter(next);
        }
        let switch = &mut self.switch;
        let step = match switch.phase {
            Phase::Preparing => Step::Prepare,
            Phase::Flushing => {
                if !switch.flushed[1] {
                    let task = switch.issue(1, Step::FlushNew);
                    if task.is_some() {
                        return task;
                    }
                }
                if switch.flushed[0] {
                    return None;
                }
                Step::FlushOld
            }
            Phase::Recording => Step::Record,
            Phase::Revoking => Step::Revoke,
            Phase::TakingOver => Step::TakeOver,
            Phase::Telling => Step::Tell,
            Phase::Settling => Step::Settle,
            _ => return None,
        };
        switch.issue(0, step)
    }

    /// What came of a step. That of one that is not waited for any more is ignored, unless another owner has
    /// the storage.
    pub fn done(&mut self, task: Task, outcome: Outcome) {
        if outcome == Outcome::Fenced {
            return self.fenced();
        }
        let mut issued = self.switch.issued.iter_mut();
        match issued.find(|slot| **slot == Some(task)) {
            Some(slot) => *slot = None,
            None => return,
        }
        let done = outcome == Outcome::Done;
        match task.step {
            Step::Prepare if done => self.switch.enter(Phase::Copying),
            Step::Prepare => {
                self.give_up(Reason::NotPrepared);
            }
            Step::FlushOld => self.flushed(Side::Old, done),
            Step::FlushNew => self.flushed(Side::New, done),
            Step::Record => {
                if let Some(pause) = self.switch.recorded(outcome) {
                    self.hold(pause);
                }
            }
            Step::Revoke if done => {
                let back = self.switch.back.unwrap_or(Phase::Copying);
                self.switch.enter(back);
            }
            Step::TakeOver => self.switch.taken_over(outcome),
            Step::Tell if done => self.switch.enter(Phase::Settling),
            Step::Settle if done => self.switch.enter(Phase::Moved),
            // Once more.
            Step::Revoke | Step::Tell | Step::Settle => {}
        }
    }

    /// A flush that the migration had asked a device for has failed there. Whichever step that was for, and though what was lost with
    /// it has been told of before ([`Self::lost_cache`]): to copy it again leads to the same flush.
    pub fn flush_failed(&mut self, side: Side) {
        if !matches!(
            self.phase(),
            Phase::Copying | Phase::Draining | Phase::Flushing
        ) {
            return;
        }
        self.flushed(side, false);
    }

    fn flushed(&mut self, side: Side, done: bool) {
        match (side, done) {
            (Side::Old, true) => self.switch.flushed[0] = true,
            (Side::New, true) => self.switch.flushed[1] = true,
            (Side::Old, false) => {
                self.switch.enter(Phase::Copying);
                self.hold(Pause::NotFlushed);
            }
            (Side::New, false) => {
                self.give_up(Reason::NewFailed);
            }
        }
        if self.switch.flushed == [true; 2] {
            self.switch.enter(Phase::Recording);
        }
    }

    /// Ends the migration: the old device stays. False if it is too late, since the new device may have
    /// taken over; then it goes on. Requests may have ended: [`Self::take_ended`].
    pub fn give_up(&mut self, reason: Reason) -> bool {
        let possible = self.switch.retreat(Phase::Ended(reason));
        if possible {
            self.leave_new();
        }
        possible
    }

    /// The new device does not answer, and nobody wants to wait for it: the old device is used alone.
    /// What it misses is copied when it is back. Requests may have ended: [`Self::take_ended`].
    pub fn detach(&mut self) {
        match self.phase() {
            Phase::Preparing => {
                self.give_up(Reason::NotPrepared);
            }
            // Without it there is no way forward, and there may be none back.
            _ if self.switch.retreat(Phase::Copying) => {
                self.away = true;
                self.leave_new();
            }
            _ => {}
        }
    }

    /// The new device is back: nothing that was sent to it before can be carried out any more, and its
    /// label is the one that it had.
    pub fn attach(&mut self) {
        self.away = false;
    }

    /// Another owner has the storage.
    pub fn fenced(&mut self) {
        self.switch.enter(Phase::Lost);
    }
}
