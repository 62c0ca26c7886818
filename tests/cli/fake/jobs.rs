// SPDX-License-Identifier: GPL-2.0

//! The jobs of the fake kernel. Each look at a running one sees a quarter more done.

use super::kernel::{fail, Answer, Fault, Given, Point};
use dst_cli::error::errno::{EALREADY, EBUSY, EINVAL, ENOENT, ESRCH};
use dst_cli::netlink::codec::AttrWriter;
use dst_cli::netlink::uapi::{attr::job as a, attr::node, cmd, job_kind, job_state};

/// Bytes of every job.
pub(crate) const TOTAL: u64 = 64 << 20;

#[derive(Debug, Clone, Default)]
pub(crate) struct Job {
    pub(crate) id: u32,
    pub(crate) kind: u32,
    pub(crate) storage: String,
    pub(crate) node: Option<u64>,
    pub(crate) state: u32,
    pub(crate) reason: Option<&'static str>,
    pub(crate) waits_for: Option<&'static str>,
    pub(crate) done: u64,
    pub(crate) limit: u64,
    pub(crate) floor: u64,
    /// The sector at which it will fail, half way.
    pub(crate) bad: Option<u64>,
}

impl Job {
    fn tell(&self) -> AttrWriter {
        let mut out = AttrWriter::new();
        out.u32(a::ID, self.id).u32(a::KIND, self.kind);
        out.string(a::STORAGE, &self.storage);
        if let Some(node) = self.node {
            out.u32(a::NODE_INDEX, u32::try_from(node).unwrap());
        }
        out.u32(a::STATE, self.state);
        for (kind, text) in [(a::REASON, self.reason), (a::WAITS_FOR, self.waits_for)] {
            if let Some(text) = text {
                out.string(kind, text);
            }
        }
        out.uint(a::SINCE, 65_000).uint(a::ELAPSED, 2_000);
        out.uint(a::DONE, self.done).uint(a::TOTAL, TOTAL);
        out.uint(a::RATE, 8 << 20);
        if self.state == job_state::RUNNING {
            out.uint(a::TIME_LEFT, (TOTAL - self.done) * 1000 / (8 << 20));
        }
        if self.limit != 0 {
            out.uint(a::RATE_LIMIT, self.limit);
        }
        out.uint(a::MIN_RATE, self.floor).u32(a::IN_FLIGHT, 16);
        if let Some(bad) = self.bad.filter(|_| self.state == job_state::FAILED) {
            out.uint(a::BAD_SECTOR, bad).u32(a::BAD_NODE, 1);
        }
        out
    }

    fn advance(&mut self) {
        if self.state != job_state::RUNNING {
            return;
        }
        self.done += TOTAL / 4;
        if self.bad.is_some() && self.done == TOTAL / 2 {
            self.state = job_state::FAILED;
            self.reason = Some("sector 801 cannot be read, which is sector 0 of node 1");
        } else if self.done == TOTAL {
            self.state = job_state::DONE;
        }
    }
}

/// The job that a request means.
fn find<'a>(jobs: &'a mut [Job], given: &Given<'_>) -> Result<&'a mut Job, Fault> {
    let id = given.number(a::ID).unwrap();
    let missing = "there is no job 7; dst job list shows those that are";
    jobs.iter_mut()
        .find(|job| u64::from(job.id) == id)
        .ok_or_else(|| fail(ENOENT, missing, Point::At(a::ID)))
}

pub(super) fn perform(jobs: &mut Vec<Job>, command: u8, given: &Given<'_>, dump: bool) -> Answer {
    match command {
        cmd::JOB_BEGIN => begin(jobs, given),
        cmd::JOB_GET if dump => Ok(jobs.iter().map(Job::tell).collect()),
        cmd::JOB_GET => get(jobs, given),
        cmd::JOB_PAUSE => change(jobs, given, job_state::PAUSED),
        cmd::JOB_RESUME => change(jobs, given, job_state::RUNNING),
        cmd::JOB_CANCEL => change(jobs, given, job_state::CANCELLED),
        cmd::JOB_SET => set(jobs, given),
        other => panic!("the program sent command {other}"),
    }
}

fn begin(jobs: &mut Vec<Job>, given: &Given<'_>) -> Answer {
    let job = Job {
        kind: job_kind::VERIFY,
        storage: given.text(a::STORAGE).unwrap(),
        node: given.number(a::NODE_INDEX),
        limit: given.number(a::RATE_LIMIT).unwrap_or(0),
        floor: given.number(a::MIN_RATE).unwrap_or(1 << 20),
        ..Job::default()
    };
    let id = launch(jobs, job, a::STORAGE)?;
    let mut reply = AttrWriter::new();
    reply.u32(a::ID, id);
    Ok(vec![reply])
}

/// Begins to move a node.
pub(super) fn migrate(jobs: &mut Vec<Job>, given: &Given<'_>) -> Answer {
    let job = Job {
        kind: job_kind::MIGRATE,
        storage: given.text(node::STORAGE).unwrap(),
        node: given.number(node::INDEX),
        limit: given.number(node::RATE_LIMIT).unwrap_or(0),
        floor: given.number(node::MIN_RATE).unwrap_or(1 << 20),
        ..Job::default()
    };
    let index = u32::try_from(job.node.unwrap()).unwrap();
    let mut reply = AttrWriter::new();
    reply.string(node::STORAGE, &job.storage);
    let id = launch(jobs, job, node::STORAGE)?;
    reply.u32(node::INDEX, index).u32(node::JOB, id);
    Ok(vec![reply])
}

fn launch(jobs: &mut Vec<Job>, job: Job, place: u16) -> Result<u32, Fault> {
    let node = job.node;
    let ended = |job: &Job| job.state >= job_state::DONE;
    let common = |job: &Job| node.is_none() || job.node.is_none() || node == job.node;
    if jobs.iter().any(|job| !ended(job) && common(job)) {
        let text =
            "job 1 (verify) works on all nodes; wait for it, or end it with dst job cancel 1";
        return Err(fail(EBUSY, text, Point::At(place)));
    }
    let id = u32::try_from(jobs.len()).unwrap() + 1;
    jobs.push(Job { id, ..job });
    Ok(id)
}

fn get(jobs: &mut [Job], given: &Given<'_>) -> Answer {
    let job = find(jobs, given)?;
    let told = job.tell();
    job.advance();
    Ok(vec![told])
}

fn change(jobs: &mut [Job], given: &Given<'_>, state: u32) -> Answer {
    let job = find(jobs, given)?;
    if job.state >= job_state::DONE {
        let text = "job 1 has ended; dst job show 1 tells how";
        return Err(fail(ESRCH, text, Point::At(a::ID)));
    }
    match (job.state, state) {
        (job_state::PAUSED, job_state::PAUSED) => {
            return Err(fail(EALREADY, "job 1 is paused already", Point::At(a::ID)));
        }
        (job_state::RUNNING, job_state::RUNNING) => {
            return Err(fail(EINVAL, "job 1 is not paused", Point::At(a::ID)));
        }
        _ => job.state = state,
    }
    if state == job_state::CANCELLED {
        job.reason = Some("an administrator has cancelled it");
    }
    Ok(vec![])
}

fn set(jobs: &mut [Job], given: &Given<'_>) -> Answer {
    let job = find(jobs, given)?;
    job.limit = given.number(a::RATE_LIMIT).unwrap_or(job.limit);
    job.floor = given.number(a::MIN_RATE).unwrap_or(job.floor);
    Ok(vec![])
}
