// SPDX-License-Identifier: GPL-2.0

//! Tests of the pure core, on the host.
//!
//! Everything is deterministic: random input comes from fixed seeds, so a failure repeats.

mod access;
mod backoff;
mod codec;
mod copy_source;
mod documents;
mod fence;
mod fit;
mod fuzz;
mod golden;
mod growth;
mod hello;
mod holder;
mod job;
mod label;
mod lease;
mod limits;
mod linear;
mod member;
mod migration;
mod names;
mod replacement;
mod request;
mod samples;
mod session;
mod signature;
mod stay;
mod succession;
mod task_state;
mod text_units;
mod transaction;
mod worker_state;
mod write_back;

use proptest::test_runner::{Config, RngSeed};

/// Property tests with a seed of their own, so that they do not change from run to run.
fn fixed(cases: u32, seed: u64) -> Config {
    Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    }
}

/// A small generator for tests that want raw bytes in bulk (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let value = self.next().to_le_bytes();
            chunk.copy_from_slice(&value[..chunk.len()]);
        }
    }
}
