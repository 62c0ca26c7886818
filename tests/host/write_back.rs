// SPDX-License-Identifier: GPL-2.0

//! Flushes that have to fail because a server has lost its cache.

use dst_core::write_back::{Covers, Identity, Life, WriteBack};

const FIRST: Identity = ([1; 16], 1);
const SECOND: Identity = ([1; 16], 2);
const THIRD: Identity = ([2; 16], 2);

/// Flushes that are asked for one after the other, each after the failure before was known.
struct Node {
    write_back: WriteBack,
    era: u64,
}

impl Node {
    fn new() -> (Self, Life) {
        let mut write_back = WriteBack::new();
        let life = write_back.connected(FIRST);
        (Self { write_back, era: 1 }, life)
    }

    /// A flush is asked for.
    fn ask(&self) -> (Covers, u64) {
        (self.write_back.covers(), self.era)
    }

    /// The server has answered it.
    fn answer(&mut self, (covers, began): (Covers, u64), ok: bool) -> bool {
        let good = self.write_back.flush_ended(covers, ok, began, self.era) && ok;
        self.era += u64::from(!good);
        good
    }

    fn flush(&mut self) -> bool {
        let flush = self.ask();
        self.answer(flush, true)
    }
}

#[test]
fn a_loss_is_told_once() {
    let (mut node, life) = Node::new();
    node.write_back.write_ended(life);
    node.write_back.connected(SECOND);
    assert!(!node.flush());
    assert!(node.flush());
    node.write_back.connected(THIRD);
    assert!(node.flush());
}

#[test]
fn what_is_stable_is_not_lost() {
    let (mut node, life) = Node::new();
    assert_eq!(node.write_back.connected(FIRST), life);
    node.write_back.write_ended(life);
    assert!(node.flush());
    assert_ne!(node.write_back.connected(SECOND), life);
    assert!(node.flush());
}

#[test]
fn a_flush_covers_what_had_ended_before() {
    let (mut node, life) = Node::new();
    node.write_back.write_ended(life);
    let flush = node.ask();
    node.write_back.write_ended(life);
    assert!(node.answer(flush, true));
    node.write_back.connected(SECOND);
    assert!(!node.flush());
}

#[test]
fn a_flush_that_has_failed_covers_nothing() {
    let (mut node, life) = Node::new();
    node.write_back.write_ended(life);
    let flush = node.ask();
    assert!(!node.answer(flush, false));
    node.write_back.connected(SECOND);
    assert!(!node.flush());
}

#[test]
fn flushes_that_are_under_way_fail_too() {
    let (mut node, life) = Node::new();
    node.write_back.write_ended(life);
    let flushes = [node.ask(), node.ask(), node.ask()];
    node.write_back.connected(SECOND);
    for flush in flushes {
        assert!(!node.answer(flush, true));
    }
    assert!(node.flush());
}

#[test]
fn a_flush_that_covers_a_part_does_not_tell_of_all() {
    let (mut node, life) = Node::new();
    node.write_back.write_ended(life);
    let flush = node.ask();
    node.write_back.write_ended(life);
    node.write_back.connected(SECOND);
    assert!(!node.answer(flush, true));
    // The caller of this one relies on the second write.
    assert!(!node.flush());
    assert!(node.flush());
}

#[test]
fn a_flush_of_which_nothing_is_known_does_not_tell() {
    let (mut node, life) = Node::new();
    node.write_back.write_ended(life);
    node.write_back.connected(SECOND);
    let (_, began) = node.ask();
    assert!(!node.answer((Covers::NOTHING, began), true));
    assert!(!node.flush());
    assert!(node.flush());
    node.write_back.connected(THIRD);
    assert!(node.answer((Covers::NOTHING, node.era), true));
}

#[test]
fn an_answer_of_a_server_that_is_gone_counts_as_lost() {
    let (mut node, life) = Node::new();
    let now = node.write_back.connected(SECOND);
    node.write_back.write_ended(now);
    assert!(node.flush());
    node.write_back.write_ended(life);
    assert!(!node.flush());
    assert!(node.flush());
}

/// A flush that was sent again does not stand for one that was sent since.
#[test]
fn a_flush_that_is_sent_again_covers_what_it_did() {
    let (mut node, life) = Node::new();
    let again = node.ask();
    node.write_back.write_ended(life);
    let second = node.write_back.connected(SECOND);
    assert!(!node.flush());
    node.write_back.write_ended(second);
    let later = node.ask();
    assert!(!node.answer(again, true));
    node.write_back.connected(THIRD);
    assert!(!node.answer(later, true));
}
