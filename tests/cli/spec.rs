// SPDX-License-Identifier: GPL-2.0

//! The numbers in the program against the specification, which is read anew here, and the
//! documentation against the program.

use dst_cli::netlink::uapi::{self, attr, cmd};

const SPEC: &str = include_str!("../../Documentation/netlink/specs/dst.yaml");
const DOCUMENT: &str = include_str!("../../Documentation/admin/command-line.md");

/// The value of a line `key: value`.
fn value_of<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.trim_start_matches(['-', ' '])
        .strip_prefix(key)?
        .strip_prefix(": ")
        .map(str::trim)
}

fn section(name: &str) -> &'static str {
    let (_, rest) = SPEC.split_once(&format!("\n{name}:\n")).unwrap();
    let next = rest
        .match_indices('\n')
        .find(|(i, _)| rest[i + 1..].starts_with(|c: char| c.is_ascii_lowercase()));
    &rest[..next.map_or(rest.len(), |(i, _)| i)]
}

/// Names at `depth` spaces of indentation, in order.
fn names_at(text: &'static str, depth: usize) -> Vec<&'static str> {
    let indented = |line: &&str| line.len() - line.trim_start().len() == depth;
    text.lines()
        .filter(indented)
        .filter_map(|line| value_of(line, "name"))
        .collect()
}

/// The attributes of one set in order.
fn attributes(set: &str) -> Vec<&'static str> {
    let text = section("attribute-sets");
    let (_, rest) = text.split_once(&format!("\n    name: {set}\n")).unwrap();
    names_at(rest.split_once("\n  -\n").map_or(rest, |(own, _)| own), 8)
}

#[test]
fn attributes_have_the_numbers_of_the_specification() {
    for (set, names) in [
        ("address", attr::address::NAMES),
        ("allow", attr::allow::NAMES),
        ("prefix", attr::prefix::NAMES),
        ("storage", attr::storage::NAMES),
        ("node", attr::node::NAMES),
        ("export", attr::export::NAMES),
        ("connection", attr::connection::NAMES),
        ("pool", attr::pool::NAMES),
        ("info", attr::info::NAMES),
        ("job", attr::job::NAMES),
    ] {
        assert_eq!(attributes(set), names, "{set}");
    }
    assert_eq!(
        attr::node::NAMES[usize::from(attr::node::RETRY_LIMIT) - 1],
        "retry-limit"
    );
    assert_eq!(
        attr::export::NAMES[usize::from(attr::export::REFUSED) - 1],
        "refused"
    );
}

#[test]
fn commands_have_the_numbers_of_the_specification() {
    let names = names_at(section("operations"), 6);
    for (name, number) in [
        ("storage-add", cmd::STORAGE_ADD),
        ("storage-del", cmd::STORAGE_DEL),
        ("storage-start", cmd::STORAGE_START),
        ("storage-get", cmd::STORAGE_GET),
        ("storage-ntf", cmd::STORAGE_NTF),
        ("node-add", cmd::NODE_ADD),
        ("node-del", cmd::NODE_DEL),
        ("node-get", cmd::NODE_GET),
        ("node-ntf", cmd::NODE_NTF),
        ("export-add", cmd::EXPORT_ADD),
        ("export-del", cmd::EXPORT_DEL),
        ("export-set", cmd::EXPORT_SET),
        ("export-get", cmd::EXPORT_GET),
        ("export-ntf", cmd::EXPORT_NTF),
        ("connection-get", cmd::CONNECTION_GET),
        ("connection-ntf", cmd::CONNECTION_NTF),
        ("info-get", cmd::INFO_GET),
        ("storage-set", cmd::STORAGE_SET),
        ("node-suspend", cmd::NODE_SUSPEND),
        ("node-resume", cmd::NODE_RESUME),
        ("node-clear", cmd::NODE_CLEAR),
        ("job-begin", cmd::JOB_BEGIN),
        ("job-get", cmd::JOB_GET),
        ("job-ntf", cmd::JOB_NTF),
        ("job-pause", cmd::JOB_PAUSE),
        ("job-resume", cmd::JOB_RESUME),
        ("job-cancel", cmd::JOB_CANCEL),
        ("job-set", cmd::JOB_SET),
        ("node-migrate", cmd::NODE_MIGRATE),
        ("node-replace", cmd::NODE_REPLACE),
    ] {
        assert_eq!(names[usize::from(number) - 1], name);
    }
}

#[test]
fn the_document_tells_every_exit_code_and_every_field() {
    for code in 0..=7 {
        assert!(
            DOCUMENT.contains(&format!("\n| {code} | ")),
            "exit code {code}"
        );
    }
    let records = [
        serde_json::json!(dst_cli::model::Storage::default()),
        serde_json::json!(dst_cli::model::Node::default()),
        serde_json::json!(dst_cli::model::Export::default()),
        serde_json::json!(dst_cli::model::Connection::default()),
        serde_json::json!(dst_cli::model::Info::default()),
        serde_json::json!(dst_cli::model::Pool::default()),
        serde_json::json!(dst_cli::model::Job::default()),
    ];
    for record in records {
        for field in record.as_object().unwrap().keys() {
            assert!(DOCUMENT.contains(&format!("`{field}`")), "{field}");
        }
    }
    assert!(uapi::storage_state::NAMES.contains(&"configuring"));
}
