// SPDX-License-Identifier: GPL-2.0

//! One valid value of each kind, shared by several tests.

use dst_core::label::{state, Label};
use dst_core::text::Text;
use dst_core::wire::{
    export_flags, hello_flags, negotiate, HelloReply, HelloRequest, Negotiated, Offer,
};

pub(crate) fn text<const N: usize>(s: &str) -> Text<N> {
    Text::from_display(&s)
}

pub(crate) fn hello_request() -> HelloRequest {
    HelloRequest {
        version_min: 1,
        version_max: 1,
        flags: hello_flags::WRITE,
        required: 0,
        optional: 0,
        session: *b"session-0123456!",
        incarnation: 7,
        connection: 1,
        connections: 2,
        max_transfer: 1 << 20,
        queue_depth: 128,
        storage: *b"storage-0123456!",
        epoch: 3,
        export: text("kano"),
        client: text("client-1"),
    }
}

pub(crate) fn offer() -> Offer {
    Offer {
        supported: 0,
        required: 0,
        flags: export_flags::VOLATILE_CACHE | export_flags::FUA | export_flags::HAS_LABEL,
        data_size: 60 << 20,
        device_size: 64 << 20,
        logical_block: 512,
        physical_block: 4096,
        io_min: 4096,
        io_opt: 0,
        max_transfer: 1 << 20,
        queue_depth: 64,
        max_discard: 1 << 30,
        discard_granularity: 4096,
        max_write_zeroes: 1 << 25,
        boot: *b"boot-id-0123456!",
        cache: 0x1122_3344_5566_7788,
        device: *b"device--0123456!",
        epoch: 3,
    }
}

pub(crate) fn agreed() -> (HelloReply, Negotiated) {
    negotiate(&hello_request(), &offer()).expect("the samples fit each other")
}

pub(crate) fn negotiated() -> Negotiated {
    agreed().1
}

pub(crate) fn label() -> Label {
    Label {
        compat: 0,
        ro_compat: 0,
        incompat: 0,
        storage: *b"storage-0123456!",
        node: *b"node----0123456!",
        name: text("kano"),
        algorithm: text("alg_linear"),
        index: 1,
        node_count: 3,
        start: 122_880,
        size: 122_880,
        device_sectors: 131_072,
        data_sectors: 122_880,
        epoch: 5,
        events: 0,
        state: state::IN_SYNC,
        sequence: 42,
        created: 1_700_000_000,
        updated: 1_700_000_123,
        partner: None,
        newest: None,
    }
}
