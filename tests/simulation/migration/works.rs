// SPDX-License-Identifier: GPL-2.0

//! Work with labels, each of several calls: to read one, to claim a device, to update a label, to prepare
//! a device for a copy.

use super::{
    client::Purpose,
    server::{Answer, Call},
    World,
};
use crate::core::{
    label::{Change, Label},
    migration::{Outcome, Task},
    text::Text,
};
use std::collections::BTreeMap;

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Job {
    /// The label, and the epoch in force.
    Read,
    /// To own the device.
    Claim(u64),
    /// A change of the label of this node.
    Update([u8; 16], Change),
    /// Label the device as a copy of the one with this label, with this identity, and claim it.
    Prepare(Box<Label>, [u8; 16], Prepare),
}

/// How far the preparation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepare {
    /// What is there is looked at.
    Look,
    /// The label is written.
    Write,
    /// The epoch is claimed.
    Claim,
    /// The label is looked at once more.
    Verify,
}

/// Who has asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A start.
    Start,
    /// The migration.
    Task(Task),
    /// The new device is back.
    Attach,
}

/// A piece of work.
#[derive(Clone, Debug)]
pub struct Work {
    pub(super) owner: Owner,
    pub(super) server: usize,
    pub(super) job: Job,
    /// The epoch that the label has which was written.
    pub(super) claimed: Option<u64>,
}

impl Work {
    pub(super) fn new(owner: Owner, server: usize, job: Job) -> Self {
        Self {
            owner,
            server,
            job,
            claimed: None,
        }
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Result {
    /// It is done.
    Done,
    /// The label, and the epoch in force.
    Label(Option<Box<Label>>, u64),
    /// It is not.
    Failed(Outcome),
}

/// All that is being done.
#[derive(Default)]
pub struct Works {
    next: u64,
    works: BTreeMap<u64, Work>,
}

impl Works {
    pub(super) fn add(&mut self, work: Work) -> u64 {
        self.next += 1;
        self.works.insert(self.next, work);
        self.next
    }

    /// Whether it prepares a device: the epoch there says nothing about the storage's.
    pub(super) fn prepares(&self, number: u64) -> bool {
        let work = self.works.get(&number);
        work.is_some_and(|work| matches!(work.job, Job::Prepare(..)))
    }

    /// Those that are wanted by `owner` are not waited for any more; which they were.
    pub(super) fn drop_of(&mut self, gone: impl Fn(&Work) -> bool) -> Vec<u64> {
        let gone = self.works.iter().filter(|(_, work)| gone(work));
        let gone: Vec<u64> = gone.map(|(number, _)| *number).collect();
        gone.iter()
            .for_each(|number| drop(self.works.remove(number)));
        gone
    }
}

impl World {
    /// The first call of a piece of work.
    pub(super) fn work_on(&mut self, client: u64, number: u64) {
        let Some(work) = self
            .client(client)
            .and_then(|own| own.works.works.get(&number))
        else {
            return;
        };
        let server = work.server;
        let call = match work.job {
            Job::Claim(epoch) => Call::Claim(epoch),
            _ => Call::LabelRead,
        };
        self.call(client, server, call, Purpose::Label(number), None);
    }

    /// A call was answered, or was on a connection that is lost and behind the fence now.
    pub(super) fn works_answered(
        &mut self,
        client: u64,
        key: (usize, u64),
        answer: Option<Answer>,
    ) {
        let Some(own) = self.client(client) else {
            return;
        };
        let Some(pending) = own.calls.remove(&key) else {
            return;
        };
        let Purpose::Label(number) = pending.purpose else {
            return;
        };
        let Some(work) = own.works.works.get(&number).cloned() else {
            return;
        };
        let wrote = !pending.call.repeats();
        let result = match answer {
            None => Err(Outcome::Unknown),
            Some(Answer::Stale) if matches!(work.job, Job::Prepare(..)) => {
                self.tell(format_args!("  new device in a higher epoch"));
                Err(Outcome::Refused)
            }
            Some(Answer::Failed) if wrote => Err(Outcome::Unknown),
            Some(Answer::Label(label, epoch)) => Ok(Some((label, epoch))),
            Some(Answer::Done(_)) => Ok(None),
            Some(_) => Err(Outcome::Refused),
        };
        match result {
            Err(outcome) => self.work_ends(client, number, Result::Failed(outcome)),
            Ok(found) => self.work_goes_on(client, number, work, found),
        }
    }

    fn work_goes_on(
        &mut self,
        client: u64,
        number: u64,
        work: Work,
        found: Option<(Option<Box<Label>>, u64)>,
    ) {
        let (server, purpose) = (work.server, Purpose::Label(number));
        match (work.job, found) {
            (Job::Read, Some((label, epoch))) => {
                self.work_ends(client, number, Result::Label(label, epoch));
            }
            (Job::Update(node, change), Some((label, _))) => {
                let changed = label.and_then(|label| label.change(node, &change).ok());
                match changed {
                    Some(label) => {
                        let call = Call::LabelWrite(Box::new(label.next(0)));
                        self.call(client, server, call, purpose, None);
                    }
                    None => {
                        self.tell(format_args!("  label changed by somebody else"));
                        self.work_ends(client, number, Result::Failed(Outcome::Fenced));
                    }
                }
            }
            (Job::Prepare(of, node, step), found) => {
                self.prepare(client, number, (server, *of, node, step), found);
            }
            _ => self.work_ends(client, number, Result::Done),
        }
    }

    fn prepare(
        &mut self,
        client: u64,
        number: u64,
        (server, of, node, step): (usize, Label, [u8; 16], Prepare),
        found: Option<(Option<Box<Label>>, u64)>,
    ) {
        let Some(own) = self.client(client) else {
            return;
        };
        let (epoch, purpose) = (own.epoch, Purpose::Label(number));
        let claimed = own.works.works.get(&number).and_then(|work| work.claimed);
        let mut has = claimed;
        let (next, call, with) = match (step, found) {
            (Prepare::Look, Some((label, in_force))) => {
                let place = Text::from_display(&"old");
                let sizes = (of.device_sectors, of.data_sectors);
                let copy = of.copy(node, place, sizes, label.as_deref(), in_force, 0);
                let Ok(copy) = copy else {
                    self.note("new device cannot become a copy");
                    return self.work_ends(client, number, Result::Failed(Outcome::Refused));
                };
                has = Some(copy.epoch);
                (
                    Prepare::Write,
                    Call::LabelWrite(Box::new(copy)),
                    Some(in_force),
                )
            }
            (Prepare::Write, None) if claimed == Some(epoch) => {
                (Prepare::Verify, Call::LabelRead, None)
            }
            (Prepare::Write, None) => (Prepare::Claim, Call::Claim(epoch), None),
            (Prepare::Claim, None) => (Prepare::Verify, Call::LabelRead, None),
            (Prepare::Verify, Some((label, _))) => {
                let ours = label.is_some_and(|label| label.node == node);
                let result = match ours {
                    true => Result::Done,
                    false => {
                        self.tell(format_args!("  prepared by somebody else"));
                        Result::Failed(Outcome::Refused)
                    }
                };
                return self.work_ends(client, number, result);
            }
            _ => return self.work_ends(client, number, Result::Failed(Outcome::Refused)),
        };
        if let Some(work) = own.works.works.get_mut(&number) {
            work.job = Job::Prepare(Box::new(of), node, next);
            work.claimed = has;
        }
        self.call(client, server, call, purpose, with);
    }

    fn work_ends(&mut self, client: u64, number: u64, result: Result) {
        let Some(own) = self.client(client) else {
            return;
        };
        let Some(work) = own.works.works.remove(&number) else {
            return;
        };
        match work.owner {
            Owner::Start => self.start_goes_on(client, work.server, result),
            Owner::Task(task) => self.step_ends(client, task, result),
            Owner::Attach => self.attach(client, work.server, result),
        }
    }
}
