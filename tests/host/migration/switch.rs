// SPDX-License-Identifier: GPL-2.0

//! The switch, and everything that can stand in its way.

use super::*;

/// One that is about to flush, with nothing under way.
fn flushing() -> Machine {
    let mut machine = complete(2);
    assert!(machine.switch());
    machine
}

/// The flushes of both devices.
fn flushes(machine: &mut Machine) -> [Task; 2] {
    let (new, old) = (machine.next_step().unwrap(), machine.next_step().unwrap());
    assert_eq!((new.step, old.step), (Step::FlushNew, Step::FlushOld));
    assert_eq!(machine.next_step(), None);
    [new, old]
}

/// One that is about to record.
fn recording() -> Machine {
    let mut machine = flushing();
    for task in flushes(&mut machine) {
        machine.done(task, Outcome::Done);
    }
    assert_eq!(machine.phase(), Phase::Recording);
    machine
}

/// One whose new device is about to take over.
fn taking_over() -> Machine {
    let mut machine = recording();
    step(&mut machine, Step::Record, Outcome::Done);
    assert_eq!(machine.phase(), Phase::TakingOver);
    machine
}

#[test]
fn all_the_way() {
    let mut machine = complete(2);
    let under_way = goes(&mut machine, write(0), Route::Both);
    assert!(machine.switch());
    assert!(!machine.switch(), "once");
    for what in [What::Read, What::Flush, write(1)] {
        assert_eq!(machine.admit(what), Admission::Wait);
    }
    assert_eq!(machine.next_step(), None, "one is under way");
    machine.answered(under_way, Side::New, true);
    machine.answered(under_way, Side::Old, true);
    let [new, old] = flushes(&mut machine);
    machine.done(old, Outcome::Done);
    assert_eq!(machine.phase(), Phase::Flushing);
    assert_eq!(machine.next_step(), None);
    machine.done(new, Outcome::Done);
    for (now, next) in [
        (Step::Record, Phase::TakingOver),
        (Step::TakeOver, Phase::Telling),
    ] {
        assert_eq!(machine.admit(What::Read), Admission::Wait);
        step(&mut machine, now, Outcome::Done);
        assert_eq!(machine.phase(), next);
    }
    // From here on the new device is used, and no request is of concern here.
    for (now, next) in [(Step::Tell, Phase::Settling), (Step::Settle, Phase::Moved)] {
        assert_eq!(machine.admit(write(0)), Admission::Go(None, Route::New));
        assert!(!machine.is_over());
        step(&mut machine, now, Outcome::Done);
        assert_eq!(machine.phase(), next);
    }
    assert_eq!(machine.admit(write(0)), Admission::Go(None, Route::New));
    assert!(machine.is_over());
    assert_eq!(machine.next_step(), None);
}

#[test]
fn only_what_is_complete_is_switched() {
    let mut machine = prepared(2, 1, 4);
    assert!(!machine.switch());
    copy_all(&mut machine);
    machine.pause();
    assert!(!machine.switch());
    machine.resume();
    machine.detach();
    assert!(!machine.switch());
    machine.attach();
    assert!(machine.switch());
}

#[test]
fn a_write_that_fails_meanwhile_is_copied_first() {
    let mut machine = complete(2);
    let failed = goes(&mut machine, write(1), Route::Both);
    assert!(machine.switch());
    machine.answered(failed, Side::New, true);
    machine.answered(failed, Side::Old, false);
    assert_eq!(machine.next_step(), None);
    assert_eq!(machine.phase(), Phase::Copying);
    copy_all(&mut machine);
    assert!(machine.switch());
}

#[test]
fn a_preparation_that_fails() {
    for outcome in [Outcome::Refused, Outcome::Unknown] {
        let mut machine = machine(2, 1, 4);
        step(&mut machine, Step::Prepare, outcome);
        assert_eq!(machine.phase(), Phase::Ended(Reason::NotPrepared));
        assert!(machine.is_over());
    }
    let mut machine = machine(2, 1, 4);
    machine.detach();
    assert_eq!(machine.phase(), Phase::Ended(Reason::NotPrepared));
}

#[test]
fn flushes_that_fail() {
    let mut machine = flushing();
    let [new, old] = flushes(&mut machine);
    machine.done(old, Outcome::Unknown);
    assert_eq!(machine.phase(), Phase::Copying);
    assert_eq!(machine.paused(), Some(Pause::NotFlushed));
    // The other one is not waited for.
    machine.done(new, Outcome::Done);
    machine.resume();
    assert!(machine.switch());
    let [new, old] = flushes(&mut machine);
    machine.done(new, Outcome::Refused);
    assert_eq!(machine.phase(), Phase::Ended(Reason::NewFailed));
    machine.done(old, Outcome::Done);
    assert_eq!(machine.phase(), Phase::Ended(Reason::NewFailed));
}

#[test]
fn a_cache_that_is_lost_before_the_flushes_end() {
    for side in [Side::Old, Side::New] {
        let mut machine = flushing();
        let [new, old] = flushes(&mut machine);
        machine.done(new, Outcome::Done);
        machine.lost_cache(side);
        assert_eq!(machine.phase(), Phase::Copying);
        assert_eq!(machine.extents().copied(), 0);
        machine.done(old, Outcome::Done);
        assert_eq!(machine.phase(), Phase::Copying);
        // Both are flushed by then.
        let mut machine = recording();
        machine.lost_cache(side);
        assert_eq!(machine.phase(), Phase::Recording);
        assert!(machine.extents().is_complete());
    }
}

#[test]
fn a_record_that_is_refused() {
    let mut machine = recording();
    step(&mut machine, Step::Record, Outcome::Refused);
    assert_eq!(machine.phase(), Phase::Copying);
    assert_eq!(machine.paused(), Some(Pause::NotRecorded));
    goes(&mut machine, write(0), Route::Both);
}

#[test]
fn a_record_in_doubt_is_made_again() {
    let mut machine = recording();
    let first = machine.next_step().unwrap();
    machine.done(first, Outcome::Unknown);
    assert_eq!(machine.phase(), Phase::Recording);
    let second = machine.next_step().unwrap();
    assert_eq!(second.step, Step::Record);
    assert_ne!(second, first);
    // The first one is over.
    machine.done(first, Outcome::Done);
    assert_eq!(machine.phase(), Phase::Recording);
    machine.done(second, Outcome::Done);
    assert_eq!(machine.phase(), Phase::TakingOver);
}

#[test]
fn a_record_in_doubt_that_is_refused_is_taken_back() {
    let mut machine = recording();
    step(&mut machine, Step::Record, Outcome::Unknown);
    step(&mut machine, Step::Record, Outcome::Refused);
    assert_eq!(machine.phase(), Phase::Revoking);
    assert_eq!(machine.paused(), Some(Pause::NotRecorded));
    // Until it is known to be taken back.
    for outcome in [Outcome::Unknown, Outcome::Refused] {
        assert_eq!(machine.admit(What::Read), Admission::Wait);
        step(&mut machine, Step::Revoke, outcome);
        assert_eq!(machine.phase(), Phase::Revoking);
    }
    step(&mut machine, Step::Revoke, Outcome::Done);
    assert_eq!(machine.phase(), Phase::Copying);
}

#[test]
fn a_migration_that_is_given_up_while_it_is_recorded() {
    let ended = Phase::Ended(Reason::Cancelled);
    // Nothing is asked for yet.
    let mut machine = recording();
    assert!(machine.give_up(Reason::Cancelled));
    assert_eq!(machine.phase(), ended);
    for outcome in [Outcome::Done, Outcome::Unknown] {
        let mut machine = recording();
        let task = machine.next_step().unwrap();
        assert!(machine.give_up(Reason::Cancelled));
        assert_eq!(machine.phase(), Phase::Recording, "it is under way");
        machine.done(task, outcome);
        assert_eq!(machine.phase(), Phase::Revoking);
        step(&mut machine, Step::Revoke, Outcome::Done);
        assert_eq!(machine.phase(), ended);
    }
    let mut machine = recording();
    let task = machine.next_step().unwrap();
    assert!(machine.give_up(Reason::Cancelled));
    machine.done(task, Outcome::Refused);
    assert_eq!(machine.phase(), ended, "nothing was done");
    // In doubt, and nothing is under way.
    let mut machine = recording();
    step(&mut machine, Step::Record, Outcome::Unknown);
    assert!(machine.give_up(Reason::Cancelled));
    assert_eq!(machine.phase(), Phase::Revoking);
}

#[test]
fn an_end_stays_one() {
    let mut machine = recording();
    let task = machine.next_step().unwrap();
    assert!(machine.give_up(Reason::Cancelled));
    machine.detach();
    machine.done(task, Outcome::Done);
    let task = machine.next_step().unwrap();
    machine.detach();
    machine.done(task, Outcome::Done);
    assert_eq!(machine.phase(), Phase::Ended(Reason::Cancelled));
}

#[test]
fn a_new_device_that_is_away_when_the_old_one_is_told() {
    let mut machine = recording();
    let task = machine.next_step().unwrap();
    machine.detach();
    machine.done(task, Outcome::Done);
    step(&mut machine, Step::Revoke, Outcome::Done);
    assert_eq!((machine.phase(), machine.is_away()), (Phase::Copying, true));
    goes(&mut machine, write(0), Route::Old);
    assert_eq!(machine.extents().copied(), 1);
}

#[test]
fn there_is_no_way_back_when_the_new_device_may_have_taken_over() {
    // It was not asked.
    let mut machine = taking_over();
    assert!(machine.give_up(Reason::Cancelled));
    assert_eq!(machine.phase(), Phase::Revoking);
    // It was.
    let mut machine = taking_over();
    let task = machine.next_step().unwrap();
    assert!(!machine.give_up(Reason::Cancelled));
    machine.detach();
    assert!(!machine.is_away());
    machine.done(task, Outcome::Unknown);
    assert!(!machine.give_up(Reason::Cancelled));
    // It may have done it the first time.
    step(&mut machine, Step::TakeOver, Outcome::Refused);
    assert_eq!(machine.phase(), Phase::TakingOver);
    assert_eq!(machine.admit(What::Read), Admission::Wait);
    step(&mut machine, Step::TakeOver, Outcome::Done);
    assert_eq!(machine.phase(), Phase::Telling);
    for next in [Step::Tell, Step::Settle] {
        assert!(!machine.give_up(Reason::Cancelled));
        step(&mut machine, next, Outcome::Unknown);
        step(&mut machine, next, Outcome::Refused);
        step(&mut machine, next, Outcome::Done);
    }
    assert_eq!(machine.phase(), Phase::Moved);
    assert!(!machine.give_up(Reason::Cancelled));
}

#[test]
fn a_new_device_that_refuses_to_take_over() {
    let mut machine = taking_over();
    step(&mut machine, Step::TakeOver, Outcome::Refused);
    assert_eq!(machine.phase(), Phase::Revoking);
    step(&mut machine, Step::Revoke, Outcome::Done);
    assert_eq!(machine.phase(), Phase::Ended(Reason::NotPrepared));
}

#[test]
fn another_owner() {
    let mut made = [machine(2, 1, 4), recording(), taking_over()];
    for machine in &mut made {
        let task = machine.next_step().unwrap();
        machine.done(task, Outcome::Fenced);
        assert_eq!(machine.phase(), Phase::Lost);
        assert_eq!(machine.admit(What::Read), Admission::Lost);
        assert!(machine.is_over());
        machine.lost_cache(Side::Old);
        machine.detach();
        assert!(!machine.give_up(Reason::Cancelled));
        assert_eq!((machine.phase(), machine.next_step()), (Phase::Lost, None));
    }
    // Also of a step that is not waited for any more.
    let mut machine = flushing();
    let [new, old] = flushes(&mut machine);
    machine.done(old, Outcome::Unknown);
    machine.done(new, Outcome::Fenced);
    assert_eq!(machine.phase(), Phase::Lost);
}

#[test]
fn who_is_used_and_when_a_loss_matters() {
    let mut machine = machine(2, 1, 4);
    assert_eq!(machine.used(), [true, false]);
    assert!(machine.lost_cache(Side::New));
    step(&mut machine, Step::Prepare, Outcome::Done);
    assert_eq!(machine.used(), [true, true]);
    machine.detach();
    assert_eq!(machine.used(), [true, false], "its table may stay full");
    machine.attach();
    copy_all(&mut machine);
    assert!(machine.switch());
    let [new, old] = flushes(&mut machine);
    assert!(machine.lost_cache(Side::Old));
    machine.done(new, Outcome::Done);
    machine.done(old, Outcome::Done);
    assert_eq!(machine.phase(), Phase::Copying);
    copy_all(&mut machine);
    assert!(machine.switch());
    let [new, old] = flushes(&mut machine);
    machine.done(new, Outcome::Done);
    machine.done(old, Outcome::Done);
    assert!(!machine.lost_cache(Side::New), "both are flushed");
    step(&mut machine, Step::Record, Outcome::Done);
    step(&mut machine, Step::TakeOver, Outcome::Done);
    assert_eq!(machine.phase(), Phase::Telling);
    assert_eq!(machine.used(), [false, true]);
    assert!(!machine.lost_cache(Side::New), "it has to be told");
}

/// A flush that fails at a server is the end of its cache's life, which is seen first.
#[test]
fn a_flush_that_fails_with_its_cache_does_not_begin_anew() {
    let mut machine = flushing();
    let [new, _] = flushes(&mut machine);
    assert!(machine.lost_cache(Side::New));
    assert_eq!(machine.phase(), Phase::Copying);
    machine.done(new, Outcome::Unknown);
    assert_eq!(machine.phase(), Phase::Copying);
    machine.flush_failed(Side::New);
    assert_eq!(machine.phase(), Phase::Ended(Reason::NewFailed));

    let mut machine = flushing();
    flushes(&mut machine);
    assert!(machine.lost_cache(Side::Old));
    machine.flush_failed(Side::Old);
    assert_eq!(machine.phase(), Phase::Copying);
    assert_eq!(machine.paused(), Some(Pause::NotFlushed));

    // Too late to matter.
    let mut machine = recording();
    machine.flush_failed(Side::New);
    assert_eq!(machine.phase(), Phase::Recording);
}
