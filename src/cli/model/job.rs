// SPDX-License-Identifier: GPL-2.0

//! What the module tells about jobs.

use super::{named, number, text, Put, Read};
use crate::netlink::codec::{Attrs, Malformed};
use crate::netlink::uapi::{self, attr};
use serde::Serialize;

record! {
    /// A job.
    Job from job {
        /// Number.
        id: u64 = ID by number;
        /// What it does.
        kind: String = KIND by named(uapi::job_kind::NAMES);
        /// On which storage.
        storage: String = STORAGE by text;
        /// The only node that it works on.
        node_index: Option<u64> = NODE_INDEX by number;
        /// State.
        state: String = STATE by named(uapi::job_state::NAMES);
        /// Why it is in that state.
        reason: Option<String> = REASON by text;
        /// What it waits for.
        waits_for: Option<String> = WAITS_FOR by text;
        /// Which way its data goes, if there are several.
        way: Option<String> = WAY by text;
        /// Milliseconds since the state was entered.
        since_ms: Option<u64> = SINCE by number;
        /// Milliseconds that it has taken so far, or altogether.
        elapsed_ms: Option<u64> = ELAPSED by number;
        /// Bytes that are done.
        done_bytes: u64 = DONE by number;
        /// Bytes that there are.
        total_bytes: u64 = TOTAL by number;
        /// Bytes in a second.
        rate_bytes: u64 = RATE by number;
        /// Milliseconds that it will take.
        time_left_ms: Option<u64> = TIME_LEFT by number;
        /// Most bytes in a second.
        rate_limit_bytes: Option<u64> = RATE_LIMIT by number;
        /// Bytes in a second however busy the application is.
        min_rate_bytes: Option<u64> = MIN_RATE by number;
        /// Extents in flight.
        in_flight: Option<u64> = IN_FLIGHT by number;
        /// The first sector of the storage that cannot be read.
        bad_sector: Option<u64> = BAD_SECTOR by number;
        /// The node that it is on.
        bad_node: Option<u64> = BAD_NODE by number;
    }
}

impl Job {
    /// Whether it is over.
    pub fn has_ended(&self) -> bool {
        matches!(self.state.as_str(), "done" | "failed" | "cancelled")
    }

    /// What it is, for a person: `verify of storage "x"`.
    pub fn title(&self) -> String {
        let node = self
            .node_index
            .map(|index| format!(", node {index}"))
            .unwrap_or_default();
        format!("{} of storage \"{}\"{node}", self.kind, self.storage)
    }

    /// How much of a hundred is done; an empty job is done from the beginning.
    pub fn percent(&self) -> u64 {
        let done = u128::from(self.done_bytes) * 100;
        let percent = done.checked_div(u128::from(self.total_bytes));
        percent.map_or(100, |percent| u64::try_from(percent).unwrap_or(100))
    }
}

record! {
    /// The answer to a request to move a node.
    Moving from node {
        /// Number of the job.
        job: u64 = JOB by number;
    }
}

/// The number of the job that moves a node.
pub fn moving(attributes: &[u8]) -> Read<u64> {
    Moving::decode(attributes).map(|moving| moving.job)
}

record! {
    /// The answer to a request to replace a node.
    Replaced from node {
        /// What the node is doing.
        state: Option<String> = STATE by named(uapi::node_state::NAMES);
        /// Number of the job that moves it, if it has to be moved.
        job: Option<u64> = JOB by number;
    }
}

/// What has become of a node that was to be replaced.
pub fn replaced(attributes: &[u8]) -> Read<Replaced> {
    Replaced::decode(attributes)
}

/// The number that a job was given.
pub fn begun(attributes: &[u8]) -> Read<u64> {
    Job::decode(attributes).map(|job| job.id)
}
