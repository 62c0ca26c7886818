// SPDX-License-Identifier: GPL-2.0

//! Flushes that have to fail because a server has lost its cache.

use dst_core::write_back::{Endings, Identity, Life, Moment, Promise, Verdict, WriteBack};

const FIRST: Identity = ([1; 16], 1);
const SECOND: Identity = ([1; 16], 2);
const THIRD: Identity = ([2; 16], 2);

/// A storage with one node. Flushes tell their callers at once, unless a test says otherwise.
struct Node {
    write_back: WriteBack,
    endings: Endings,
    writes: u64,
}

impl Node {
    fn new() -> (Self, Life) {
        let mut write_back = WriteBack::new();
        let life = write_back.connected(FIRST);
        let node = Self {
            write_back,
            endings: Endings::new(),
            writes: 0,
        };
        (node, life)
    }

    fn write_ended(&mut self, life: Life) {
        self.writes += 1;
        self.write_back
            .write_ended(life, Moment::after(self.writes));
    }

    /// A flush is asked for.
    fn ask(&self) -> Promise {
        self.endings.promise(Moment::after(self.writes))
    }

    /// The server has answered it.
    fn answer(&mut self, promise: Promise, ok: bool) -> bool {
        let verdict = self.write_back.flush_ended(promise.covers, ok);
        let tells = verdict == Verdict::Tells;
        if tells {
            self.endings.tells();
        }
        let good = ok && verdict == Verdict::Sound && self.endings.holds(&promise);
        if !good {
            self.endings.failed(tells);
        }
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
    node.write_ended(life);
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
    node.write_ended(life);
    assert!(node.flush());
    assert_ne!(node.write_back.connected(SECOND), life);
    assert!(node.flush());
}

#[test]
fn a_flush_of_another_cache_makes_nothing_stable() {
    let (mut node, life) = Node::new();
    node.write_ended(life);
    let now = Moment::after(node.writes);
    // The server was started again, and nobody here has noticed.
    assert!(!node.write_back.flushed_beside(SECOND, now));
    assert!(node.write_back.is_at_risk());
    node.write_back.connected(SECOND);
    assert!(!node.flush());
    assert!(node.flush());
    node.write_ended(node.write_back.life());
    let now = Moment::after(node.writes);
    assert!(node.write_back.flushed_beside(SECOND, now));
    node.write_back.connected(THIRD);
    assert!(node.flush());
}

#[test]
fn a_failed_flush_tells_of_what_it_covers() {
    let (mut node, life) = Node::new();
    node.write_ended(life);
    let flush = node.ask();
    assert!(node.write_back.answered(SECOND.1));
    assert!(!node.write_back.answered(SECOND.1));
    assert!(!node.answer(flush, false));
    // It is not told again, neither by a flush nor by a connection that is made then.
    assert!(node.flush());
    let life = node.write_back.life();
    assert_eq!(node.write_back.connected(SECOND), life);
    node.write_ended(life);
    assert!(node.flush());
    assert!(!node.write_back.is_at_risk());
}

#[test]
fn a_failed_flush_leaves_the_rest_to_the_next() {
    let (mut node, life) = Node::new();
    node.write_ended(life);
    let flush = node.ask();
    // What ends while it is under way is in the cache that is lost, perhaps.
    node.write_ended(life);
    assert!(node.write_back.answered(SECOND.1));
    assert!(!node.answer(flush, false));
    assert!(!node.flush());
    assert!(node.flush());
    // As is what was sent before its answer came, and ends later.
    node.write_ended(life);
    assert!(!node.flush());
    assert!(node.flush());
}

#[test]
fn a_cache_that_had_nothing_is_no_loss() {
    let (mut node, life) = Node::new();
    node.write_ended(life);
    assert!(node.flush());
    let flush = node.ask();
    assert!(node.write_back.answered(SECOND.1));
    assert!(node.answer(flush, true));
}

#[test]
fn a_hello_that_is_late_is_not_believed() {
    let (mut node, before) = Node::new();
    assert!(node.write_back.answered(SECOND.1));
    let after = node.write_back.life();
    // One that was on its way, and one that has asked since.
    assert!(!node.write_back.may_be(FIRST, before));
    assert!(node.write_back.may_be(FIRST, after));
    assert!(node.write_back.may_be(SECOND, before));
    assert!(!node.write_back.may_be(THIRD, before));
    assert!(node.write_back.may_be(THIRD, after));
}

#[test]
fn who_says_nothing_of_a_cache_has_the_same() {
    let mut write_back = WriteBack::new();
    assert!(!write_back.answered(7));
    let (mut node, life) = Node::new();
    assert!(!node.write_back.answered(0));
    assert!(!node.write_back.answered(FIRST.1));
    assert_eq!(node.write_back.life(), life);
    assert!(node.write_back.is_of(&FIRST.0) && !node.write_back.is_of(&THIRD.0));
}

#[test]
fn what_fails_in_silence_is_told_by_those_that_are_asked_since() {
    let mut endings = Endings::new();
    let before = endings.promise(Moment::BEFORE_ALL);
    let since = endings.failed_in_silence();
    let after = endings.promise(Moment::BEFORE_ALL);
    assert!(!before.is_since(since));
    assert!(!Endings::unknown().is_since(since));
    assert!(after.is_since(since));
    // Nobody else has to fail for it.
    assert!(endings.holds(&before) && endings.holds(&after));
}

#[test]
fn a_flush_covers_what_had_ended_before() {
    let (mut node, life) = Node::new();
    node.write_ended(life);
    let flush = node.ask();
    node.write_ended(life);
    assert!(node.answer(flush, true));
    node.write_back.connected(SECOND);
    assert!(!node.flush());
}

#[test]
fn a_flush_that_has_failed_covers_nothing() {
    let (mut node, life) = Node::new();
    node.write_ended(life);
    let flush = node.ask();
    assert!(!node.answer(flush, false));
    node.write_back.connected(SECOND);
    assert!(!node.flush());
}

#[test]
fn flushes_that_are_under_way_fail_too() {
    let (mut node, life) = Node::new();
    node.write_ended(life);
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
    node.write_ended(life);
    let flush = node.ask();
    node.write_ended(life);
    node.write_back.connected(SECOND);
    assert!(!node.answer(flush, true));
    // The caller of this one relies on the second write.
    assert!(!node.flush());
    assert!(node.flush());
}

#[test]
fn a_flush_of_which_nothing_is_known_does_not_tell() {
    let (mut node, life) = Node::new();
    node.write_ended(life);
    node.write_back.connected(SECOND);
    assert!(!node.answer(Endings::unknown(), true));
    assert!(!node.flush());
    assert!(node.flush());
}

#[test]
fn an_answer_of_a_server_that_is_gone_counts_as_lost() {
    let (mut node, life) = Node::new();
    let now = node.write_back.connected(SECOND);
    node.write_ended(now);
    assert!(node.flush());
    node.write_ended(life);
    assert!(!node.flush());
    assert!(node.flush());
}

/// A flush that was sent again does not stand for one that was sent since.
#[test]
fn a_flush_that_is_sent_again_covers_what_it_did() {
    let (mut node, life) = Node::new();
    let again = node.ask();
    node.write_ended(life);
    let second = node.write_back.connected(SECOND);
    assert!(!node.flush());
    node.write_ended(second);
    let later = node.ask();
    assert!(!node.answer(again, true));
    node.write_back.connected(THIRD);
    assert!(!node.answer(later, true));
}

/// What had ended before its connection was known to be of a server that is gone was covered.
#[test]
fn the_order_in_which_ends_are_noted_does_not_matter() {
    let (mut node, life) = Node::new();
    node.write_back.write_ended(life, Moment::after(2));
    node.write_back.write_ended(life, Moment::after(1));
    let mut flush = || node.write_back.flush_ended(Moment::after(2), true);
    assert_eq!(flush(), Verdict::Sound);
    assert_eq!(flush(), Verdict::Sound);
    node.write_back.connected(SECOND);
    assert_eq!(
        node.write_back.flush_ended(Moment::after(2), true),
        Verdict::Sound
    );
}

#[test]
fn flushes_fail_until_the_one_that_tells_has_told() {
    let (mut node, life) = Node::new();
    node.write_ended(life);
    node.write_back.connected(SECOND);
    let teller = node.ask();
    let verdict = node.write_back.flush_ended(teller.covers, true);
    assert_eq!(verdict, Verdict::Tells);
    node.endings.tells();
    // Something else fails meanwhile, so this one is of a later era.
    node.endings.failed(false);
    let (before, beside) = (node.ask(), node.ask());
    assert!(!node.answer(beside, true));
    node.endings.failed(true);
    assert!(!node.answer(before, true));
    assert!(node.flush());
}

/// Two nodes of a storage have lost their caches; the second loss is told later.
#[test]
fn each_loss_is_told() {
    let mut endings = Endings::new();
    let asked = endings.promise(Moment::after(1));
    endings.tells();
    endings.tells();
    endings.failed(true);
    let later = endings.promise(Moment::after(1));
    assert!(!endings.holds(&asked) && !endings.holds(&later));
    endings.failed(true);
    assert!(!endings.holds(&later));
    assert!(endings.holds(&endings.promise(Moment::after(1))));
}

/// A flush of the migration's own.
#[test]
fn a_flush_that_nobody_is_told_of() {
    let (mut node, life) = Node::new();
    assert!(!node.write_back.is_at_risk());
    node.write_ended(life);
    let before = node.ask();
    node.write_ended(life);
    node.write_back.flushed_unasked(before.covers);
    assert!(node.write_back.is_at_risk());
    node.write_back.flushed_unasked(node.ask().covers);
    assert!(!node.write_back.is_at_risk());
    node.write_back.flushed_unasked(before.covers);
    assert!(!node.write_back.is_at_risk());
    node.write_back.connected(SECOND);
    assert!(node.flush());
}

#[test]
fn a_flush_that_nobody_is_told_of_tells_nobody() {
    let (mut node, life) = Node::new();
    node.write_ended(life);
    node.write_back.connected(SECOND);
    assert!(!node.write_back.is_at_risk());
    node.write_back.flushed_unasked(node.ask().covers);
    assert!(!node.flush());
    assert!(node.flush());
}

#[test]
fn what_is_written_again_need_not_be_told() {
    let (mut node, life) = Node::new();
    node.write_ended(life);
    assert!(!node.write_back.has_untold_loss());
    let second = node.write_back.connected(SECOND);
    assert_eq!(node.write_back.life(), second);
    assert_ne!(second, life);
    assert!(node.write_back.has_untold_loss());
    node.write_back.forget();
    assert!(!node.write_back.has_untold_loss());
    assert!(node.flush());
    // The next loss is another one.
    node.write_ended(second);
    node.write_back.connected(THIRD);
    assert!(!node.flush());
}

/// What a device has of a write that has failed, or of an earlier owner, may be lost without anybody being told.
#[test]
fn a_write_that_has_failed_is_at_risk() {
    let (mut node, _) = Node::new();
    let before = node.ask();
    node.writes += 1;
    let at = Moment::after(node.writes);
    node.write_back.unsure(at);
    node.write_back.flushed_unasked(before.covers);
    assert!(node.write_back.is_at_risk());
    node.write_back.unsure(Moment::BEFORE_ALL);
    assert!(node.write_back.is_at_risk());
    node.write_back.connected(SECOND);
    assert!(!node.write_back.is_at_risk());
    assert!(node.flush());
    node.writes += 1;
    node.write_back.unsure(Moment::after(node.writes));
    assert!(node.flush());
    assert!(!node.write_back.is_at_risk());
}

/// A node moves to another device: its writes have ended at both, and the new one was flushed.
#[test]
fn the_new_device_tells_of_a_loss_at_the_old_one() {
    let (mut node, life) = Node::new();
    let mut new = WriteBack::new();
    let there = new.connected(THIRD);
    for _ in 0..2 {
        node.write_ended(life);
        new.write_ended(there, Moment::after(node.writes));
    }
    let early = node.ask();
    node.write_ended(life);
    new.write_ended(there, Moment::after(node.writes));
    node.write_back.connected(SECOND);
    new.flushed_unasked(node.ask().covers);
    new.inherit(&node.write_back);
    node.write_back = new;
    // This one was asked for before the last write had ended: it tells of a part.
    assert!(!node.answer(early, true));
    assert!(!node.flush());
    assert!(node.flush());
}

#[test]
fn what_was_told_is_not_inherited() {
    let (mut node, life) = Node::new();
    let mut new = WriteBack::new();
    new.connected(THIRD);
    node.write_ended(life);
    node.write_back.connected(SECOND);
    assert!(!node.flush());
    new.inherit(&node.write_back);
    node.write_back = new;
    assert!(node.flush());
    // The later of two losses counts.
    let mut other = WriteBack::new();
    other.connected(FIRST);
    other.write_ended(life, Moment::after(1));
    other.connected(SECOND);
    let mut third = WriteBack::new();
    let early = third.connected(FIRST);
    third.connected(SECOND);
    third.write_ended(early, Moment::after(5));
    other.inherit(&third);
    assert_eq!(other.flush_ended(Moment::after(4), true), Verdict::Fails);
    third.inherit(&other);
    assert_eq!(third.flush_ended(Moment::after(4), true), Verdict::Fails);
    assert_eq!(third.flush_ended(Moment::after(5), true), Verdict::Tells);
}
