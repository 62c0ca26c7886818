// SPDX-License-Identifier: GPL-2.0

//! Every row of the truth table of the options of 2007.

use crate::fake::{situation, Fault, Point};
use dst_cli::error::errno::ECONNREFUSED;

const DOCUMENT: &str = include_str!("../../Documentation/admin/command-line.md");

struct Row {
    number: usize,
    before: String,
    words: Vec<String>,
    operations: Vec<String>,
    code: i32,
    text: String,
}

/// The texts between backquotes.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(ToString::to_string)
        .collect()
}

fn rows() -> Vec<Row> {
    let (_, table) = DOCUMENT.split_once("<!-- truth table: begin -->").unwrap();
    let (table, _) = table.split_once("<!-- truth table: end -->").unwrap();
    let mut rows = Vec::new();
    for line in table.trim().lines().skip(2) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [number, before, command, operations, outcome] = match cells[..] {
            [a, b, c, d, e] => [a, b, c, d, e],
            // An empty cell in the middle loses one of its spaces.
            [a, b, c, d] => {
                let (operations, outcome) = d.split_once("| ").unwrap_or(("", d));
                [a, b, c, operations, outcome]
            }
            _ => panic!("not a row of the truth table: {line}"),
        };
        let command = quoted(command).concat();
        let words: Vec<String> = command
            .split_whitespace()
            .skip(1)
            .map(ToString::to_string)
            .collect();
        let outcome = outcome.trim_start_matches('|').trim();
        let (code, text) = outcome.split_once(' ').unwrap_or((outcome, ""));
        rows.push(Row {
            number: number.parse().unwrap(),
            before: before.to_string(),
            words,
            operations: quoted(operations),
            code: code
                .parse()
                .unwrap_or_else(|_| panic!("no exit code in: {line}")),
            text: quoted(text).concat(),
        });
    }
    rows
}

#[test]
fn every_row_of_the_truth_table() {
    let rows = rows();
    assert!(rows.len() >= 91, "only {} rows were read", rows.len());
    let mut wrong = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        assert_eq!(row.number, i + 1, "rows are numbered without gaps");
        assert!(
            !row.text.is_empty(),
            "row {} tells nothing of the outcome",
            row.number
        );
        let machine = situation(&row.before);
        let outcome = machine.run_words(&row.words);
        let operations = machine.taken();
        let printed = format!("{}{}", outcome.out, outcome.err);
        if outcome.code != row.code || operations != row.operations || !printed.contains(&row.text)
        {
            wrong.push(format!(
                "row {}: dst {}\n  wanted {} {:?} {:?}\n  had    {} {:?}\n{printed}",
                row.number,
                row.words.join(" "),
                row.code,
                row.text,
                row.operations,
                outcome.code,
                operations
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_refused_combination_changes_nothing_and_says_where_help_is() {
    for row in rows().iter().filter(|row| row.code == 2) {
        let machine = situation(&row.before);
        let outcome = machine.run_words(&row.words);
        assert!(machine.kernel().asked.is_empty(), "row {}", row.number);
        assert!(
            outcome.out.is_empty(),
            "row {}: {}",
            row.number,
            outcome.out
        );
        assert!(!outcome.err.is_empty());
    }
}

#[test]
fn the_five_commands_of_2007_form_a_storage() {
    let machine = situation("nothing");
    for line in [
        "-n storage -A alg_linear -f /dev/dst -a kano -p 1025",
        "-n storage -A alg_linear -f /dev/dst -a uganda -p 1025",
        "-n storage -A alg_linear -f /dev/dst -d /dev/sdc -R",
    ] {
        let outcome = machine.run(line);
        assert_eq!(outcome.code, 0, "{line}: {}", outcome.err);
    }
    let outcome = machine.run("status storage");
    assert!(
        outcome
            .out
            .contains("storage: running, /dev/dst, 2403 sectors"),
        "{}",
        outcome.out
    );
    assert_eq!(machine.run("-n storage -D").code, 0);
    assert_eq!(machine.run("status").out, "no storages\n");
    let rows = machine.taken();
    assert_eq!(rows.len(), 6, "{rows:?}");
}

#[test]
fn a_last_node_that_does_not_start_is_taken_back() {
    let machine = situation("forming");
    machine.kernel().faults.push(Fault {
        operation: "storage-start",
        errno: ECONNREFUSED,
        message: Some("node 3 at 192.168.4.80:1030: connection refused"),
        point: Point::Nowhere,
    });
    let outcome = machine.run("-n storage -a kano -p 1030 -R");
    assert_eq!(outcome.code, 7);
    assert_eq!(
        machine.taken(),
        [
            "node-add storage=storage kind=remote address=192.168.4.80:1030",
            "storage-start name=storage",
            "node-del storage=storage index=3",
        ]
    );
    assert!(
        outcome.err.contains("the node is removed again"),
        "{}",
        outcome.err
    );
    assert!(
        outcome.err.contains("hint: nothing listens there"),
        "{}",
        outcome.err
    );
    assert_eq!(machine.kernel().storages[0].nodes.len(), 3);
}
