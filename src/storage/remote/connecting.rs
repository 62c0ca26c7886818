// SPDX-License-Identifier: GPL-2.0

//! Making a connection of a remote node again, and looking whether the node is what answers.

use super::{line::Phase, Known, Remote, Trouble};
use crate::{
    dst_core::{
        stay::Turn,
        wire::{self, Reason},
    },
    exec::{select, Either},
    net::client::{Client, ClientError},
    pr_warn_ratelimited,
    sys::bio::Status,
};
use core::{
    future::Future,
    pin::{pin, Pin},
};
use kernel::{
    prelude::*,
    sync::{atomic::ordering, Arc},
};

/// Why what answers is not taken for the node.
pub(super) enum Unlike {
    /// It could not be looked at.
    Lost(ClientError),
    /// It is another one.
    Other(Reason),
}

impl Remote {
    /// Makes connection `at` again, unless another turn than `turn` begins; `None` if that was in vain.
    pub(super) async fn try_to_connect(
        self: &Arc<Self>,
        at: usize,
        turn: Turn,
    ) -> Option<KBox<Client>> {
        self.inner.lock().begins(at);
        let made = match self.connecting(at, turn) {
            Ok(attempt) => KBox::new(attempt.await?, GFP_KERNEL).map_err(Error::from),
            Err(error) => Err(error),
        };
        made.map_err(|error| self.lacks_memory(at, turn, error))
            .ok()
    }

    /// [`Self::reconnect`], apart, so that its state is on the stack only while it is made.
    #[inline(never)]
    fn connecting<'a>(
        self: &'a Arc<Self>,
        at: usize,
        turn: Turn,
    ) -> Result<Pin<KBox<impl Future<Output = Option<Client>> + 'a>>> {
        Ok(KBox::pin(self.reconnect(at, turn), GFP_KERNEL)?)
    }

    /// Nothing came of an attempt of `turn`, for lack of memory.
    pub(super) fn lacks_memory(self: &Arc<Self>, at: usize, turn: Turn, error: Error) {
        self.has_failed(at, turn, &ClientError::Connect(error));
    }

    /// Looks whether `client`, of an attempt of `turn`, is connected to the node that is known, and learns what the node is
    /// from the first one.
    pub(super) async fn recognise(
        &self,
        turn: Turn,
        mut client: Client,
    ) -> core::result::Result<(Client, Known), Unlike> {
        let now = Known::learn(&mut client).await.map_err(Unlike::Lost)?;
        let known = *self.inner.lock().known.get_or_insert(now);
        known.compare(&now).map_err(Unlike::Other)?;
        let mut inner = self.inner.lock();
        if inner.seat.stay.is_current(turn) {
            inner.device = now.device();
        }
        drop(inner);
        for cells in &self.cells {
            cells.known.wake();
        }
        Ok((client, now))
    }

    async fn reconnect(self: &Arc<Self>, at: usize, turn: Turn) -> Option<Client> {
        let (address, export) = self.destination(turn)?;
        let mut identity = self.identity;
        let number = self.attempts.fetch_add(1, ordering::Relaxed);
        identity.incarnation = identity
            .incarnation
            .saturating_add(number)
            .saturating_add(1);
        identity.connection = at as u16;
        identity.export = export;
        identity.epoch = self.epoch.load(ordering::Relaxed);
        let settings = &self.settings;
        let limit = settings.connect_ms;
        let attempt = pin!(Client::connect(&settings.net, address, identity, limit));
        let called = pin!(self.called(at, turn));
        let made = match select(called, attempt).await {
            Either::Second(made) if self.is_current(turn) => made,
            // What the former place says does not matter any more.
            _ => return None,
        };
        match made {
            Ok(client) => Some(client),
            Err(ClientError::Refused(wire::Status::StaleEpoch, reason)) => {
                self.is_superseded(at, turn, &reason);
                None
            }
            Err(error) => {
                self.has_failed(at, turn, &error);
                None
            }
        }
    }

    /// Who answers an attempt of `turn` knows of a later owner of the storage.
    fn is_superseded(self: &Arc<Self>, at: usize, turn: Turn, reason: &Reason) {
        let mut inner = self.inner.lock();
        // In one with the end: the node may be sent elsewhere at any moment.
        if !inner.seat.stay.settle(turn) {
            return;
        }
        inner.set_phase(at, Phase::Refused, Trouble::said(ESTALE, reason));
        inner.fail(Status::Reservation);
        let address = inner.seat.address;
        drop(inner);
        pr_warn_ratelimited!("node {}: {}\n", address, reason);
        self.part();
        self.end_or_resume(true);
    }

    /// What answers an attempt of `turn` is not the node.
    pub(super) fn is_another(self: &Arc<Self>, at: usize, turn: Turn, reason: &Reason) {
        let mut inner = self.inner.lock();
        let counts = inner.seat.stay.settle(turn);
        if counts {
            inner.set_phase(at, Phase::Refused, Trouble::said(EEXIST, reason));
        }
        let address = inner.seat.address;
        drop(inner);
        if counts {
            pr_warn_ratelimited!("node {}: {}\n", address, reason);
        }
        self.end_or_resume(counts);
    }

    /// An attempt of `turn` to make connection `at` was in vain: notes why, and logs what is new. One of an earlier turn
    /// says nothing about the place where the node is now.
    pub(super) fn has_failed(self: &Arc<Self>, at: usize, turn: Turn, error: &ClientError) {
        let trouble = Trouble::from(error);
        let mut inner = self.inner.lock();
        let counts = inner.seat.stay.settle(turn);
        let before = inner.lines.get(at).map_or(0, |line| line.trouble.errno);
        // That nothing listens there any more was announced.
        let announced = before == ESHUTDOWN.to_errno() && error.to_error() == ECONNREFUSED;
        let is_news = counts && !announced;
        if is_news {
            inner.set_phase(at, Phase::Waiting, trouble);
        }
        drop(inner);
        if is_news && trouble.errno != before {
            pr_warn_ratelimited!("node {}: {}\n", self.address(), error);
        }
        self.end_or_resume(counts);
    }
}
