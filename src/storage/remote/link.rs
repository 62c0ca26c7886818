// SPDX-License-Identifier: GPL-2.0

//! The tasks of a remote node: the supervisor, which connects and receives, and the sender.

use super::{
    client::{self, Client, ClientError},
    known::Known,
    request::{self, to_status, Outgoing},
    table::{State, Tag},
    Inner, Phase, Remote,
};
use crate::{
    dst_core::{
        backoff::Backoff,
        session::Head,
        wire::{self, check_reply, Message, Opcode, Reason},
    },
    exec::{wait_for, yield_now, Timer},
    net::{Budget, Incoming, Sender, SessionError},
    pr_warn_ratelimited,
    storage::piece::Piece,
    sys::{
        bio::{Op, Status},
        random,
    },
};
use core::task::Poll;
use kernel::{
    prelude::*,
    sync::{atomic::ordering, Arc},
    time::Delta,
};

/// Why a connection ended.
enum Lost {
    Session(SessionError),
    Protocol(&'static str),
    /// The server stops in order.
    Goodbye,
}

impl From<SessionError> for Lost {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

crate::kernel_display!(Lost);

impl core::fmt::Display for Lost {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Session(error) => write!(f, "{error}"),
            Self::Protocol(what) => write!(f, "protocol violation: {what}"),
            Self::Goodbye => f.write_str("the server said goodbye"),
        }
    }
}

/// What a reply asks for.
enum Reply {
    /// Nothing more.
    Done,
    /// Its payload belongs into the pages of this piece.
    Data(Tag, Piece),
}

impl Remote {
    /// The supervisor task, which begins with the connection that the storage was started on.
    pub async fn supervise(self: Arc<Self>, first: Client, mut timer: Timer) {
        let mut client = Some(first);
        let mut known: Option<Known> = None;
        let mut backoff = Backoff::new(Backoff::FIRST_MS, Backoff::LIMIT_MS);
        loop {
            if let Some(client) = client.take() {
                match self.recognise(client, &mut known).await {
                    Ok(client) => {
                        backoff.reset();
                        let (incoming, negotiated, _) = client.into_incoming();
                        let lost = self.serve(incoming, negotiated.queue_depth).await;
                        // A deletion closes the connection itself.
                        if !self.is_failed() {
                            pr_warn_ratelimited!(
                                "node {}: connection lost: {}\n",
                                self.settings.address,
                                lost
                            );
                            self.set_phase(Phase::Waiting, ECONNRESET.to_errno());
                        }
                    }
                    Err(reason) => {
                        pr_warn_ratelimited!("node {}: {}\n", self.settings.address, reason);
                        self.set_phase(Phase::Refused, EEXIST.to_errno());
                    }
                }
            }
            let delay = backoff.next(random::number());
            timer.sleep(Delta::from_millis(delay.into())).await;
            client = self.reconnect(backoff.attempts()).await;
        }
    }

    /// Lets only the node through that was there before.
    async fn recognise(
        &self,
        mut client: Client,
        known: &mut Option<Known>,
    ) -> core::result::Result<Client, Reason> {
        let now = Known::learn(&mut client)
            .await
            .map_err(|error| Reason::from_display(&error))?;
        match known {
            Some(known) => known.compare(&now)?,
            None => *known = Some(now),
        }
        self.inner.lock().cache.connected(now.cache());
        Ok(client)
    }

    async fn reconnect(self: &Arc<Self>, attempt: u32) -> Option<Client> {
        let mut identity = self.identity;
        let number = self.attempts.fetch_add(1, ordering::Relaxed);
        identity.incarnation = identity
            .incarnation
            .saturating_add(number)
            .saturating_add(1);
        identity.epoch = self.epoch.load(ordering::Relaxed);
        match client::Client::connect(
            &self.settings.net,
            self.settings.address,
            identity,
            self.settings.connect_ms,
        )
        .await
        {
            Ok(client) => {
                self.reconnects.fetch_add(1, ordering::Relaxed);
                Some(client)
            }
            Err(ClientError::Refused(wire::Status::StaleEpoch, reason)) => {
                pr_warn_ratelimited!("node {}: {}\n", self.settings.address, reason);
                self.fail(Status::Reservation);
                self.drain();
                None
            }
            Err(error) => {
                if attempt == 1 {
                    pr_warn_ratelimited!("node {}: {}\n", self.settings.address, error);
                }
                self.set_phase(Phase::Waiting, error.to_error().to_errno());
                None
            }
        }
    }

    /// Uses a connection until it is lost.
    async fn serve(self: &Arc<Self>, mut incoming: Incoming, depth: u32) -> Lost {
        let depth = depth as usize;
        let capacity = self.inner.lock().table.depth().max(depth) + 1;
        let sender = match Sender::new(incoming.stream().clone(), capacity) {
            Ok(sender) => sender,
            Err(error) => return Lost::Session(error.into()),
        };
        self.open(&sender);
        let lost = match self.receive(&mut incoming).await {
            Ok(never) => match never {},
            Err(lost) => lost,
        };
        self.close(&sender);
        lost
    }

    /// Makes `sender` the node's connection and sends what earlier ones left unanswered.
    fn open(self: &Arc<Self>, sender: &Arc<Sender<Outgoing>>) {
        let mut inner = self.inner.lock();
        inner.sender = Some(sender.clone());
        inner.link = inner.link.wrapping_add(1);
        // A node that was given up meanwhile stays failed.
        if inner.failed.is_none() {
            inner.phase = Phase::Connected;
            inner.reason = 0;
            inner.since = kernel::time::Instant::now();
        }
        let depth = inner.table.depth();
        drop(inner);
        for index in 0..depth {
            let unsent = self.inner.lock().table.take_unsent(index);
            if let Some((tag, piece)) = unsent {
                self.resent.fetch_add(1, ordering::Relaxed);
                self.begin(tag, piece);
            }
        }
        self.connected.wake();
    }

    /// Takes the connection away and what it had not sent back into the table.
    fn close(self: &Arc<Self>, sender: &Arc<Sender<Outgoing>>) {
        self.inner.lock().sender = None;
        sender.close();
        // The socket refers to no page any more. Whoever was sending is through once the last
        // message was taken back, so nothing becomes in flight after that.
        while let Some(message) = sender.take_unsent() {
            self.take_back(sender, message);
        }
        let mut inner = self.inner.lock();
        inner.table.lose_connection();
        let depth = inner.table.depth();
        drop(inner);
        if self.settings.fail_fast {
            self.end_unanswered(depth, Status::Transport);
        }
    }

    async fn receive(
        self: &Arc<Self>,
        incoming: &mut Incoming,
    ) -> core::result::Result<core::convert::Infallible, Lost> {
        let mut budget = Budget::turn();
        loop {
            let head = incoming.head().await?;
            match self.match_reply(&head)? {
                Reply::Done => {}
                Reply::Data(tag, piece) => self.receive_data(incoming, tag, piece).await?,
            }
            budget.spend(head.payload);
            if budget.is_spent() {
                budget = Budget::turn();
                yield_now().await;
            }
        }
    }

    /// Fills the pages of a read and ends it. If the connection is lost meanwhile, the piece goes
    /// back into the table and is asked for again.
    async fn receive_data(
        &self,
        incoming: &mut Incoming,
        tag: Tag,
        piece: Piece,
    ) -> core::result::Result<(), Lost> {
        let result = incoming
            .payload_into(|offset| {
                let mut iter = piece.iter();
                piece.bio().advance(&mut iter, offset);
                piece.bio().segments(&iter)
            })
            .await;
        match result {
            Ok(()) => {
                self.complete(tag, piece, Status::Ok);
                Ok(())
            }
            Err(error) => {
                Self::put(&mut self.inner.lock().table, tag, State::Unsent(piece));
                Err(error.into())
            }
        }
    }

    /// Notes what an answer says about the server's cache, and fails a flush that came too late.
    fn judge(inner: &mut Inner, piece: &Piece, status: Status) -> Status {
        match piece.op() {
            Op::Write | Op::WriteZeroes | Op::Discard => inner.cache.write_ended(),
            Op::Flush => {
                let (began, now) = piece.flush_eras();
                if !inner.cache.flush_ended(status.is_ok(), began, now) {
                    return Status::Io;
                }
            }
            _ => {}
        }
        status
    }

    /// Finds the transaction that a reply belongs to, and ends it unless data follows.
    fn match_reply(&self, head: &Head) -> core::result::Result<Reply, Lost> {
        let reply = Message::parse(&head.header)
            .map_err(|_| Lost::Protocol("the header of a reply is malformed"))?;
        match reply.opcode {
            Opcode::Goodbye => return Err(Lost::Goodbye),
            Opcode::Ping if head.payload == 0 => return Ok(Reply::Done),
            _ => {}
        }
        let tag = Tag::from_wire(reply.tag);
        let epoch = self.epoch.load(ordering::Relaxed);
        let mut inner = self.inner.lock();
        let place = inner
            .table
            .get(tag)
            .ok_or(Lost::Protocol("a reply to no request"))?;
        match core::mem::replace(place, State::Reserved) {
            State::InFlight(piece) => {
                let sent = request::message(&piece, tag, epoch);
                match check_reply(&reply, head.payload, &sent) {
                    Ok(_) if head.payload > 0 => {
                        *place = State::Receiving;
                        Ok(Reply::Data(tag, piece))
                    }
                    Ok(status) => {
                        let status = Self::judge(&mut inner, &piece, to_status(status));
                        drop(inner);
                        self.complete(tag, piece, status);
                        Ok(Reply::Done)
                    }
                    Err(_) => {
                        *place = State::InFlight(piece);
                        Err(Lost::Protocol("a reply does not match its request"))
                    }
                }
            }
            State::Sending(None) if reply.opcode == Opcode::Write && head.payload == 0 => {
                *place = State::Sending(Some(to_status(reply.status)));
                inner.cache.write_ended();
                Ok(Reply::Done)
            }
            other => {
                *place = other;
                Err(Lost::Protocol("a reply to no request"))
            }
        }
    }

    /// The sender task: serves one connection after the other.
    pub async fn send(self: Arc<Self>, mut timer: Timer) {
        // Not the sender itself: that would keep a lost connection's socket.
        let mut last = 0;
        loop {
            let (link, sender) = wait_for(c"a connection", |context| {
                self.connected.register(context.waker());
                let inner = self.inner.lock();
                match &inner.sender {
                    Some(sender) if inner.link != last => Poll::Ready((inner.link, sender.clone())),
                    _ => Poll::Pending,
                }
            })
            .await;
            sender.run(&self, &mut timer).await;
            last = link;
        }
    }
}
