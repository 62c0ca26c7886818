// SPDX-License-Identifier: GPL-2.0

//! Which storages `dst down` gives up, and when: looks at nodes, at times that the test makes.

use crate::fake::{remote, FakeResolver, Node, Storage};
use dst_cli::args::boot::Down;
use dst_cli::command::down::lost::{Lack, Silent, Watch, RETURN_TIME};
use dst_cli::endpoint::{Endpoint, Resolver};
use dst_cli::model;
use dst_cli::netlink::uapi::{self, attr};
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const DEAD: &str = "10.0.0.1:1025";
const ALIVE: &str = "192.168.4.80:1025";

/// Knows of all machines that they are there, or that they are not, and may be asked only then.
struct Answers(Option<bool>);

impl Resolver for Answers {
    fn lookup(&self, endpoint: &Endpoint) -> io::Result<Vec<SocketAddr>> {
        FakeResolver.lookup(endpoint)
    }

    fn answers(&self, _address: &SocketAddr) -> bool {
        self.0.expect("nobody is to be asked")
    }

    fn which_answer(&self, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
        let answering = addresses.iter().filter(|address| self.answers(address));
        answering.copied().collect()
    }
}

/// A storage in use, and how its nodes are looked at.
struct Scene {
    storage: Storage,
    watch: Watch,
    begin: Instant,
    /// Seconds that it takes to ask the machines.
    asking: f64,
}

impl Scene {
    fn new(grace: u32, node: Node) -> Self {
        let storage = Storage {
            name: "storage".into(),
            disk: "dst".into(),
            state: uapi::storage_state::RUNNING,
            openers: 1,
            nodes: vec![node],
            ..Storage::default()
        };
        let args = Down {
            exports: false,
            storages: false,
            wait: 0,
            force: false,
            lost: true,
            grace: grace * 1000,
        };
        let watch = Watch::new(&args);
        let begin = Instant::now();
        Self {
            storage,
            watch,
            begin,
            asking: 0.0,
        }
    }

    /// What is seen of the only node after so many seconds.
    fn after(&mut self, seconds: f64, resolver: &dyn Resolver) -> Option<Silent> {
        let storage = model::Storage::decode(self.storage.tell().as_bytes()).unwrap();
        let nodes = self.storage.tell_nodes();
        let nodes = nodes
            .iter()
            .map(|node| model::Node::decode(node.as_bytes()));
        let looked_at = [(storage, nodes.collect::<Result<_, _>>().unwrap())];
        let now = self.begin + Duration::from_secs_f64(seconds);
        let times = [now, now + Duration::from_secs_f64(self.asking)];
        let next = Cell::new(0);
        let clock = || times[next.replace(1)];
        let mut silent = self.watch.look(looked_at.iter(), resolver, &clock);
        assert!(silent.len() <= 1);
        silent.pop()
    }

    /// Whether it is lost after so many seconds.
    fn is_lost(&mut self, seconds: f64) -> bool {
        let silent = self.after(seconds, &FakeResolver);
        silent.is_some_and(|silent| silent.lost)
    }
}

/// A node with so many requests that wait for it.
fn node(address: &str, state: u32, requests: u32) -> Node {
    let mut node = remote(0, address);
    node.more
        .u32(attr::node::STATE, state)
        .u32(attr::node::IN_FLIGHT, requests);
    node
}

#[test]
fn without_a_sign_of_life_it_is_lost_when_the_grace_is_over() {
    for state in [uapi::node_state::UP, uapi::node_state::RECONNECTING] {
        let mut scene = Scene::new(4, node(DEAD, state, 3));
        let first = scene.after(0.0, &FakeResolver).unwrap();
        assert!(first.news && !first.lost);
        assert_eq!(
            (first.lack, first.limit),
            (Lack::Life, Duration::from_secs(4))
        );
        let later = scene.after(3.9, &FakeResolver).unwrap();
        assert!(!later.news && !later.lost);
        let last = scene.after(4.0, &FakeResolver).unwrap();
        assert!(last.lost);
        assert_eq!(last.lasts, Duration::from_secs(4));
    }
}

#[test]
fn the_time_that_asking_takes_is_no_silence() {
    let mut scene = Scene::new(1, node(DEAD, uapi::node_state::UP, 3));
    scene.asking = 2.0;
    assert!(!scene.after(0.0, &FakeResolver).unwrap().lost);
    assert!(scene.after(2.0, &FakeResolver).unwrap().lost);
}

#[test]
fn where_another_device_answers_somebody_has_the_time_to_mend_it() {
    let mut other = node(ALIVE, uapi::node_state::RECONNECTING, 3);
    other
        .more
        .string(attr::node::REASON, "another node answers")
        .string(
            attr::node::WAITS_FOR,
            "the right device at 192.168.4.80:1025",
        );
    let mut scene = Scene::new(4, other);
    assert!(scene.after(0.0, &FakeResolver).is_none());
    assert!(scene.after(3.9, &FakeResolver).is_none());
    let told = scene.after(4.0, &FakeResolver).unwrap();
    assert!(told.news && !told.lost);
    assert_eq!((told.lack, told.limit), (Lack::Service, RETURN_TIME));
    assert!(
        told.node.ends_with("reconnecting: another node answers)"),
        "{}",
        told.node
    );
    let later = scene.after(29.9, &FakeResolver).unwrap();
    assert!(!later.news && !later.lost);
    let last = scene.after(30.0, &FakeResolver).unwrap();
    assert!(last.lost);
    assert_eq!((last.lack, last.lasts), (Lack::Service, RETURN_TIME));
    // The device is there again in time.
    scene.storage.nodes = vec![node(ALIVE, uapi::node_state::UP, 0)];
    assert!(scene.after(30.1, &FakeResolver).is_none());
    scene.storage.nodes = vec![node(ALIVE, uapi::node_state::RECONNECTING, 3)];
    assert!(!scene.is_lost(60.0));
    assert!(scene.is_lost(60.1));
}

#[test]
fn a_disk_that_is_slow_has_the_time_of_the_module() {
    let mut scene = Scene::new(4, node(ALIVE, uapi::node_state::UP, 3));
    for seconds in [0.0, 4.0, 30.0, 1000.0] {
        assert!(scene.after(seconds, &FakeResolver).is_none());
    }
}

#[test]
fn a_machine_that_dies_while_it_is_waited_for_is_lost_sooner() {
    let mut scene = Scene::new(4, node(ALIVE, uapi::node_state::RECONNECTING, 3));
    let (alive, dead) = (Answers(Some(true)), Answers(Some(false)));
    scene.after(0.0, &alive);
    assert_eq!(scene.after(10.0, &alive).unwrap().lack, Lack::Service);
    let told = scene.after(13.9, &dead).unwrap();
    assert!(told.news && !told.lost);
    assert_eq!(
        (told.lack, told.limit),
        (Lack::Life, Duration::from_secs(4))
    );
    assert!(scene.after(14.0, &dead).unwrap().lost);
    // One that comes and goes has the longer time, and is told of no more.
    let told = scene.after(29.0, &alive).unwrap();
    assert!(!told.news && !told.lost);
    let last = scene.after(30.0, &dead).unwrap();
    assert!(last.lost && !last.news);
    assert_eq!(last.lack, Lack::Service);
}

#[test]
fn whose_io_ends_in_error_keeps_nobody_waiting() {
    let stuck = |node: Node| {
        let mut scene = Scene::new(4, node);
        // It waits for a node of this machine, say.
        scene.storage.more.u32(attr::storage::IN_FLIGHT, 1);
        scene.after(0.0, &FakeResolver);
        scene.is_lost(100.0)
    };
    assert!(stuck(node(DEAD, uapi::node_state::RECONNECTING, 0)));
    assert!(!stuck(node(DEAD, uapi::node_state::FAILED, 0)));
    let fails_fast = |requests| {
        let mut node = node(DEAD, uapi::node_state::RECONNECTING, requests);
        node.more
            .u32(attr::node::FLAGS, uapi::node_flags::FAIL_FAST);
        node
    };
    assert!(!stuck(fails_fast(0)));
    assert!(stuck(fails_fast(1)));
}

#[test]
fn machines_of_another_network_namespace_are_not_asked() {
    for (state, at_last) in [
        (uapi::node_state::UP, false),
        (uapi::node_state::RECONNECTING, true),
    ] {
        let mut scene = Scene::new(4, node(DEAD, state, 3));
        scene.storage.more.uint(attr::storage::NETNS, 1);
        let nobody = Answers(None);
        assert!(scene.after(0.0, &nobody).is_none());
        let lost = |silent: Option<Silent>| silent.is_some_and(|silent| silent.lost);
        assert!(!lost(scene.after(29.9, &nobody)));
        assert_eq!(lost(scene.after(30.0, &nobody)), at_last);
    }
}

#[test]
fn a_long_grace_holds_for_everybody() {
    for address in [DEAD, ALIVE] {
        let mut scene = Scene::new(60, node(address, uapi::node_state::RECONNECTING, 3));
        assert!(!scene.is_lost(0.0));
        assert!(!scene.is_lost(59.9));
        assert!(scene.is_lost(60.0));
    }
}
