// SPDX-License-Identifier: GPL-2.0

//! From the receiver to the device: the submitting task of a connection, and the one for labels.

use super::{
    connection::Connection,
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
    pub(super) slot: Slot,
}

impl Connection {
    /// The submitting task. Runs where it may sleep on storage.
    pub(super) async fn submit(self: Arc<Self>) {
        while let Some(job) = wait_for(c"requests", |context| self.poll_job(context)).await {
            let Job {
                request,
                message,
                slot,
            } = job;
            // The owner may have changed since the request was received. It is counted before the
            // gate is looked at: a claim changes the gate before it looks at the count.
            self.finished.device_begins();
            let gate = self.export.gate(&self.peer);
            let finished =
                match check_request(&message, payload_of(&message), &self.negotiated, &gate) {
                    Ok(_) if message.opcode.has_range() || request == Request::Flush => {
                        self.submit_to_device(request, message, slot);
                        continue;
                    }
                    Ok(_) => {
                        self.finished.device_ends();
                        self.queue_label(Job {
                            request,
                            message,
                            slot,
                        });
                        continue;
                    }
                    Err(refusal) => {
                        self.finished.device_ends();
                        Finished {
                            header: None,
                            request: message,
                            status: refusal.status().unwrap_or(wire::Status::Invalid),
                            slot: Some(slot),
                            payload: 0,
                        }
                    }
                };
            self.finished.push(finished);
        }
        self.submitted_all.store(true, ordering::Release);
        self.label_waker.wake();
        self.finished.wake();
    }

    fn poll_job(&self, context: &Context<'_>) -> Poll<Option<Job>> {
        self.job_waker.register(context.waker());
        Self::next_job(&self.jobs, &self.received_all)
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
            self.finished.push(Finished {
                header: None,
                request: job.message,
                status: wire::Status::NoMemory,
                slot: Some(job.slot),
                payload: 0,
            });
        }
        self.label_waker.wake();
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

    fn submit_to_device(&self, request: Request, message: WireMessage, slot: Slot) {
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
        self.export.count(op, message.length);
        let pending = Pending {
            finished: self.finished.clone(),
            request: message,
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

/// The payload that a request with this header has.
fn payload_of(message: &WireMessage) -> u32 {
    match message.opcode {
        wire::Opcode::Write => message.length,
        wire::Opcode::LabelWrite => wire::LABEL_BYTES,
        _ => 0,
    }
}

fn fua_if(fua: bool) -> DeviceFlags {
    DeviceFlags {
        fua,
        ..DeviceFlags::default()
    }
}
