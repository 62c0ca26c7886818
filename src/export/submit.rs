// SPDX-License-Identifier: GPL-2.0

//! From the receiver to the device: the submitting task of a connection, and the one for labels.

use super::{
    connection::Connection,
    copier::Copier,
    labels,
    reply::{Finished, Pending, Slot},
};
use crate::{
    dst_core::wire::{self, check_request, Message as WireMessage, Request},
    exec::{wait_for, Ring},
    sys::{
        bio::SECTOR_SHIFT,
        device_bio::{DeviceFlags, DeviceOp},
    },
};
use core::task::{Context, Poll};
use kernel::sync::{
    atomic::{ordering, Atomic},
    Arc, SpinLockIrq,
};

/// A request on its way to the device.
pub(super) struct Job {
    pub(super) request: Request,
    pub(super) message: WireMessage,
    /// With the data, if it has any.
    pub(super) slot: Slot,
    /// It writes what was copied from another node.
    pub(super) copy: Option<Copy>,
}

/// What a request keeps whose data is in a copier's buffer.
pub struct Copy {
    /// Its own slot.
    pub(super) slot: Slot,
    /// Whose the buffer is.
    pub(super) copier: Arc<Copier>,
}

impl Copy {
    /// Gives the buffer back that the data was in; what is left is the request's slot. Any context.
    pub fn give_back(self, mut buffer: Slot) -> Slot {
        // The export has the device for as long as this request is not answered.
        buffer.forget_device();
        self.copier.give(buffer);
        self.slot
    }
}

impl Job {
    /// How it ended, without having been at the device.
    pub(super) fn unsubmitted(self, status: wire::Status) -> Finished {
        let slot = match self.copy {
            Some(copy) => copy.give_back(self.slot),
            None => self.slot,
        };
        Finished {
            header: None,
            request: self.message,
            status,
            slot: Some(slot),
            payload: 0,
        }
    }
}

impl Connection {
    /// The submitting task. Runs where it may sleep on storage.
    pub(super) async fn submit(self: Arc<Self>) {
        while let Some(job) = wait_for(c"requests", |context| self.poll_job(context)).await {
            let (message, request) = (job.message, job.request);
            // The owner may have changed since the request was received. It is counted before the
            // gate is looked at: a claim changes the gate before it looks at the count.
            self.finished.device_begins();
            let gate = self.export.gate(&self.peer);
            let payload = wire::request_payload(&message);
            match check_request(&message, payload, &self.negotiated, &gate) {
                Ok(_) if message.opcode.has_range() || request == Request::Flush => {
                    self.submit_to_device(job);
                }
                Ok(_) => {
                    self.finished.device_ends();
                    self.queue_label(job);
                }
                Err(refusal) => {
                    self.finished.device_ends();
                    let status = refusal.status().unwrap_or(wire::Status::Invalid);
                    self.finished.push(job.unsubmitted(status));
                }
            }
        }
        self.submitted_all.store(true, ordering::Release);
        self.label_waker.wake();
        self.finished.wake();
    }

    fn poll_job(&self, context: &Context<'_>) -> Poll<Option<Job>> {
        self.job_waker.register(context.waker());
        Self::next_job(&self.jobs, &self.queued_all)
    }

    fn poll_label_job(&self, context: &Context<'_>) -> Poll<Option<Job>> {
        self.label_waker.register(context.waker());
        Self::next_job(&self.label_jobs, &self.submitted_all)
    }

    /// The oldest job of a queue, to which nothing is added once `closed` is set.
    fn next_job(queue: &SpinLockIrq<Ring<Job>>, closed: &Atomic<bool>) -> Poll<Option<Job>> {
        // Looked at first: what was added before is found then.
        let last = closed.load(ordering::Acquire);
        match queue.lock().pop_front() {
            Some(job) => Poll::Ready(Some(job)),
            None if last => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn queue_label(&self, job: Job) {
        // There is room for every slot.
        if let Err(job) = self.label_jobs.lock().push_back(job) {
            self.finished.push(job.unsubmitted(wire::Status::NoMemory));
        }
        self.label_waker.wake();
    }

    /// Gives a job to the submitting task.
    pub(super) fn queue_job(&self, job: Job) {
        // There is room for every slot.
        if let Err(job) = self.jobs.lock().push_back(job) {
            self.finished.push(job.unsubmitted(wire::Status::NoMemory));
        }
        self.job_waker.wake();
    }

    /// No job comes any more.
    pub(super) fn end_of_jobs(&self) {
        self.queued_all.store(true, ordering::Release);
        self.job_waker.wake();
    }

    /// The task for requests about the label.
    pub(super) async fn serve_labels(self: Arc<Self>) {
        while let Some(job) = wait_for(c"requests for the label", |context| {
            self.poll_label_job(context)
        })
        .await
        {
            let (export, peer) = (&self.export, &self.peer);
            let finished = labels::perform(export, peer, job.request, job.message, job.slot).await;
            self.finished.push(finished);
        }
    }

    fn submit_to_device(&self, job: Job) {
        let Job {
            request,
            message,
            slot,
            copy,
        } = job;
        let stable = self.export.is_write_through();
        let (op, flags) = match request {
            Request::Write { fua, .. } => (DeviceOp::Write, fua_if(fua || stable)),
            Request::Flush => (DeviceOp::Flush, DeviceFlags::default()),
            Request::Discard(_) => (DeviceOp::Discard, DeviceFlags::default()),
            Request::WriteZeroes { fua, no_unmap, .. } => {
                let flags = DeviceFlags {
                    nounmap: no_unmap,
                    ..fua_if(fua || stable)
                };
                (DeviceOp::WriteZeroes, flags)
            }
            _ => (DeviceOp::Read, DeviceFlags::default()),
        };
        let limits = self.export.limits();
        let flushes =
            matches!(op, DeviceOp::Flush) || flags.fua && limits.write_cache && !limits.fua;
        self.export.count(op, message.length);
        let pending = Pending {
            finished: self.finished.clone(),
            request: message,
            copy,
            flushes,
        };
        let sector = message.offset >> SECTOR_SHIFT;
        slot.submit(
            self.export.device(),
            op,
            flags,
            sector,
            message.length,
            pending,
        );
    }
}

fn fua_if(fua: bool) -> DeviceFlags {
    DeviceFlags {
        fua,
        ..DeviceFlags::default()
    }
}
