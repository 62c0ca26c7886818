// SPDX-License-Identifier: GPL-2.0

//! The tasks of one of a node's connections: the supervisor, which connects and receives, and the
//! sender.

use super::{
    connecting::Unlike,
    known::Known,
    line::{Phase, Trouble},
    request::{self, to_status},
    Inner, Remote,
};
use crate::{
    dst_core::{
        backoff::Backoff,
        session::Head,
        stay::Turn,
        transaction::{Answered, Link, Tag},
        wire::{self, check_reply, Message, Negotiated, Opcode},
        write_back::Verdict,
    },
    exec::{wait_for, yield_now, Timer},
    net::{client::Client, Budget, Incoming, Sender, SessionError},
    pr_warn_ratelimited,
    storage::piece::Piece,
    sys::{
        bio::{Op, Status},
        random,
    },
};
use core::{future::Future, pin::Pin, task::Poll};
use kernel::{
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc,
    },
};

/// Milliseconds before a server is asked again that drains an earlier connection. It waits for that
/// itself for a while before it refuses.
const DRAINING_MS: u32 = 200;

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

impl Lost {
    fn trouble(&self) -> Trouble {
        match self {
            Self::Session(_) => Trouble::of(ECONNRESET),
            Self::Protocol(_) => Trouble::said(EPROTO, self),
            Self::Goodbye => Trouble::said(ESHUTDOWN, self),
        }
    }
}

crate::kernel_display!(Lost);

impl core::fmt::Display for Lost {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Session(error) => write!(f, "{error}"),
            Self::Protocol(what) => write!(f, "protocol violation: {what}"),
            Self::Goodbye => f.write_str("the server has stopped in order"),
        }
    }
}

/// What a reply asks for.
enum Reply {
    /// Nothing more.
    Done,
    /// Its payload belongs into the pages of this piece.
    Data(Tag, Piece),
    /// Its payload is for nobody.
    Stale,
}

/// An incarnation of a connection, as the receiver has it.
#[derive(Clone, Copy)]
struct Incarnation {
    at: usize,
    link: Link,
}

impl Remote {
    /// The supervisor task of connection `at`. The first one begins with the connection that the
    /// storage was started on.
    pub async fn supervise(
        self: Arc<Self>,
        at: u16,
        first: Option<KBox<Client>>,
        mut timer: Timer,
    ) {
        let at = usize::from(at);
        // That of the connection that is given, whoever has called meanwhile.
        let mut turn = Turn::FIRST;
        let mut client = first;
        let mut backoff = Backoff::new(Backoff::FIRST_MS, Backoff::LIMIT_MS);
        if client.is_none() {
            self.until_known(at).await;
            turn = self.turn();
            client = self.try_to_connect(at, turn).await;
        }
        loop {
            if let Some(client) = client.take() {
                // On the heap, as is what makes a connection: this one is made where the stack is used already.
                match self.using(at, turn, client, &mut backoff) {
                    Ok(using) => using.await,
                    Err(error) => self.lacks_memory(at, turn, error),
                }
            }
            if self.is_failed() {
                // There is nothing to be done until the task is cancelled.
                return wait_for(c"the end of the storage", |_| Poll::Pending).await;
            }
            let delay = match self.is_draining(at) {
                true => DRAINING_MS,
                false => backoff.next(random::number()),
            };
            if self.rest(at, turn, delay, &mut timer).await {
                backoff.reset();
            }
            turn = self.turn();
            client = self.try_to_connect(at, turn).await;
        }
    }

    /// Waits until the first connection has learnt what the node is.
    async fn until_known(&self, at: usize) {
        wait_for(c"the node's first connection", |context| {
            if let Some(cells) = self.cells.get(at) {
                cells.known.register(context.waker());
            }
            match self.inner.lock().known {
                Some(_) => Poll::Ready(()),
                None => Poll::Pending,
            }
        })
        .await;
    }

    fn is_draining(&self, at: usize) -> bool {
        let inner = self.inner.lock();
        let draining = wire::Status::Draining.errno();
        inner
            .lines
            .get(at)
            .is_some_and(|line| line.trouble.errno == -draining)
    }

    /// [`Self::use_client`], apart, so that its state is on the stack only while it is made.
    #[inline(never)]
    fn using<'a>(
        self: &'a Arc<Self>,
        at: usize,
        turn: Turn,
        client: KBox<Client>,
        backoff: &'a mut Backoff,
    ) -> Result<Pin<KBox<impl Future<Output = ()> + 'a>>> {
        let using = self.use_client(at, turn, client, backoff);
        Ok(KBox::pin(using, GFP_KERNEL)?)
    }

    /// Uses a connection that was begun in `turn` until it is lost, if it is to the right node.
    async fn use_client(
        self: &Arc<Self>,
        at: usize,
        turn: Turn,
        client: KBox<Client>,
        backoff: &mut Backoff,
    ) {
        self.inner
            .lock()
            .set_phase(at, Phase::Connecting, Trouble::NONE);
        let recognised = self.recognise(turn, KBox::into_inner(client)).await;
        if !self.is_current(turn) {
            // Whoever is at the former place is nobody's business.
            return;
        }
        let (client, known) = match recognised {
            Ok(recognised) => recognised,
            Err(Unlike::Lost(error)) => return self.has_failed(at, turn, &error),
            Err(Unlike::Other(reason)) => return self.is_another(at, turn, &reason),
        };
        backoff.reset();
        let (incoming, negotiated, _) = client.into_incoming();
        let lost = self.serve(at, turn, incoming, &negotiated, &known).await;
        // A deletion closes the connection itself, and so does who sends the node elsewhere.
        if self.is_failed() {
            return;
        }
        if !self.is_current(turn) {
            let mut inner = self.inner.lock();
            return inner.set_phase(at, Phase::Connecting, Trouble::NONE);
        }
        let mut trouble = lost.trouble();
        let mut inner = self.inner.lock();
        // What was given up here has said why already.
        let own = inner.lines.get(at).map(|line| line.trouble);
        let given_up = own.filter(|own| own.errno != 0);
        trouble = given_up.unwrap_or(trouble);
        inner.set_phase(at, Phase::Waiting, trouble);
        drop(inner);
        if given_up.is_none() {
            pr_warn_ratelimited!("node {}: connection lost: {}\n", self.address(), lost);
        }
    }

    /// Uses a connection until it is lost, and takes it down.
    async fn serve(
        self: &Arc<Self>,
        at: usize,
        turn: Turn,
        mut incoming: Incoming,
        negotiated: &Negotiated,
        known: &Known,
    ) -> Lost {
        // Beside the transactions: a question whether the server is alive, and a goodbye.
        let depth = self.inner.lock().table.depth();
        let capacity = depth.max(negotiated.queue_depth as usize) + 2;
        let sender = match Sender::new(incoming.stream().clone(), capacity) {
            Ok(sender) => sender,
            Err(error) => return Lost::Session(error.into()),
        };
        let lost = match self.put_up(at, turn, &sender, known.cache()) {
            Some(link) => {
                let incarnation = Incarnation { at, link };
                match self.receive(&mut incoming, &incarnation).await {
                    Ok(never) => match never {},
                    Err(lost) => lost,
                }
            }
            None => Lost::Session(ECANCELED.into()),
        };
        self.take_down(at);
        lost
    }

    async fn receive(
        self: &Arc<Self>,
        incoming: &mut Incoming,
        incarnation: &Incarnation,
    ) -> core::result::Result<core::convert::Infallible, Lost> {
        let mut budget = Budget::turn();
        loop {
            let head = incoming.head().await?;
            self.hears(incarnation.at);
            match self.match_reply(&head, incarnation)? {
                Reply::Done => {}
                Reply::Data(tag, piece) => {
                    self.receive_data(incoming, tag, piece, incarnation).await?;
                }
                Reply::Stale => incoming.skip_payload().await?,
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
        incarnation: &Incarnation,
    ) -> core::result::Result<(), Lost> {
        let heard = Atomic::new(0_u32);
        let result = incoming
            .payload_into(|offset| {
                if heard.xchg(offset, ordering::Relaxed) != offset {
                    self.hears(incarnation.at);
                }
                let mut iter = piece.iter();
                piece.bio().advance(&mut iter, offset);
                piece.bio().segments(&iter)
            })
            .await;
        match result {
            Ok(()) => {
                self.hears(incarnation.at);
                self.complete(tag, piece, Status::Ok);
                Ok(())
            }
            Err(error) => {
                self.inner.lock().table.interrupted(tag, piece);
                Err(error.into())
            }
        }
    }

    /// Fails a flush whose caller must not believe that its writes are stable.
    fn judge(inner: &mut Inner, piece: &Piece, reply: &Message) -> Status {
        let status = to_status(reply.status);
        if piece.op() != Op::Flush {
            return status;
        }
        // What was sent before another cache was known may be answered with an earlier one, or by a server that has gone;
        // what it covers is among what is lost then.
        if piece.life() == inner.write_back.life() {
            inner.cache_is(reply.cache);
        }
        if let Some(covers) = piece.covers_unasked() {
            if status.is_ok() {
                inner.write_back.flushed_unasked(covers);
            }
            return status;
        }
        let promise = piece.promise();
        match inner.write_back.flush_ended(promise.covers, status.is_ok()) {
            Verdict::Sound if !status.is_ok() || piece.holds() => return status,
            Verdict::Sound | Verdict::Fails => {}
            Verdict::Tells => piece.tells(),
        }
        Status::Io
    }

    /// Keeps why a copy from another node was refused: a piece ends with fewer words.
    fn note_copy(inner: &mut Inner, reply: &Message, status: wire::Status) {
        if reply.opcode == Opcode::CopyFromPeer && !status.is_ok() {
            inner.copy_refusal = Some(status);
        }
    }

    /// Finds the transaction that a reply belongs to, and ends it unless data follows.
    fn match_reply(
        &self,
        head: &Head,
        incarnation: &Incarnation,
    ) -> core::result::Result<Reply, Lost> {
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
        let status = match inner.table.answered(tag, incarnation.link) {
            Answered::InFlight(piece) => {
                check_reply(&reply, head.payload, &request::message(piece, tag, epoch))
                    .map_err(|_| Lost::Protocol("a reply does not match its request"))?
            }
            Answered::Sending
                if matches!(reply.opcode, Opcode::Write | Opcode::CopyFromPeer)
                    && head.payload == 0 =>
            {
                Self::note_copy(&mut inner, &reply, reply.status);
                let status = to_status(reply.status);
                inner.table.early(tag, status);
                self.counts_answer(incarnation.at, status.is_ok(), 0);
                return Ok(Reply::Done);
            }
            Answered::Stale => return Ok(Reply::Stale),
            _ => return Err(Lost::Protocol("a reply to no request")),
        };
        self.counts_answer(incarnation.at, status.is_ok(), head.payload);
        if head.payload > 0 {
            return match inner.table.receive(tag) {
                Some(piece) => Ok(Reply::Data(tag, piece)),
                None => Err(Lost::Protocol("a reply to no request")),
            };
        }
        Self::note_copy(&mut inner, &reply, status);
        if let Some(piece) = inner.table.take(tag) {
            let status = Self::judge(&mut inner, &piece, &reply);
            drop(inner);
            self.complete(tag, piece, status);
        }
        Ok(Reply::Done)
    }

    /// The sender task of connection `at`: serves one incarnation after the other.
    pub async fn send(self: Arc<Self>, at: u16, mut timer: Timer) {
        let at = usize::from(at);
        // Not the sender itself: that would keep a lost connection's socket.
        let mut last: Option<Link> = None;
        loop {
            let (link, sender) = wait_for(c"a connection", |context| {
                if let Some(cells) = self.cells.get(at) {
                    cells.connected.register(context.waker());
                }
                let inner = self.inner.lock();
                let line = inner.lines.get(at);
                match line.map(|line| (line.link, line.sender.clone())) {
                    Some((Some(link), Some(sender))) if last != Some(link) => {
                        Poll::Ready((link, sender))
                    }
                    _ => Poll::Pending,
                }
            })
            .await;
            sender.run(&self, &mut timer).await;
            last = Some(link);
        }
    }
}
