// SPDX-License-Identifier: GPL-2.0

//! Copies, and requests beside them.

use super::*;

#[test]
fn the_way_of_a_copy() {
    for (old, new, feature) in [
        (false, true, true),
        (true, false, true),
        (true, true, false),
    ] {
        assert_eq!(Way::first(old, new, feature), Way::Through);
    }
    assert_eq!(Way::first(true, true, true), Way::Direct);
}

#[test]
fn nothing_is_copied_before_the_label_is_there() {
    let mut machine = machine(2, 1, 4);
    assert_eq!(machine.phase(), Phase::Preparing);
    assert_eq!(machine.extents().copied(), 0, "what was in the memory");
    assert_eq!(machine.copy(), None);
    goes(&mut machine, write(0), Route::Old);
    goes(&mut machine, What::Flush, Route::Old);
}

#[test]
fn extents_are_copied_one_after_the_other() {
    let mut machine = prepared(3, 2, 4);
    let first = machine.copy().unwrap();
    assert_eq!((first.first, first.sectors), (0, 8));
    assert_eq!(first.way, Way::Through);
    let second = machine.copy().unwrap();
    assert_eq!(second.first, 8);
    assert_eq!(machine.copy(), None, "two at once");
    machine.copied(second.ticket, Copied::Done);
    let third = machine.copy().unwrap();
    assert_eq!(third.first, 16);
    assert!(machine.wants(first.ticket));
    machine.copied(first.ticket, Copied::Done);
    assert!(!machine.wants(first.ticket));
    // Once is enough.
    machine.copied(first.ticket, Copied::WriteFailed);
    machine.copied(third.ticket, Copied::Done);
    assert!(machine.extents().is_complete());
    assert_eq!(machine.copy(), None);
    assert_eq!(machine.phase(), Phase::Copying);
}

#[test]
fn a_write_waits_for_the_copy_of_its_extent() {
    let mut machine = prepared(3, 1, 4);
    let copy = machine.copy().unwrap();
    assert_eq!(machine.admit(write(0)), Admission::Wait);
    assert_eq!(machine.admit(What::Change(4, 8)), Admission::Wait);
    goes(&mut machine, write(1), Route::Old);
    goes(&mut machine, What::Read, Route::Old);
    goes(&mut machine, What::Flush, Route::Both);
    machine.copied(copy.ticket, Copied::Done);
    goes(&mut machine, write(0), Route::Both);
}

#[test]
fn a_copy_waits_for_the_writes_that_are_under_way() {
    let mut machine = prepared(2, 1, 4);
    let under_way = goes(&mut machine, What::Change(6, 4), Route::Old);
    assert_eq!(machine.copy(), None);
    // No other one begins there, so that it comes to an end.
    assert_eq!(machine.admit(write(0)), Admission::Wait);
    assert_eq!(machine.answered(under_way, Side::Old, true), Some(true));
    assert_eq!(machine.copy().map(|copy| copy.first), Some(0));
    assert_eq!(machine.admit(write(0)), Admission::Wait);
}

#[test]
fn a_write_that_touches_what_is_copied_goes_to_both() {
    let mut machine = prepared(3, 1, 8);
    let copy = machine.copy().unwrap();
    machine.copied(copy.ticket, Copied::Done);
    let across = goes(&mut machine, What::Change(7, 2), Route::Both);
    // What overlaps it could be carried out in another order there.
    assert_eq!(machine.admit(What::Change(8, 1)), Admission::Wait);
    assert_eq!(machine.admit(What::Change(0, 8)), Admission::Wait);
    goes(&mut machine, What::Change(9, 1), Route::Old);
    goes(&mut machine, What::Change(9, 1), Route::Old);
    assert_eq!(machine.answered(across, Side::Old, true), None);
    assert_eq!(machine.answered(across, Side::Old, true), None, "twice");
    assert_eq!(machine.admit(What::Change(0, 8)), Admission::Wait);
    assert_eq!(machine.answered(across, Side::New, true), Some(true));
    goes(&mut machine, What::Change(0, 8), Route::Both);
    assert_eq!(machine.answered(across, Side::New, true), None, "later");
}

#[test]
fn a_write_to_the_old_device_alone_is_followed_by_none_to_both() {
    let mut machine = prepared(3, 1, 8);
    let copy = machine.copy().unwrap();
    machine.copied(copy.ticket, Copied::Done);
    let alone = goes(&mut machine, What::Change(8, 4), Route::Old);
    assert_eq!(machine.admit(What::Change(4, 8)), Admission::Wait);
    machine.answered(alone, Side::Old, true);
    goes(&mut machine, What::Change(4, 8), Route::Both);
}

#[test]
fn the_old_device_says_how_a_request_ends() {
    let mut machine = complete(2);
    let failed = goes(&mut machine, write(0), Route::Both);
    assert_eq!(machine.answered(failed, Side::Old, false), None);
    assert_eq!(machine.answered(failed, Side::New, true), Some(false));
    // Nobody knows what is there now.
    assert_eq!(machine.extents().copied(), 1);
    assert_eq!(machine.copy().map(|copy| copy.first), Some(0));
    // A flush or a read that fails changes nothing.
    let flush = goes(&mut machine, What::Flush, Route::Both);
    machine.answered(flush, Side::New, true);
    assert_eq!(machine.answered(flush, Side::Old, false), Some(false));
    let read = goes(&mut machine, What::Read, Route::Old);
    assert_eq!(machine.answered(read, Side::Old, false), Some(false));
    assert_eq!(machine.extents().copied(), 1);
}

#[test]
fn an_error_of_the_new_device_ends_the_migration() {
    let mut machine = complete(4);
    let failed = goes(&mut machine, write(0), Route::Both);
    let other = goes(&mut machine, write(1), Route::Both);
    let third = goes(&mut machine, write(2), Route::Both);
    machine.answered(other, Side::Old, true);
    machine.answered(failed, Side::New, false);
    assert_eq!(machine.phase(), Phase::Ended(Reason::NewFailed));
    assert!(!machine.is_over(), "some have not ended");
    // Whom the old device has answered ends now.
    assert_eq!(machine.take_ended(), Some((other, true)));
    assert_eq!(machine.take_ended(), None);
    assert_eq!(machine.answered(failed, Side::Old, true), Some(true));
    assert_eq!(machine.answered(third, Side::New, true), None);
    assert_eq!(machine.answered(third, Side::Old, false), Some(false));
    assert!(machine.is_over());
    assert_eq!(machine.admit(write(0)), Admission::Go(None, Route::Old));
    assert_eq!(machine.next_step(), None);
}

#[test]
fn a_request_without_a_place_waits() {
    let mut machine = prepared(4, 1, 2);
    let first = goes(&mut machine, What::Read, Route::Old);
    goes(&mut machine, write(3), Route::Old);
    assert_eq!(machine.admit(What::Read), Admission::Wait);
    machine.answered(first, Side::Old, true);
    let again = goes(&mut machine, What::Read, Route::Old);
    assert_ne!(again, first);
    assert_eq!(machine.answered(first, Side::Old, true), None);
}

#[test]
fn a_new_device_that_does_not_answer() {
    let mut machine = complete(4);
    machine.detach();
    machine.attach();
    let (told, silent) = (
        goes(&mut machine, write(0), Route::Both),
        goes(&mut machine, write(1), Route::Both),
    );
    machine.answered(told, Side::Old, true);
    machine.detach();
    assert!(machine.is_away());
    assert_eq!(machine.take_ended(), Some((told, true)));
    assert_eq!(machine.answered(silent, Side::Old, true), Some(true));
    assert_eq!(machine.answered(silent, Side::New, true), None);
    // It misses those, and what is written meanwhile.
    assert_eq!(machine.extents().copied(), 2);
    goes(&mut machine, write(2), Route::Old);
    goes(&mut machine, What::Flush, Route::Old);
    assert_eq!(machine.extents().copied(), 1);
    assert_eq!((machine.copy(), machine.switch()), (None, false));
    machine.attach();
    assert_eq!(machine.copy().map(|copy| copy.first), Some(0));
    goes(&mut machine, write(3), Route::Both);
}

#[test]
fn a_copy_that_nobody_waits_for() {
    let mut machine = prepared(2, 1, 4);
    let copy = machine.copy().unwrap();
    machine.detach();
    assert!(!machine.wants(copy.ticket));
    // Its extent is not locked any more.
    goes(&mut machine, write(0), Route::Old);
    machine.attach();
    machine.copied(copy.ticket, Copied::Done);
    assert_eq!(machine.extents().copied(), 0);
    machine.copied(copy.ticket, Copied::WriteFailed);
    assert_eq!(machine.phase(), Phase::Copying);
}

#[test]
fn what_a_lost_cache_takes_is_copied_again() {
    for side in [Side::Old, Side::New] {
        let mut machine = prepared(3, 1, 4);
        let first = machine.copy().unwrap();
        machine.copied(first.ticket, Copied::Done);
        let copy = machine.copy().unwrap();
        machine.lost_cache(side);
        assert_eq!(machine.extents().copied(), 0);
        // What is under way may have been read before. Its lock stays until it has ended.
        assert!(machine.wants(copy.ticket));
        assert_eq!(machine.admit(write(1)), Admission::Wait);
        machine.copied(copy.ticket, Copied::Done);
        assert_eq!(machine.extents().copied(), 0);
        goes(&mut machine, write(1), Route::Old);
    }
}

#[test]
fn a_pause() {
    let mut machine = prepared(3, 2, 4);
    let under_way = goes(&mut machine, write(1), Route::Old);
    let copy = machine.copy().unwrap();
    assert_eq!(machine.copy(), None, "waits for the write");
    assert_eq!(machine.admit(write(1)), Admission::Wait);
    machine.pause();
    assert_eq!(machine.paused(), Some(Pause::Asked));
    // It waits no more, and nobody waits for it.
    goes(&mut machine, write(1), Route::Old);
    machine.answered(under_way, Side::Old, true);
    assert_eq!(machine.copy(), None);
    // What is under way is finished.
    machine.copied(copy.ticket, Copied::Done);
    assert_eq!(machine.extents().copied(), 1);
    machine.resume();
    assert_eq!(machine.paused(), None);
    assert_eq!(machine.copy().map(|copy| copy.first), Some(16));
}

#[test]
fn a_sector_that_cannot_be_read() {
    let mut machine = prepared(3, 1, 4);
    let copy = machine.copy().unwrap();
    machine.copied(copy.ticket, Copied::Done);
    let copy = machine.copy().unwrap();
    machine.copied(copy.ticket, Copied::ReadFailed);
    assert_eq!(machine.paused(), Some(Pause::Unreadable(8)));
    assert_eq!(machine.phase(), Phase::Copying);
    machine.resume();
    // The others first.
    assert_eq!(machine.copy().map(|copy| copy.first), Some(16));
}

#[test]
fn a_device_that_cannot_be_written() {
    let mut machine = prepared(3, 1, 4);
    let copy = machine.copy().unwrap();
    machine.copied(copy.ticket, Copied::WriteFailed);
    assert_eq!(machine.phase(), Phase::Ended(Reason::NewFailed));
    assert_eq!(machine.copy(), None);
    assert!(machine.is_over());
}

#[test]
fn what_is_refused_directly_goes_through_the_owner() {
    let extents = Extents::new(vec![0; 1], 16, 3).unwrap();
    let mut machine = Machine::new(
        extents,
        vec![Copying::FREE; 1],
        vec![Request::FREE; 1],
        Way::Direct,
    );
    step(&mut machine, Step::Prepare, Outcome::Done);
    let copy = machine.copy().unwrap();
    assert_eq!(copy.way, Way::Direct);
    machine.copied(copy.ticket, Copied::Refused);
    assert_eq!(machine.extents().copied(), 0);
    let way = |machine: &mut Machine| {
        let copy = machine.copy().unwrap();
        machine.copied(copy.ticket, Copied::Done);
        (copy.first, copy.way)
    };
    let found = [way(&mut machine), way(&mut machine)];
    assert_eq!(found, [(8, Way::Through), (0, Way::Through)]);
    machine.lost_cache(Side::New);
    assert!(machine.try_again() && !machine.try_again());
    assert_eq!(machine.copy().unwrap().way, Way::Direct);
}

#[test]
fn one_extent_alone_is_copied_directly_until_that_has_worked() {
    let extents = Extents::new(vec![0; 1], 64, 3).unwrap();
    let mut machine = Machine::new(
        extents,
        vec![Copying::FREE; 3],
        vec![Request::FREE; 1],
        Way::Direct,
    );
    step(&mut machine, Step::Prepare, Outcome::Done);
    let ways = |machine: &mut Machine| {
        let copies: Vec<Copy> = std::iter::from_fn(|| machine.copy()).collect();
        let ways: Vec<Way> = copies.iter().map(|copy| copy.way).collect();
        (copies, ways)
    };
    let (copies, found) = ways(&mut machine);
    assert_eq!(found, [Way::Direct, Way::Through, Way::Through]);
    // What goes through the owner says nothing of the other way.
    machine.copied(copies[1].ticket, Copied::Done);
    assert!(!machine.is_direct());
    assert_eq!(ways(&mut machine).1, [Way::Through]);
    machine.copied(copies[0].ticket, Copied::Left);
    let (again, found) = ways(&mut machine);
    assert_eq!(found, [Way::Direct]);
    machine.copied(again[0].ticket, Copied::Done);
    assert!(machine.is_direct());
    machine.copied(copies[2].ticket, Copied::Done);
    let (copies, found) = ways(&mut machine);
    assert_eq!(found, [Way::Direct; 2]);
    machine.copied(copies[0].ticket, Copied::Refused);
    machine.copied(copies[1].ticket, Copied::Done);
    assert!(!machine.is_direct() && machine.way() == Way::Through);
    assert_eq!(ways(&mut machine).1[0], Way::Through);
}

#[test]
fn what_is_left_is_for_later() {
    let mut machine = prepared(2, 1, 4);
    let copy = machine.copy().unwrap();
    let write = What::Change(copy.first, 1);
    assert_eq!(machine.admit(write), Admission::Wait);
    machine.copied(copy.ticket, Copied::Left);
    assert!(!machine.wants(copy.ticket));
    assert_eq!(machine.extents().copied(), 0);
    assert_eq!(machine.paused(), None);
    let Admission::Go(Some(ticket), Route::Old) = machine.admit(write) else {
        panic!("nothing waits for it any more");
    };
    assert_eq!(machine.answered(ticket, Side::Old, true), Some(true));
    copy_all(&mut machine);
    assert!(machine.extents().is_complete());
}
