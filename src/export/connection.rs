// SPDX-License-Identifier: GPL-2.0

//! A client's connection: its tasks and what they share.

use super::{
    buffers::Buffers,
    copier::{Copier, MOST_COPIES},
    exported::Export,
    hello::{self, Admitted},
    peer::Peer,
    reply::{Finished, FinishedQueue, Reply, Slot},
    submit::Job,
};
use crate::{
    dst_core::session::Head,
    dst_core::wire::{self, check_request, Message as WireMessage, Negotiated, Request},
    exec::{timeout, wait_for, yield_now, Ring, Timer, WakerCell},
    net::{sender::Pause, stream::STARVED_MS, Budget, Incoming, Sender, SessionError},
    pr_info_ratelimited, pr_warn_ratelimited,
};
use core::{pin::pin, task::Poll};
use kernel::{
    new_mutex, new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc, Mutex, SpinLockIrq,
    },
    time::Delta,
};

/// A connection after its hello.
#[pin_data]
pub struct Connection {
    pub(super) peer: Arc<Peer>,
    pub(super) export: Arc<Export>,
    pub(super) negotiated: Negotiated,
    sender: Arc<Sender<Reply>>,
    pub(super) finished: Arc<FinishedQueue>,
    #[pin]
    buffers: Buffers,
    #[pin]
    pub(super) jobs: SpinLockIrq<Ring<Job>>,
    #[pin]
    pub(super) job_waker: WakerCell,
    /// Requests about the label, which wait for the device.
    #[pin]
    pub(super) label_jobs: SpinLockIrq<Ring<Job>>,
    #[pin]
    pub(super) label_waker: WakerCell,
    /// No job will be added.
    pub(super) queued_all: Atomic<bool>,
    /// No job will be submitted.
    pub(super) submitted_all: Atomic<bool>,
    said_goodbye: Atomic<bool>,
    /// Copies at a time.
    pub(super) copies: usize,
    /// What copies from other nodes, once that was asked for.
    #[pin]
    pub(super) copier: Mutex<Option<Arc<Copier>>>,
}

/// Why a connection ended.
pub enum End {
    /// The client said so, or the export is being stopped.
    Orderly,
    /// The network or the framing failed.
    Session(SessionError),
    /// The client broke the protocol, or was refused.
    Protocol(wire::Reason),
}

impl From<SessionError> for End {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Session(error.into())
    }
}

crate::kernel_display!(End);

impl core::fmt::Display for End {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Orderly => f.write_str("closed in order"),
            Self::Session(error) => write!(f, "{error}"),
            Self::Protocol(reason) => f.write_str(reason.as_str()),
        }
    }
}

/// The receiving task of a connection, from its first byte on.
pub async fn run(export: Arc<Export>, peer: Arc<Peer>) {
    let end = match hello::admit(&export, &peer).await {
        Ok(admitted) => match Connection::start(&export, &peer, &admitted) {
            Ok(connection) => {
                let end = connection.receive(admitted.incoming).await;
                peer.close();
                connection.end_of_input();
                end
            }
            Err(error) => {
                peer.drained.store(true, ordering::Release);
                error.into()
            }
        },
        Err(end) => {
            peer.drained.store(true, ordering::Release);
            end
        }
    };
    peer.close();
    match end {
        End::Orderly => {}
        End::Session(SessionError::Network(_)) => {
            pr_info_ratelimited!("export {}: {}: {}\n", export.label(), peer.address, end);
        }
        _ => pr_warn_ratelimited!("export {}: {}: {}\n", export.label(), peer.address, end),
    }
}

impl Connection {
    /// Makes slots and the other two tasks.
    fn start(export: &Arc<Export>, peer: &Arc<Peer>, admitted: &Admitted) -> Result<Arc<Self>> {
        let negotiated = admitted.negotiated;
        let depth = negotiated.queue_depth as usize;
        let transfer = negotiated.max_transfer as usize;
        let memory = export.memory_for(admitted.connections, transfer);
        let buffers = Buffers::new(depth, memory, transfer)?;
        // Beside the answers: a goodbye.
        let sender = Sender::new(peer.stream.clone(), depth + 1)?;
        let finished = FinishedQueue::new(depth, export.cache().clone())?;
        *peer.finished.lock() = Some(finished.clone());
        let jobs = Ring::new(depth)?;
        let label_jobs = Ring::new(depth)?;
        let connection = Arc::pin_init(
            pin_init!(Self {
                peer: peer.clone(),
                export: export.clone(),
                negotiated,
                sender,
                finished,
                buffers <- buffers,
                jobs <- new_spinlock_irq!(jobs, "dst_jobs"),
                job_waker <- WakerCell::new(),
                label_jobs <- new_spinlock_irq!(label_jobs, "dst_label_jobs"),
                label_waker <- WakerCell::new(),
                queued_all: Atomic::new(false),
                submitted_all: Atomic::new(false),
                said_goodbye: Atomic::new(false),
                copies: (memory / transfer.max(1)).clamp(1, MOST_COPIES),
                copier <- new_mutex!(None, "dst_connection_copier"),
            }),
            GFP_KERNEL,
        )?;
        let pools = export.pools();
        let timer = Timer::new()?;
        let mut tasks = peer.tasks.lock();
        tasks.reserve(3, GFP_KERNEL)?;
        // If one of them cannot be made, the others find nothing to do and end.
        let name = |what| peer.task_name(what, export);
        let spawned = name(c"export-submit")
            .and_then(|name| {
                let submit = connection.clone().submit();
                export.submitters.spawn(name, submit)
            })
            .and_then(|task| Ok(tasks.push(task, GFP_KERNEL)?))
            .and_then(|()| {
                let name = name(c"export-label")?;
                export
                    .labeller
                    .spawn(name, connection.clone().serve_labels())
            })
            .and_then(|task| Ok(tasks.push(task, GFP_KERNEL)?))
            .and_then(|()| {
                let name = name(c"export-send")?;
                pools.net.spawn(name, connection.clone().send(timer))
            })
            .and_then(|task| Ok(tasks.push(task, GFP_KERNEL)?));
        drop(tasks);
        if let Err(error) = spawned {
            connection.end_of_input();
            return Err(error);
        }
        Ok(connection)
    }

    /// The client was told that the server stops.
    pub fn has_said_goodbye(&self) {
        self.peer.left.store(true, ordering::Release);
    }

    /// Which of its client's connections it is.
    pub(super) fn number(&self) -> u16 {
        let session = self.peer.session.lock();
        session.map_or(0, |session| session.told.connection)
    }

    /// The slots and pages.
    pub fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    fn end_of_input(&self) {
        self.sender.close();
        // Made by the caller's task alone, so none is made after this.
        match &*self.copier.lock() {
            Some(copier) => copier.close(),
            None => self.end_of_jobs(),
        }
    }

    async fn receive(self: &Arc<Self>, mut incoming: Incoming) -> End {
        let Ok(mut timer) = Timer::new() else {
            return ENOMEM.into();
        };
        let mut budget = Budget::turn();
        loop {
            match self.receive_one(&mut incoming, &mut timer).await {
                Ok(Some(bytes)) => {
                    self.peer
                        .received_bytes
                        .fetch_add(bytes.into(), ordering::Relaxed);
                    budget.spend(bytes);
                }
                Ok(None) => return End::Orderly,
                Err(end) => return end,
            }
            if budget.is_spent() {
                budget = Budget::turn();
                yield_now().await;
            }
        }
    }

    /// Receives a request and passes it on. Returns the length of its payload, `None` after a
    /// goodbye.
    async fn receive_one(
        self: &Arc<Self>,
        incoming: &mut Incoming,
        timer: &mut Timer,
    ) -> core::result::Result<Option<u32>, End> {
        let head = self.next_head(incoming, timer).await?;
        let message = match WireMessage::parse(&head.header) {
            Ok(message) => message,
            Err(error) => {
                let fatal = End::Protocol(wire::Reason::from_display(&error));
                let Some(status) = error.status() else {
                    return Err(fatal);
                };
                let epoch = self.export.epoch();
                let header = WireMessage::refuse_raw(&head.header, status, epoch).ok_or(fatal)?;
                self.refuse(incoming, timer, header).await?;
                return Ok(Some(head.payload));
            }
        };
        let gate = self.export.gate(&self.peer);
        match check_request(&message, head.payload, &self.negotiated, &gate) {
            Ok(Request::Goodbye(_)) => Ok(None),
            Ok(request) => {
                self.accept(incoming, timer, message, request).await?;
                Ok(Some(head.payload))
            }
            Err(refusal) => {
                let Some(status) = refusal.status() else {
                    return Err(End::Protocol(wire::Reason::from_display(&refusal)));
                };
                let header = message.reply(status, gate.epoch).encode();
                self.refuse(incoming, timer, header).await?;
                Ok(Some(head.payload))
            }
        }
    }

    /// The next request's header, which may be awaited for as long as the export's idle limit.
    async fn next_head(
        &self,
        incoming: &mut Incoming,
        timer: &mut Timer,
    ) -> core::result::Result<Head, End> {
        let limit = match self.export.settings.idle_timeout {
            0 => return Ok(incoming.head().await?),
            limit => Delta::from_millis(limit.into()),
        };
        match timeout(timer, limit, pin!(incoming.head())).await {
            Some(head) => Ok(head?),
            None => Err(End::Protocol(wire::Reason::from_display(
                &"nothing was heard for longer than the idle limit",
            ))),
        }
    }

    async fn take_slot(&self, bytes: u32, timer: &mut Timer) -> core::result::Result<Slot, End> {
        self.buffers
            .take(bytes, timer, &self.peer.closed)
            .await
            .ok_or(End::Orderly)
    }

    /// Answers with a ready header. It takes a slot like any request, so that a client that sends
    /// nothing but nonsense is slowed down too.
    async fn refuse(
        &self,
        incoming: &mut Incoming,
        timer: &mut Timer,
        header: [u8; wire::HEADER_BYTES],
    ) -> core::result::Result<(), End> {
        incoming.skip_payload().await?;
        let slot = self.take_slot(0, timer).await?;
        self.peer.refused.fetch_add(1, ordering::Relaxed);
        self.peer.outstanding.fetch_add(1, ordering::Relaxed);
        self.finished.push(Finished {
            header: Some(header),
            request: WireMessage::request(wire::Opcode::Ping, 0, 0),
            status: wire::Status::Invalid,
            slot: Some(slot),
            payload: 0,
        });
        Ok(())
    }

    async fn accept(
        self: &Arc<Self>,
        incoming: &mut Incoming,
        timer: &mut Timer,
        message: WireMessage,
        request: Request,
    ) -> core::result::Result<(), End> {
        let bytes = match request {
            Request::Read(range) | Request::Write { range, .. } => range.length,
            Request::LabelRead | Request::LabelWrite { .. } | Request::ClaimEpoch(_) => {
                wire::LABEL_BYTES
            }
            Request::CopyFromPeer(_) => wire::request_payload(&message),
            _ => 0,
        };
        let slot = self.take_slot(bytes, timer).await?;
        incoming
            .payload_into(|offset| slot.segments(offset as usize, (bytes - offset) as usize))
            .await?;
        self.peer.outstanding.fetch_add(1, ordering::Relaxed);
        if let Request::Ping = request {
            self.finished.push(Finished {
                header: None,
                request: message,
                status: wire::Status::Ok,
                slot: Some(slot),
                payload: 0,
            });
            return Ok(());
        }
        if let Request::CopyFromPeer(_) = request {
            self.accept_copy(message, slot);
            return Ok(());
        }
        self.queue_job(Job {
            request,
            message,
            slot,
            copy: None,
        });
        Ok(())
    }

    /// Turns results into answers, and the wish to stop into a goodbye; drops them once the connection
    /// is broken.
    fn answer(&self) {
        while let Some(finished) = self.finished.pop() {
            self.peer.outstanding.fetch_sub(1, ordering::Release);
            self.peer.requests.fetch_add(1, ordering::Relaxed);
            self.peer
                .sent_bytes
                .fetch_add(finished.payload.into(), ordering::Relaxed);
            let status = finished.status;
            if status.is_of_device() {
                self.export.count_error();
            }
            let epoch = self.export.epoch();
            let header = finished
                .header
                .unwrap_or_else(|| finished.request.reply(finished.status, epoch).encode());
            // A refused reply goes away with its slot.
            let _ = self.sender.queue(Reply {
                header,
                slot: finished.slot,
                payload: finished.payload,
                // A label is small, and asked for by those who have one slot and no time.
                splice: finished.request.opcode == wire::Opcode::Read,
                goodbye: false,
            });
        }
        let peer = &self.peer;
        if peer.leaving.load(ordering::Acquire) && !self.said_goodbye.xchg(true, ordering::Relaxed)
        {
            let _ = self.sender.queue(Reply {
                header: WireMessage::goodbye(wire::Goodbye::Stopping).encode(),
                slot: None,
                payload: 0,
                splice: false,
                goodbye: true,
            });
        }
    }

    /// The sending task. It outlives the socket: it ends when nothing is at the device any more.
    async fn send(self: Arc<Self>, mut timer: Timer) {
        loop {
            let pause = wait_for(c"answers or room to send", |context| {
                self.finished.register(context);
                let last = self.submitted_all.load(ordering::Acquire);
                self.answer();
                if last && self.peer.outstanding.load(ordering::Acquire) == 0 {
                    return Poll::Ready(Pause::Broken);
                }
                match self.sender.poll_send(context, &self) {
                    Poll::Ready(Pause::Broken) => {
                        // The receiver may be waiting for memory that unsent answers hold. What is
                        // at the device comes back all the same. To close wakes this task.
                        if !self.peer.closed.load(ordering::Acquire) {
                            self.peer.close();
                        }
                        while self.sender.take_unsent().is_some() {}
                        Poll::Pending
                    }
                    other => other,
                }
            })
            .await;
            match pause {
                Pause::Starved => timer.sleep(Delta::from_millis(STARVED_MS)).await,
                Pause::Broken => break,
            }
        }
        while self.sender.take_unsent().is_some() {}
        self.finished.retire();
        if let Some(copier) = self.copier.lock().take() {
            copier.retire();
        }
        self.peer.drained.store(true, ordering::Release);
    }
}
