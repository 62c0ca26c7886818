// SPDX-License-Identifier: GPL-2.0

//! Making a connection of a remote node again, and looking whether the node is what answers.

use super::{line::Phase, relocate::Turn, Known, Remote, Trouble};
use crate::{
    dst_core::wire::{self, Reason},
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
        self.note_failure(at, &ClientError::Connect(error));
        self.has_failed(turn);
    }

    /// Looks whether `client` is connected to the node that is known, and learns what the node is from the first one.
    pub(super) async fn recognise(
        &self,
        mut client: Client,
    ) -> core::result::Result<(Client, Known), Unlike> {
        let now = Known::learn(&mut client).await.map_err(Unlike::Lost)?;
        let known = *self.inner.lock().known.get_or_insert(now);
        known.compare(&now).map_err(Unlike::Other)?;
        self.inner.lock().device = now.device();
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
                pr_warn_ratelimited!("node {}: {}\n", address, reason);
                let trouble = Trouble::said(ESTALE, &reason);
                let mut inner = self.inner.lock();
                inner.set_phase(at, Phase::Refused, trouble);
                drop(inner);
                self.fail(Status::Reservation);
                self.end_or_resume(true);
                None
            }
            Err(error) => {
                self.note_failure(at, &error);
                self.has_failed(turn);
                None
            }
        }
    }

    /// An attempt to connect that was begun in `turn` was in vain.
    pub(super) fn has_failed(self: &Arc<Self>, turn: Turn) {
        self.inner.lock().seat.settle(turn);
        self.end_or_resume(true);
    }

    /// Notes why an attempt to connect was in vain, and logs what is new.
    pub(super) fn note_failure(&self, at: usize, error: &ClientError) {
        let trouble = Trouble::from(error);
        let mut inner = self.inner.lock();
        let before = inner.lines.get(at).map_or(0, |line| line.trouble.errno);
        // That nothing listens there any more was announced.
        let announced = before == ESHUTDOWN.to_errno() && error.to_error() == ECONNREFUSED;
        if !announced {
            inner.set_phase(at, Phase::Waiting, trouble);
        }
        drop(inner);
        if !announced && trouble.errno != before {
            pr_warn_ratelimited!("node {}: {}\n", self.address(), error);
        }
    }
}
