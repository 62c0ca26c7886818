// SPDX-License-Identifier: GPL-2.0

//! Storages: disks made of nodes.
//!
//! The way of a bio is [`volume`] (what a bio is split into, and what waits), [`node`], [`local`]
//! and [`remote`] (who takes the pieces), with [`piece`], [`lane`] and [`parking`] between them.
//! It knows nothing of configuration, names or states. The other half is administration:
//!
//! | module         | what it is                                                            |
//! |----------------|-----------------------------------------------------------------------|
//! | [`registry`]   | all storages, by name                                                 |
//! | [`storage`]    | one storage: its states, its start and its deletion                   |
//! | [`configuring`]| adding and removing nodes before the start                            |
//! | [`growing`]    | adding a node while the storage runs                                  |
//! | [`growth_labels`] | the labels that are written for that                              |
//! | [`migrating`]  | a node begins to move to another device                               |
//! | [`moving`]     | the way of requests to a node that moves                              |
//! | [`mover`]      | the steps that change its labels, and its end                         |
//! | [`replacing`]  | a node goes on at another place                                         |
//! | [`exchanging`] | the parts of a suspended node are exchanged for others                |
//! | [`suspending`] | suspending nodes while the storage runs                               |
//! | [`flushing`]   | a flush of a local device that no caller of the disk has asked for     |
//! | [`beside`]     | work on the nodes beside the I/O of the disk                           |
//! | [`moments`]    | the clock of flushes                                                  |
//! | [`member`]     | a configured node: opened or connected                                |
//! | [`facts`]      | what is known of a configured node                                    |
//! | [`errand`]     | one request to a remote node that has not started                     |
//! | [`survey`]     | what is on a node: its label, foreign data                            |
//! | [`holding`]    | which of the devices that are given hold the nodes                    |
//! | [`judgement`]  | what the labels of all nodes come to                                  |
//! | [`labelling`]  | writing the label of a node                                           |
//! | [`membership`] | taking the ownership, and putting labels in order                     |
//! | [`assembly`]   | the start: from nodes to a disk                                       |
//! | [`seed`]       | the parts of a node, and its tasks                                    |
//! | [`running`]    | the moving parts, and how they stop                                   |
//! | [`disk`]       | the disk that is shown                                                |
//! | [`watch`]      | the task that notices what becomes of nodes                           |
//! | [`info`]       | what is told about all of this                                        |
//! | [`fault`]      | why a request is refused, on its way up                               |
//! | [`wait`]       | waiting that has an end                                               |
//! | [`config`]     | the plain values that the control layer and this one exchange         |
//!
//! # Invariants
//!
//! - Nothing is written to any node before every check of a start has passed on every node. The
//!   ownership is recorded on all nodes before the disk appears.
//! - Every accepted bio ends: its pieces are owned by exactly one party at a time, and each of
//!   them ends what it has when the storage fails.
//! - No bio reaches a node after the disk was removed, and the nodes go only after that. A dead
//!   disk that somebody has open keeps neither devices nor sockets ([`volume::VolumeSlot`]).
//! - Names are judged here for every way to get in; `number` of a storage is never used twice.
//!
//! # Locking
//!
//! From the outside to the inside: a storage's operation lock (held by the one request that
//! changes it, also while that waits for nodes), a member's link, a storage's state, a member's
//! facts, the moving parts' mutexes. The registry's list is locked by itself, for moments. All of
//! these are mutexes and none is taken on the way of a bio; there are only spin locks, described
//! with the parking and the remote nodes. Observers are called without any lock but the operation
//! lock.
//!
//! # Cancellation
//!
//! A deletion by force first interrupts whoever waits for a node ([`wait::Interrupt`]) and fails
//! all I/O ([`running::Running::fail_io`]), so that the operation lock comes free; both take only
//! locks that are held for moments. Tasks are cancelled and joined before what they work on is dropped. Only a local device
//! that does not answer can hold up a deletion; the storage is then told to be stopping, and the
//! deletion can be repeated.

pub mod assembly;
pub mod beside;
pub mod config;
pub mod configuring;
mod direct;
pub mod disk;
pub mod errand;
pub mod exchanging;
pub mod facts;
pub mod fault;
mod flushing;
pub mod growing;
pub mod growth_labels;
pub mod holding;
mod info;
pub mod judgement;
pub mod labelling;
pub mod lane;
pub mod local;
pub mod member;
pub mod membership;
pub mod migrating;
pub mod moments;
pub mod mover;
pub mod moving;
pub mod node;
pub mod parking;
pub mod piece;
pub mod registry;
pub mod remote;
pub mod replacing;
pub mod running;
pub mod seed;
#[allow(clippy::module_inception)]
pub mod storage;
pub mod survey;
pub mod suspending;
pub mod volume;
pub mod wait;
pub mod watch;
pub mod workers;

pub use registry::Registry;
