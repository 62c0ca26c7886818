// SPDX-License-Identifier: GPL-2.0

//! What takes too long at a node: requests that are not answered, and servers that are silent.
//!
//! A connection that is given up here is only closed. Its supervisor notices, takes it down and makes
//! another one; what it had not finished is sent again when the server has drained what came of it. So
//! a deadline never ends a request under way.

use super::{
    line::Trouble,
    request::{self, Outgoing},
    Remote,
};
use crate::{
    dst_core::{transaction::Link, wire::Reason},
    net::Sender,
    pr_warn_ratelimited,
};
use kernel::{
    prelude::*,
    sync::{atomic::ordering, Arc},
};

/// What is to be done about a connection.
enum Silence {
    /// Nothing.
    Fine,
    /// The server is to be asked whether it is alive.
    Ask(Arc<Sender<Outgoing>>),
    /// It counts as dead after so many milliseconds.
    Dead(Link, u64),
}

impl Remote {
    /// Closes the connections that take too long, and asks silent servers whether they are alive.
    /// Called now and then; process context, does not wait for the network.
    pub fn guard(self: &Arc<Self>) {
        self.watch_requests();
        self.watch_tries();
        for at in 0..self.cells.len() {
            match self.silence(at) {
                Silence::Fine => {}
                Silence::Ask(sender) => {
                    // One that takes nothing more is about to be taken down.
                    if sender.queue(Outgoing::Plain(request::ping())).is_ok() {
                        sender.flush(self);
                    }
                }
                Silence::Dead(link, silent) => {
                    self.close(link, format_args!("nothing was heard for {silent} ms"));
                }
            }
        }
    }

    /// Closes the connection that has left a request unanswered for too long. If there are several,
    /// the others follow when it was taken down.
    fn watch_requests(&self) {
        let limit = self.request_limit();
        let expired = self.inner.lock().table.expired(self.now(), limit);
        if let Some(expired) = expired {
            let waited = expired.waited;
            self.close(
                expired.link,
                format_args!("a request was not answered for {waited} ms"),
            );
        }
    }

    fn silence(&self, at: usize) -> Silence {
        let limit = u64::from(self.settings.keepalive_ms);
        let heard = self
            .cells
            .get(at)
            .map_or(0, |cells| cells.heard.load(ordering::Relaxed));
        let now = self.now();
        let mut inner = self.inner.lock();
        let Some(line) = inner.lines.get_mut(at) else {
            return Silence::Fine;
        };
        let (Some(sender), Some(link)) = (line.sender.clone(), line.link) else {
            return Silence::Fine;
        };
        if line.asked.is_some_and(|asked| heard >= asked) {
            line.asked = None;
        }
        match line.asked {
            None if now.saturating_sub(heard) >= limit => {
                line.asked = Some(now);
                Silence::Ask(sender)
            }
            Some(asked) if now.saturating_sub(asked) >= limit => {
                Silence::Dead(link, now.saturating_sub(heard))
            }
            _ => Silence::Fine,
        }
    }

    /// Closes a connection if `link` still stands; its supervisor takes it down then.
    fn close(&self, link: Link, why: core::fmt::Arguments<'_>) {
        let words = Reason::from_display(&why);
        let at = usize::from(link.connection);
        let mut inner = self.inner.lock();
        let line = inner.lines.get_mut(at);
        let Some(line) = line.filter(|line| line.link == Some(link)) else {
            return;
        };
        let Some(sender) = line.sender.clone().filter(|_| !line.broken) else {
            return;
        };
        line.broken = true;
        line.trouble = Trouble {
            errno: ETIMEDOUT.to_errno(),
            words,
        };
        let address = inner.seat.address;
        drop(inner);
        pr_warn_ratelimited!("node {}: connection {}: {}\n", address, at, words);
        sender.close();
    }
}
