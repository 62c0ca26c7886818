// SPDX-License-Identifier: GPL-2.0

//! The export of a remote node comes to be elsewhere: at another address, under another name.
//!
//! Whoever knows that first has the node *held*: its connections are closed, and none is used until it is let go of,
//! at the old place or at another one. What was not answered waits in the table meanwhile, and goes out in its
//! order as after any other loss of a connection. The hello of the new place counts as the fence, although only
//! that server's own requests have drained then: that nothing more comes of the old one is for the
//! administrator to know if something was sent there and not answered ([`InTheWay::Exposed`]).
//!
//! Which attempts to connect count, and what becomes of the retry limit, is decided in [`crate::dst_core::stay`].

use super::{Known, Phase, Remote};
use crate::{
    dst_core::{
        stay::{Stay, Turn},
        wire::Reason,
    },
    exec::{select, wait_for, Either, Timer},
    net::config::Name,
    sys::socket_address::SocketAddress,
};
use core::{pin::pin, task::Poll};
use kernel::{
    sync::Arc,
    time::{delay::fsleep, Delta},
};

/// Milliseconds for the connections to be taken down once they were closed.
const CLOSE_MS: u32 = 10_000;

/// Milliseconds between two looks.
const LOOK_MS: u32 = 2;

/// Where the export is.
pub(super) struct Seat {
    pub(super) address: SocketAddress,
    export: Name,
    pub(super) stay: Stay,
}

/// Why a node cannot be held.
pub enum InTheWay {
    /// The node was given up.
    Failed,
    /// Connections stand.
    Connected,
    /// So many requests that change data were sent and not answered; they may be carried out at any time.
    Exposed(u32),
    /// Its connections are not taken down in time.
    Slow,
}

impl Seat {
    pub(super) const fn new(address: SocketAddress, export: Name) -> Self {
        Self {
            address,
            export,
            stay: Stay::new(),
        }
    }
}

impl Remote {
    /// The turn that it is.
    pub(super) fn turn(&self) -> Turn {
        self.inner.lock().seat.stay.turn()
    }

    /// Whether a connection that was begun in `turn` is used.
    pub(super) fn is_current(&self, turn: Turn) -> bool {
        self.inner.lock().seat.stay.is_current(turn)
    }

    /// Where to connect to in `turn`, if at all.
    pub(super) fn destination(&self, turn: Turn) -> Option<(SocketAddress, Name)> {
        let inner = self.inner.lock();
        let seat = &inner.seat;
        let current = seat.stay.is_current(turn);
        current.then_some((seat.address, seat.export))
    }

    /// Waits so many milliseconds before connection `at` is tried again, or until another turn than `turn` begins:
    /// then `true`.
    pub(super) async fn rest(&self, at: usize, turn: Turn, delay: u32, timer: &mut Timer) -> bool {
        let sleep = pin!(timer.sleep(Delta::from_millis(delay.into())));
        let called = pin!(self.called(at, turn));
        matches!(select(called, sleep).await, Either::First(()))
    }

    /// Waits until another turn than `turn` begins, for connection `at`.
    pub(super) async fn called(&self, at: usize, turn: Turn) {
        wait_for(c"another attempt to connect", |context| {
            if let Some(cells) = self.cells.get(at) {
                cells.called.register(context.waker());
            }
            match self.turn() == turn {
                true => Poll::Pending,
                false => Poll::Ready(()),
            }
        })
        .await;
    }

    /// Requests that change data, were sent, and may be carried out at any time, as their connections are lost.
    pub fn exposed(&self) -> u32 {
        self.inner.lock().table.counts().exposed
    }

    /// Whether connections stand, or stood a moment ago.
    pub fn is_connected(&self) -> bool {
        !self.inner.lock().table.is_cut_off()
    }

    /// Uses no connection from now on. `drained`: nothing is at the node or on its way there, so those that stand
    /// are closed. `force`: whatever was sent and not answered is not carried out any more. Sleeps.
    ///
    /// Errors: why not; nothing has changed then, but that connections may be made anew.
    pub fn hold(
        self: &Arc<Self>,
        drained: bool,
        force: bool,
    ) -> core::result::Result<(), InTheWay> {
        {
            let mut inner = self.inner.lock();
            if inner.failed.is_some() {
                return Err(InTheWay::Failed);
            }
            if !drained && !inner.table.is_cut_off() {
                return Err(InTheWay::Connected);
            }
            // None can be added: no connection stands, or nothing is sent.
            let exposed = inner.table.counts().exposed;
            if exposed > 0 && !force {
                return Err(InTheWay::Exposed(exposed));
            }
            let connected = !inner.table.is_cut_off();
            inner.seat.stay.hold(connected, self.now());
        }
        for at in 0..self.cells.len() {
            let mut inner = self.inner.lock();
            let sender = inner.lines.get_mut(at).and_then(|line| {
                line.broken = line.sender.is_some();
                line.sender.clone()
            });
            drop(inner);
            if let Some(sender) = sender {
                sender.close();
            }
        }
        // Their supervisors take them down, and find that they are not to make others.
        for _ in 0..CLOSE_MS / LOOK_MS {
            if self.is_taken_down() {
                return Ok(());
            }
            fsleep(Delta::from_millis(LOOK_MS.into()));
        }
        self.let_go(None);
        Err(InTheWay::Slow)
    }

    fn is_taken_down(&self) -> bool {
        let inner = self.inner.lock();
        inner.table.is_cut_off() && inner.lines.iter().all(|line| line.link.is_none())
    }

    /// Connects again, now if the node was held: to another export if one is given. `false` if the node was given up
    /// meanwhile.
    pub fn let_go(&self, to: Option<(SocketAddress, Name)>) -> bool {
        let mut inner = self.inner.lock();
        inner.seat.stay.let_go(to.is_some(), self.now());
        if let Some((address, export)) = to {
            (inner.seat.address, inner.seat.export) = (address, export);
            inner.begin_anew();
        }
        let goes_on = inner.failed.is_none();
        drop(inner);
        for cells in &self.cells {
            cells.called.wake();
        }
        goes_on
    }

    /// For how many milliseconds the node was tried in vain where it is, as [`Stay::tried`]. `may` be away: that is not
    /// counted.
    pub fn tried(&self, may: bool) -> u64 {
        let now = self.now();
        let mut inner = self.inner.lock();
        let away = !may && inner.phase != Phase::Connected;
        inner.seat.stay.tried(away, now)
    }

    /// Whether the export that was looked at is like the one that the node was at; in what it differs otherwise.
    pub fn compare(&self, now: &Known) -> core::result::Result<(), Reason> {
        let known = self.inner.lock().known;
        known.map_or(Ok(()), |known| known.compare(now))
    }
}
