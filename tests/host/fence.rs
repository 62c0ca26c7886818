// SPDX-License-Identifier: GPL-2.0

//! Who is let in, and when its hello is answered.

use dst_core::fence::{enter, is_fenced, Entry, Peer, Session};

fn session(id: u8, connection: u16, incarnation: u64, write: bool) -> Session {
    Session {
        id: [id; 16],
        connection,
        incarnation,
        write,
    }
}

fn peer(session: Session) -> Peer {
    Peer {
        session: Some(session),
        ending: false,
        drained: false,
    }
}

fn ending(session: Session) -> Peer {
    Peer {
        ending: true,
        ..peer(session)
    }
}

fn drained(session: Session) -> Peer {
    Peer {
        drained: true,
        ..ending(session)
    }
}

/// What becomes of the hello, and which places are closed.
fn hello(new: Session, shared: bool, others: &[Peer]) -> (Entry, Vec<usize>) {
    let mut closed = Vec::new();
    let others = others.iter().copied();
    let entry = enter(&new, shared, others, |place| closed.push(place));
    (entry, closed)
}

fn fenced(own: Session, others: &[Peer]) -> bool {
    is_fenced(&own, others.iter().copied())
}

#[test]
fn earlier_incarnations_of_the_connection_are_closed() {
    let new = session(1, 0, 5, true);
    let silent = Peer {
        session: None,
        ending: false,
        drained: false,
    };
    let others = [
        peer(session(1, 0, 3, true)),
        peer(session(1, 1, 9, true)),
        silent,
        ending(session(1, 0, 4, true)),
        drained(session(1, 0, 8, true)),
    ];
    assert_eq!(hello(new, false, &others), (Entry::Entered, vec![0, 3]));
    // Other connections of the session have fences of their own.
    assert!(!fenced(new, &others));
    assert!(!fenced(new, &others[1..]));
    assert!(fenced(new, &others[4..]));
    assert!(fenced(new, &others[1..2]));
}

#[test]
fn a_hello_that_comes_late_is_refused() {
    let new = session(1, 0, 5, true);
    for incarnation in [5, 6] {
        let other = peer(session(1, 0, incarnation, true));
        assert_eq!(hello(new, true, &[other]), (Entry::Superseded, vec![]));
    }
    // What comes after it is not waited for.
    assert!(fenced(new, &[peer(session(1, 0, 6, true))]));
}

#[test]
fn one_session_writes() {
    let (new, old) = (session(2, 0, 1, true), session(1, 0, 1, true));
    let reader = session(3, 0, 1, false);
    let entry = |others: &[Peer]| hello(new, false, others).0;
    assert_eq!(entry(&[peer(reader), peer(old)]), Entry::Busy(1));
    assert_eq!(entry(&[ending(old)]), Entry::Wait);
    assert_eq!(entry(&[drained(old)]), Entry::Entered);
    assert_eq!(entry(&[peer(reader)]), Entry::Entered);
    assert_eq!(hello(new, true, &[peer(old)]).0, Entry::Entered);
    // Where others may write, what one has left is waited for all the same.
    assert_eq!(hello(new, true, &[ending(old)]).0, Entry::Wait);
    assert_eq!(hello(reader, true, &[ending(old)]).0, Entry::Entered);
    assert_eq!(hello(reader, false, &[peer(old)]).0, Entry::Entered);
    // Another session is no reason to wait for a fence.
    assert!(fenced(new, &[peer(old)]));
}
