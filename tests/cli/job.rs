// SPDX-License-Identifier: GPL-2.0

//! Jobs: beginning, following and steering them.

use crate::fake::{jobs::TOTAL, situation, Machine};
use dst_cli::netlink::codec::AttrWriter;
use dst_cli::netlink::uapi::{attr::job as a, cmd, job_state};

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("{text}"))
}

/// A machine with job 1, which verifies its storage.
fn machine() -> Machine {
    let machine = situation("running");
    let outcome = machine.run("job verify storage");
    assert_eq!(
        outcome.out,
        "job 1 has begun: verify of storage \"storage\"; \"dst job watch 1\" follows it\n"
    );
    machine.taken();
    machine
}

#[test]
fn a_verification_is_begun_as_asked_for() {
    let machine = situation("running");
    let outcome =
        machine.run("--json job verify storage --node 2 --rate-limit 50M --min-rate 512K/s");
    assert_eq!(json(&outcome.out)["begun"]["id"], 1);
    assert_eq!(
        machine.taken(),
        [
            "job-begin kind=verify storage=storage node-index=2 rate-limit=52428800 \
          min-rate=524288"
        ]
    );
    let plan = machine
        .run("--dry-run job verify storage --rate-limit none")
        .out;
    assert_eq!(plan, "job-begin kind=verify storage=storage rate-limit=0\n");
    assert!(machine.taken().is_empty());
    for wrong in [
        "job verify",
        "job verify storage --rate-limit fast",
        "job verify storage --min-rate 0",
        "job verify storage --min-rate none",
        "job verify storage --node x",
        "job verify a/b",
        "job set 1",
        "job pause",
        "job watch 1 --interval 0",
    ] {
        assert_eq!(machine.run(wrong).code, 2, "dst {wrong}");
    }
    assert!(machine.taken().is_empty());
}

#[test]
fn a_migration_is_begun_as_asked_for() {
    let machine = situation("running");
    let outcome = machine.run("job migrate storage 1 /dev/sdd --rate-limit 50M --force");
    assert_eq!(
        outcome.out,
        "job 1 has begun: migrate of storage \"storage\", node 1, to /dev/sdd; \"dst job watch 1\" follows it\n"
    );
    assert_eq!(
        machine.taken(),
        [
            "node-migrate storage=storage index=1 kind=local path=/dev/sdd flags=force \
             rate-limit=52428800"
        ]
    );
    let list = machine.run("job list").out;
    assert!(list.contains("migrate  node 1 of storage"), "{list}");
    machine.taken();
    let plan = "--dry-run job migrate storage 0 10.0.0.7:1026 --connections 2 --min-rate 1M";
    assert_eq!(
        machine.run(plan).out,
        "node-migrate storage=storage index=0 kind=remote address=10.0.0.7:1026 connections=2 \
         min-rate=1048576\n"
    );
    for wrong in [
        "job migrate storage 0",
        "job migrate storage x /dev/sdd",
        "job migrate storage 0 /dev/sdd,size=1G",
        "job migrate a/b 0 /dev/sdd",
    ] {
        assert_eq!(machine.run(wrong).code, 2, "dst {wrong}");
    }
    assert!(machine.taken().is_empty());
    let outcome = machine.run("--json job migrate storage 0 /dev/sde --watch");
    assert_eq!((outcome.code, machine.taken().len()), (0, 1));
    assert!(
        outcome.out.contains("\"kind\":\"migrate\""),
        "{}",
        outcome.out
    );
}

#[test]
fn a_conflict_names_the_other() {
    let outcome = machine().run("job verify storage --node 1");
    assert_eq!(outcome.code, 6);
    assert_eq!(
        outcome.err,
        "dst: cannot verify storage \"storage\": job 1 (verify) works on all nodes; wait for it, or \
         end it with dst job cancel 1 (EBUSY)\n\
         concerns: STORAGE (attribute \"storage\")\n\
         hint: \"dst job list\" lists the jobs\n"
    );
}

#[test]
fn jobs_are_listed_and_shown() {
    let machine = machine();
    machine.kernel().jobs[0].done = TOTAL / 2;
    machine.kernel().jobs[0].waits_for = Some("node 0 to be resumed");
    assert_eq!(
        machine.run("job list").out,
        "ID  KIND    OF       STATE    DONE    OF      %   RATE     LEFT\n\
         1   verify  storage  running  32 MiB  64 MiB  50  8 MiB/s  4 s\n    \
             waits for: node 0 to be resumed\n"
    );
    assert_eq!(
        machine.run("job show 1").out,
        "job 1, verify of storage \"storage\": running for 1 min 5 s\n  \
           32 MiB of 64 MiB (50 %) in 2 s, 8 MiB/s, 4 s left\n  \
           rate limit: none; at least: 1 MiB/s\n  \
           waits for: node 0 to be resumed\n"
    );
    let listed = json(&machine.run("--json job ls").out);
    let job = &listed["jobs"][0];
    assert_eq!((&job["id"], &job["kind"]), (&1.into(), &"verify".into()));
    assert_eq!(job["total_bytes"], TOTAL);
    assert_eq!(job["rate_limit_bytes"], serde_json::Value::Null);
    assert_eq!(
        json(&machine.run("--json job show 1").out)["job"]["state"],
        "running"
    );
    assert_eq!(machine.run("job list --storage other").out, "no jobs\n");
    let outcome = machine.run("job show 7");
    assert_eq!(outcome.code, 5);
    assert!(outcome.err.contains("there is no job 7"), "{}", outcome.err);
    assert!(outcome.err.contains("concerns: ID"), "{}", outcome.err);
}

#[test]
fn status_names_the_jobs_that_have_not_ended() {
    let machine = machine();
    machine.kernel().jobs[0].done = TOTAL / 4;
    machine.kernel().jobs[0].node = Some(1);
    let status = || machine.run("status").out;
    let line = "\n  job 1: verify of node 1 is running, 16 MiB of 64 MiB (25 %) in 2 s, 8 MiB/s, 6 s left\n  NODE";
    assert!(status().contains(line), "{}", status());
    machine.kernel().jobs[0].waits_for = Some("node 1 to be resumed");
    assert!(status().contains(" left; waits for node 1 to be resumed\n"));
    let value = json(&machine.run("status --json").out);
    assert_eq!(value["storages"][0]["jobs"][0]["id"], 1);
    machine.kernel().jobs[0].waits_for = None;
    machine.run("job pause 1");
    assert!(status().contains("; \"dst job resume 1\" lets it go on\n"));
    machine.run("job cancel 1");
    assert!(!status().contains("job 1"), "{}", status());
    let value = json(&machine.run("status --json").out);
    assert_eq!(value["storages"][0]["jobs"], serde_json::json!([]));
}

#[test]
fn a_job_is_followed_to_its_end() {
    let outcome = machine().run("job watch 1 --interval 0.001");
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    let lines: Vec<&str> = outcome.out.lines().collect();
    assert_eq!(lines.len(), 5, "{}", outcome.out);
    assert!(
        lines[1].starts_with("running: 16 MiB of 64 MiB (25 %)"),
        "{}",
        lines[1]
    );
    assert!(
        lines[4].starts_with("done: 64 MiB of 64 MiB (100 %)"),
        "{}",
        lines[4]
    );
    let machine = situation("running");
    let outcome = machine.run("--json job verify storage --watch");
    assert_eq!(outcome.code, 0);
    let last = outcome.out.lines().last().unwrap();
    assert_eq!(json(last)["job"]["state"], "done");
}

#[test]
fn a_job_that_fails_fails_the_program() {
    let machine = machine();
    machine.kernel().jobs[0].bad = Some(801);
    let outcome = machine.run("job watch 1 --interval 0.001");
    assert_eq!(outcome.code, 1);
    assert_eq!(
        outcome.err,
        "dst: job 1 (verify of storage \"storage\") has failed: sector 801 cannot be read, which is \
         sector 0 of node 1\n"
    );
    let shown = machine.run("job show 1").out;
    assert!(shown.contains("  bad sector: 801, on node 1\n"), "{shown}");
    let outcome = machine.run("job cancel 1");
    assert!(outcome.err.contains("job 1 has ended"), "{}", outcome.err);
}

#[test]
fn jobs_are_steered() {
    let machine = machine();
    let outcome = machine.run("job pause 1");
    assert_eq!(
        outcome.out,
        "job 1 is paused; \"dst job resume 1\" lets it go on\n"
    );
    assert_eq!(machine.run("job pause 1").code, 6);
    assert_eq!(
        json(&machine.run("--json job resume 1").out)["resumed"]["id"],
        1
    );
    assert_eq!(machine.run("job resume 1").code, 1);
    let outcome = machine.run("job set 1 --rate-limit none --min-rate 4M");
    assert_eq!(outcome.out, "job 1: rate limit none, at least 4 MiB/s\n");
    assert_eq!(machine.run("job cancel 1").out, "job 1 is cancelled\n");
    assert_eq!(
        machine.taken(),
        [
            "job-pause id=1",
            "job-pause id=1",
            "job-resume id=1",
            "job-resume id=1",
            "job-set id=1 rate-limit=0 min-rate=4194304",
            "job-cancel id=1",
        ]
    );
    let outcome = machine.run("job watch 1");
    assert_eq!(outcome.code, 1);
    assert!(
        outcome
            .err
            .contains("was cancelled: an administrator has cancelled it"),
        "{}",
        outcome.err
    );
}

#[test]
fn events_tell_of_jobs() {
    let machine = situation("running");
    let mut event = AttrWriter::new();
    event
        .u32(a::ID, 3)
        .u32(a::KIND, 0)
        .string(a::STORAGE, "storage");
    event.u32(a::NODE_INDEX, 1).u32(a::STATE, job_state::FAILED);
    event
        .string(a::REASON, "because")
        .uint(a::DONE, 1 << 40)
        .uint(a::TOTAL, 1 << 42);
    machine
        .kernel()
        .events
        .push_back(Some((cmd::JOB_NTF, event)));
    let outcome = machine.run("events --count 1");
    assert!(
        outcome
            .out
            .ends_with(" job 3 (verify of storage \"storage\", node 1) is failed, 25 %: because\n"),
        "{}",
        outcome.out
    );
}
