// SPDX-License-Identifier: GPL-2.0

//! How fast a job goes: what the administrator allows, giving way to the application, and how fast it
//! really is.

use super::job::Order;
use crate::{
    dst_core::job::{
        bucket::Bucket,
        meter::Meter,
        yielding::{Yielding, PERIOD},
        SECOND,
    },
    storage::node::Node,
};

/// The pace of a job. Times are microseconds since its beginning.
pub struct Pace {
    bucket: Bucket,
    yielding: Yielding,
    meter: Meter,
    /// Bytes that are done.
    done: u64,
    /// When a period was over last, and what was done by then.
    period: (u64, u64),
    /// Finished I/O of the application when it was looked at last.
    others: u64,
    running: bool,
}

impl Pace {
    /// The pace of a job that begins at `now`.
    pub fn new(order: &Order, now: u64) -> Self {
        Self {
            bucket: Bucket::new(order.limit, now),
            yielding: Yielding::new(order.floor),
            meter: Meter::new(now, 0),
            done: 0,
            period: (now, 0),
            others: 0,
            running: true,
        }
    }

    /// The job looks at another node.
    pub fn turn_to(&mut self, node: &Node) {
        self.others = finished(node);
    }

    /// So many bytes are done.
    pub fn count(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes);
    }

    /// Bytes that are done.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Bytes in a second, of the last seconds.
    pub fn rate(&self, now: u64) -> u64 {
        if self.running {
            self.meter.rate(now, self.done)
        } else {
            0
        }
    }

    /// Takes new orders in, and looks at what the application does on `node`, of which `own` pieces
    /// are the job's. `true` if a period is over.
    pub fn tick(&mut self, order: &Order, node: &Node, own: u32, now: u64) -> bool {
        self.yielding.set_floor(order.floor);
        if self.running != order.state.issues() {
            self.running = order.state.issues();
            // Time that it was paused for is no time that it took.
            self.meter = Meter::new(now, self.done);
        }
        let (began, before) = self.period;
        let passed = now.saturating_sub(began);
        let over = passed >= PERIOD;
        if over {
            let bytes = self.done.saturating_sub(before);
            let rate = bytes.saturating_mul(SECOND) / passed.max(1);
            let finished = finished(node);
            let others =
                finished != self.others || node.lane.has_waiting() || node.lane.in_flight() > own;
            self.yielding.period(others, rate);
            self.others = finished;
            self.period = (now, self.done);
            self.meter.tell(now, self.done);
        }
        self.bucket.set_rate(self.yielding.rate(order.limit), now);
        over
    }

    /// See [`Bucket::take`].
    pub fn take(&mut self, now: u64, bytes: u32) -> Result<(), u64> {
        self.bucket.take(now, bytes)
    }

    /// See [`Bucket::give_back`].
    pub fn give_back(&mut self, bytes: u32) {
        self.bucket.give_back(bytes);
    }
}

/// The application's I/O at `node` so far.
fn finished(node: &Node) -> u64 {
    let io = node.lane.io();
    [io.read_ios, io.write_ios, io.flush_ios, io.discard_ios]
        .iter()
        .fold(0, |sum, ios| sum.wrapping_add(*ios))
}
