// SPDX-License-Identifier: GPL-2.0

//! The table of transactions, decision by decision. What it is worth in a world of faults is for
//! `tests/simulation`.

use dst_core::transaction::{
    Answered, Begin, Counts, Effect, Expired, Extent, Given, Link, Place, Sent, Table, Tag,
};

type Places = Vec<Place<&'static str, u8>>;

/// No answer is too late.
const EVER: u64 = u64::MAX;

struct World {
    table: Table<&'static str, u8, Places>,
    now: u64,
}

fn world(depth: usize) -> World {
    let mut places = Places::new();
    places.resize_with(depth, Place::new);
    World {
        table: Table::new(places),
        now: 0,
    }
}

fn extent(first: u64, sectors: u64, effect: Effect) -> Extent {
    Extent {
        first,
        sectors,
        effect,
    }
}

impl World {
    fn open(&mut self, connection: u16) -> Link {
        self.table.opened(connection).unwrap().0
    }

    fn lose(&mut self, link: Link) {
        self.table.lost(link, self.now, EVER);
    }

    fn begin(&mut self, name: &'static str, extent: Extent, on: u16) -> (Tag, Begin<&'static str>) {
        let tag = self.table.reserve(false).unwrap();
        let data = extent.changes();
        let begin = self.table.begin(tag, name, extent, data, on, self.now);
        (tag, begin)
    }

    fn write(&mut self, name: &'static str, first: u64, on: u16) -> (Tag, Begin<&'static str>) {
        self.begin(name, extent(first, 8, Effect::Changes), on)
    }

    fn read(&mut self, name: &'static str, first: u64, on: u16) -> (Tag, Begin<&'static str>) {
        self.begin(name, extent(first, 8, Effect::Reads), on)
    }

    /// A write that is in flight.
    fn written(&mut self, name: &'static str, first: u64, link: Link) -> Tag {
        let (tag, begin) = self.write(name, first, link.connection);
        assert_eq!(begin, Begin::Data(link, name));
        assert_eq!(self.table.sent(tag, link, name, self.now), Sent::Open);
        tag
    }

    /// What goes out on a connection now, in this order.
    fn goes(&mut self, connection: u16) -> Vec<&'static str> {
        let (mut names, mut after) = (Vec::new(), 0);
        loop {
            let mut name = "";
            let data = |_, piece: &mut &'static str| {
                name = *piece;
                false
            };
            let given = self.table.next(connection, after, data, self.now);
            let Some(Given { begin, order, .. }) = given else {
                return names;
            };
            assert!(matches!(begin, Begin::Plain(_)));
            after = order;
            names.push(name);
        }
    }

    fn ends(&mut self, tag: Tag, name: &'static str, link: Link) {
        assert_eq!(self.table.answered(tag, link), Answered::InFlight(&name));
        assert_eq!(self.table.take(tag), Some(name));
        self.table.free(tag);
    }

    fn counts(&self) -> (u32, u32, u32) {
        let Counts {
            waiting,
            exposed,
            used,
        } = self.table.counts();
        (waiting, exposed, used)
    }
}

#[test]
fn a_tag_is_recognised() {
    let mut world = world(2);
    let link = world.open(0);
    let first = world.written("first", 0, link);
    let again = Tag::from_wire(first.to_wire());
    assert_eq!((again, again.index(), again.generation()), (first, 0, 0));
    world.ends(first, "first", link);
    let second = world.written("second", 0, link);
    assert_eq!((second.index(), second.generation()), (0, 1));
    assert_eq!(world.table.answered(first, link), Answered::Stale);
    for never in [1 << 32, 2, 5 << 32] {
        let never = Tag::from_wire(never);
        assert_eq!(world.table.answered(never, link), Answered::Unknown);
    }
    // A stale tag changes nothing.
    world.table.free(first);
    assert_eq!(world.table.take(first), None);
    world.ends(second, "second", link);
    assert_eq!(world.counts(), (0, 0, 0));
}

#[test]
fn the_last_quarter_of_the_places_is_not_for_bulk() {
    let mut world = world(8);
    assert_eq!(world.table.depth(), 8);
    let bulk: Vec<_> = (0..8).map_while(|_| world.table.reserve(true)).collect();
    assert_eq!(bulk.len(), 6);
    assert!(world.table.has_room());
    let other: Vec<_> = (0..8).map_while(|_| world.table.reserve(false)).collect();
    assert_eq!(other.len(), 2);
    assert!(!world.table.has_room());
    world.table.free(bulk[0]);
    assert!(world.table.reserve(true).is_none());
    assert!(world.table.reserve(false).is_some());
    assert!(Table::<&str, u8, Places>::new(Places::new())
        .reserve(false)
        .is_none());
}

#[test]
fn what_begins_without_a_connection_goes_out_when_there_is_one() {
    let mut world = world(4);
    let (_, begin) = world.write("write", 0, 0);
    assert_eq!(begin, Begin::Waits);
    assert_eq!(world.read("read", 0, 1).1, Begin::Waits);
    assert_eq!(world.goes(0), [""; 0]);
    let link = world.open(2);
    assert!(world.table.stands(link));
    assert!(world.table.opened(2).is_none());
    assert_eq!(world.goes(2), ["write", "read"]);
    assert_eq!(world.counts(), (0, 0, 2));
}

#[test]
fn an_answer_waits_for_the_sender() {
    let mut world = world(2);
    let link = world.open(0);
    let (tag, _) = world.write("write", 0, 0);
    assert_eq!(world.table.answered(tag, link), Answered::Sending);
    assert_eq!(world.table.take(tag), None);
    world.table.early(tag, 7);
    // Nobody has to do it again, even if the connection is lost now.
    world.lose(link);
    assert_eq!(world.counts(), (0, 0, 1));
    assert_eq!(
        world.table.sent(tag, link, "write", 0),
        Sent::Ended("write", 7)
    );
    world.table.free(tag);
    assert_eq!(world.counts(), (0, 0, 0));
}

#[test]
fn an_answer_is_for_one_incarnation() {
    let mut world = world(2);
    let (link, other) = (world.open(0), world.open(1));
    let tag = world.written("write", 0, link);
    assert_eq!(world.table.answered(tag, other), Answered::Unknown);
    world.lose(link);
    assert_eq!(world.table.answered(tag, link), Answered::Unknown);
    let next = world.open(0);
    assert_eq!(world.goes(0), ["write"]);
    assert_eq!(world.table.answered(tag, link), Answered::Unknown);
    world.ends(tag, "write", next);
}

#[test]
fn an_exposed_write_waits_for_its_fence() {
    let mut world = world(8);
    let (link, other) = (world.open(0), world.open(1));
    world.written("exposed", 0, link);
    world.read("read", 0, 0);
    world.begin("flush", Extent::FLUSH, 0);
    world.lose(link);
    assert_eq!(world.counts(), (3, 1, 3));
    // A read or a flush that is carried out late does no harm.
    assert_eq!(world.goes(1), ["read", "flush"]);
    // What overlaps waits, what does not goes, and so does a read.
    assert_eq!(world.write("overlaps", 7, 1).1, Begin::Waits);
    assert_eq!(
        world.write("beside", 8 + 7, 1).1,
        Begin::Data(other, "beside")
    );
    assert_eq!(world.read("reads", 0, 1).1, Begin::Plain(other));
    // The fence of another connection is none.
    world.lose(other);
    world.open(1);
    assert_eq!(world.goes(1), ["read", "flush", "reads"]);
    world.open(0);
    assert_eq!(world.goes(0), ["exposed", "overlaps"]);
    assert_eq!(world.counts().1, 0);
}

#[test]
fn a_sender_that_is_late_is_exposed() {
    let mut world = world(4);
    let (link, _) = (world.open(0), world.open(1));
    let (sent, _) = world.write("sent", 0, 0);
    let (unsent, _) = world.write("unsent", 100, 0);
    world.lose(link);
    assert_eq!(world.counts(), (0, 2, 2));
    assert_eq!(world.write("over sent", 0, 1).1, Begin::Waits);
    assert_eq!(world.write("over unsent", 100, 1).1, Begin::Waits);
    // What was not sent whole, nobody can carry out: it goes out at once, before what it has kept back.
    assert_eq!(world.table.unsent(unsent, "unsent"), Sent::Waits);
    assert_eq!(world.goes(1), ["unsent", "over unsent"]);
    assert_eq!(world.table.sent(sent, link, "sent", 0), Sent::Waits);
    assert_eq!(world.goes(1), [""; 0]);
    world.open(0);
    assert_eq!(world.goes(0), ["sent", "over sent"]);
}

#[test]
fn what_overlaps_goes_out_in_the_order_of_admission() {
    let mut world = world(8);
    for (name, first) in [("a", 0), ("b", 4), ("c", 100), ("d", 8), ("e", 0)] {
        assert_eq!(world.write(name, first, 0).1, Begin::Waits);
    }
    world.open(0);
    assert_eq!(world.goes(0), ["a", "b", "c", "d", "e"]);
}

#[test]
fn a_ghost_keeps_everything_back_that_overlaps() {
    let mut world = world(4);
    let link = world.open(0);
    world.open(1);
    let ghost = world.written("ghost", 0, link);
    world.lose(link);
    assert_eq!(world.table.give_up(0), Some("ghost"));
    assert_eq!(world.table.give_up(0), None);
    assert_eq!(world.counts(), (0, 1, 1));
    assert_eq!(world.read("read", 0, 1).1, Begin::Waits);
    assert_eq!(world.write("write", 7, 1).1, Begin::Waits);
    assert!(matches!(world.read("beside", 8, 1).1, Begin::Plain(_)));
    let next = world.table.opened(0);
    assert_eq!(next.map(|(_, ghosts)| ghosts), Some(1));
    assert_eq!(world.goes(0), ["read", "write"]);
    assert_eq!(
        world.table.answered(ghost, next.unwrap().0),
        Answered::Stale
    );
    assert_eq!(world.counts(), (0, 0, 3));
}

#[test]
fn what_may_still_land_is_known_to_those_who_read_elsewhere() {
    let mut world = world(4);
    let link = world.open(0);
    world.open(1);
    world.written("lost", 8, link);
    // It will be answered.
    assert!(!world.table.is_exposed(0, 1000));
    world.lose(link);
    assert!(world.table.is_exposed(8, 1) && world.table.is_exposed(0, 9));
    assert!(!world.table.is_exposed(0, 8) && !world.table.is_exposed(16, 100));
    assert_eq!(world.table.give_up(0), Some("lost"));
    assert!(world.table.is_exposed(8, 1));
    // The fence of its connection.
    world.open(0);
    assert!(!world.table.is_exposed(0, 1000));
}

#[test]
fn what_was_never_sent_leaves_no_ghost() {
    let mut world = world(1);
    world.write("write", 0, 0);
    assert_eq!(world.table.give_up(0), Some("write"));
    assert_eq!(world.counts(), (0, 0, 0));
    assert!(world.table.has_room());
}

#[test]
fn a_read_that_is_interrupted_is_asked_for_again() {
    let mut world = world(2);
    let link = world.open(0);
    let (tag, _) = world.read("read", 0, 0);
    assert_eq!(world.table.receive(tag), Some("read"));
    // It cannot end twice.
    assert_eq!(world.table.answered(tag, link), Answered::Unknown);
    assert_eq!(world.table.take(tag), None);
    world.lose(link);
    assert_eq!(world.counts(), (0, 0, 1));
    world.table.interrupted(tag, "read");
    let next = world.open(0);
    assert_eq!(world.goes(0), ["read"]);
    world.ends(tag, "read", next);
}

#[test]
fn the_connection_that_answers_latest_is_told() {
    let mut world = world(4);
    let (slow, fast) = (world.open(0), world.open(1));
    world.written("first", 0, slow);
    world.now = 10;
    world.written("second", 100, fast);
    assert_eq!(world.table.expired(29, 30), None);
    let late = |link, waited| Some(Expired { link, waited });
    assert_eq!(world.table.expired(45, 30), late(slow, 45));
    world.lose(slow);
    assert_eq!(world.table.expired(45, 30), late(fast, 35));
    world.lose(fast);
    assert_eq!(world.table.expired(EVER, 30), None);
}

#[test]
fn a_request_is_given_up_after_its_tries() {
    let mut world = world(1);
    for tried in 0..3 {
        assert_eq!(world.table.give_up(3), None, "after {tried}");
        let link = world.open(0);
        match tried {
            0 => assert!(matches!(world.read("read", 0, 0).1, Begin::Plain(_))),
            _ => assert_eq!(world.goes(0), ["read"]),
        }
        // A connection that is lost before the limit counts for nothing.
        world.table.lost(link, world.now + 29, 30);
        let link = world.open(0);
        assert_eq!(world.goes(0), ["read"]);
        world.now += 30;
        world.table.lost(link, world.now, 30);
    }
    assert_eq!(world.table.give_up(3), Some("read"));
}

/// A deadline does not stand for the rest of what a connection has to send.
#[test]
fn what_is_with_the_sender_is_not_late() {
    let mut world = world(2);
    let link = world.open(0);
    let (tag, begin) = world.write("write", 0, 0);
    assert!(matches!(begin, Begin::Data(..)));
    assert_eq!(world.table.expired(100, 30), None);
    assert_eq!(world.table.sent(tag, link, "write", 100), Sent::Open);
    assert_eq!(world.table.expired(129, 30), None);
    assert_eq!(
        world.table.expired(130, 30),
        Some(Expired { link, waited: 30 })
    );
}

/// However it waits: without a connection, behind the fence, or sent and not answered.
#[test]
fn what_waits_uses_up_its_tries() {
    let mut world = world(2);
    assert_eq!(world.read("never sent", 100, 0).1, Begin::Waits);
    let link = world.open(0);
    let tag = world.written("sent", 0, link);
    assert_eq!(world.goes(0), ["never sent"]);
    world.lose(link);
    world.table.aged(29, 30);
    assert_eq!(world.table.give_up(1), None);
    world.table.aged(30, 30);
    world.table.aged(59, 30);
    assert_eq!(world.table.give_up(2), None);
    world.table.aged(60, 30);
    let mut ended = [world.table.give_up(2), world.table.give_up(2)];
    ended.sort_unstable();
    assert_eq!(ended, [Some("never sent"), Some("sent")]);
    // The write may be carried out yet.
    assert_eq!(world.counts().2, 1);
    world.open(0);
    assert_eq!(world.table.answered(tag, link), Answered::Stale);
    assert_eq!(world.counts().2, 0);
}

#[test]
fn tries_are_not_inherited() {
    let mut world = world(1);
    let link = world.open(0);
    let tag = world.written("first", 0, link);
    world.ends(tag, "first", link);
    // The place has been used on the connection that is lost now, but not for this request.
    let tag = world.table.reserve(false).unwrap();
    world.table.lost(link, 1_000, 30);
    let read = extent(0, 8, Effect::Reads);
    world.table.begin(tag, "second", read, false, 0, 1_000);
    assert_eq!(world.table.give_up(1), None);
    let link = world.open(0);
    world.lose(link);
    assert_eq!(world.table.give_up(1), None);
    assert_eq!(world.table.give_up(0), Some("second"));
}

#[test]
fn who_is_cut_off_gets_no_more_exposed() {
    let mut world = world(4);
    assert!(world.table.is_cut_off());
    let (a, b) = (world.open(0), world.open(1));
    world.written("one", 0, a);
    world.written("two", 8, b);
    world.lose(a);
    assert!(!world.table.is_cut_off());
    world.lose(b);
    assert!(world.table.is_cut_off());
    assert_eq!(world.table.counts().exposed, 2);
    // What comes meanwhile was never sent.
    assert_eq!(world.write("three", 16, 0).1, Begin::Waits);
    assert_eq!(world.table.counts().exposed, 2);
    // The first connection of another place is the fence for its own requests alone.
    let a = world.open(0);
    assert!(!world.table.is_cut_off());
    assert_eq!(world.table.counts().exposed, 1);
    assert_eq!(world.goes(a.connection), ["one", "three"]);
}
