// SPDX-License-Identifier: GPL-2.0

//! Requests about labels, one after the other.

use super::{Answer, Call, Job};
use crate::{
    core::label::{update_order, Copy as Place, Label, LabelError},
    fault,
    migration::World,
};

impl World {
    pub(super) fn label_work(&mut self, server: usize, number: u64, job: Job) {
        let own = &mut self.servers[server];
        if own.labelling.is_some_and(|other| other != number) {
            return self.work_later(server, number);
        }
        if let Some((label, places)) = job.writing {
            return self.write_label(server, number, &label, places);
        }
        let found = own.disk.label();
        let current = found.ok();
        let label = match &job.request.call {
            Call::LabelRead => {
                let epoch = own.epoch;
                let answer = match found {
                    Ok(choice) => Answer::Label(Some(Box::new(choice.label)), epoch),
                    Err(LabelError::None) => Answer::Label(None, epoch),
                    Err(_) => Answer::Failed,
                };
                return self.end_job(server, number, answer);
            }
            Call::Claim(epoch) => {
                let others = own
                    .jobs
                    .values()
                    .any(|other| other.at_device && other.request.client != job.request.client);
                if others && !fault::is("claim-without-drain") {
                    self.note("claim waited for others");
                    return self.work_later(server, number);
                }
                let Some(current) = current else {
                    return self.end_job(server, number, Answer::Refused);
                };
                let mut label = current.label.next(0);
                label.epoch = *epoch;
                label
            }
            Call::LabelWrite(label) => {
                let newer =
                    |choice: crate::core::label::Choice| choice.label.sequence < label.sequence;
                if !current.is_none_or(newer) {
                    return self.end_job(server, number, Answer::Refused);
                }
                **label
            }
            _ => return,
        };
        let place = |place| match place {
            Place::A => 0,
            Place::B => 1,
        };
        let places = update_order(current.as_ref()).map(place).to_vec();
        own.labelling = Some(number);
        if let Some(job) = own.jobs.get_mut(&number) {
            job.writing = Some((Box::new(label), places));
        }
        self.work_later(server, number);
    }

    pub(super) fn write_label(
        &mut self,
        server: usize,
        number: u64,
        label: &Label,
        mut places: Vec<usize>,
    ) {
        let place = places.remove(0);
        if self.faults && self.chance(60) {
            self.note("error of a label");
            let sectors = self.between(0, 8) as usize;
            self.servers[server].disk.write_label(place, label, sectors);
            return self.end_job(server, number, Answer::Failed);
        }
        self.servers[server].disk.write_label(place, label, 8);
        if places.is_empty() || fault::is("label-in-one-place") {
            return self.end_job(server, number, Answer::Done(Vec::new()));
        }
        if let Some(job) = self.servers[server].jobs.get_mut(&number) {
            job.writing = Some((Box::new(*label), places));
        }
        self.work_later(server, number);
    }
}
