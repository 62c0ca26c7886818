// SPDX-License-Identifier: GPL-2.0

//! The task that watches the nodes of a started storage: it tells of their changes, closes
//! connections that take too long, and gives up nodes that were away for too long.

use super::{config::StorageState, running::Running, storage::Storage};
use crate::exec::Timer;
use kernel::{
    sync::Arc,
    time::{Delta, Instant},
};

/// Milliseconds between two looks.
const WATCH_MS: i64 = 250;

impl Storage {
    /// Watches the nodes until the task is cancelled. Runs on the pool for control, since it
    /// waits for tasks of the others.
    pub async fn watch(self: Arc<Self>, running: Arc<Running>) {
        let Ok(mut timer) = Timer::new() else {
            return;
        };
        loop {
            timer.sleep(Delta::from_millis(WATCH_MS)).await;
            let mut index = 0;
            while let Some(node) = running.node(index) {
                node.guard();
                node.enforce_limit().await;
                index += 1;
            }
            if let Some(device) = running.arriving_device() {
                device.guard();
            }
            self.notice(&running);
        }
    }

    /// Tells of what has changed since the last time.
    pub(super) fn notice(&self, running: &Running) {
        for (node, index) in running.nodes().zip(0_u32..) {
            if node.changed() {
                self.announce_node(index);
            }
        }
        let now = running.overall();
        let mut state = self.state();
        if state.phase != StorageState::Running || state.told.0 == now {
            return;
        }
        state.told = (now, Instant::now());
        drop(state);
        self.announce();
    }
}
