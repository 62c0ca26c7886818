// SPDX-License-Identifier: GPL-2.0

//! What a person writes and reads: addresses, nodes, sizes, times.

use dst_cli::args::verbs::parse_seconds;
use dst_cli::endpoint::Endpoint;
use dst_cli::lookup::{from_getent, from_hosts};
use dst_cli::node::{self, Place};
use dst_cli::output::{bytes, time, Style, Table};

#[test]
fn endpoints() {
    for (text, shown) in [
        ("kano", "kano:1025"),
        ("kano:7", "kano:7"),
        ("kano.example.org:65535", "kano.example.org:65535"),
        ("192.168.4.80", "192.168.4.80:1025"),
        ("192.168.4.80:1", "192.168.4.80:1"),
        ("fd00::80", "[fd00::80]:1025"),
        ("[fd00::80]", "[fd00::80]:1025"),
        ("[fd00::80]:9", "[fd00::80]:9"),
        ("[fe80::1%eth0]:9", "[fe80::1%eth0]:9"),
        ("::1", "[::1]:1025"),
    ] {
        assert_eq!(Endpoint::parse(text).unwrap().to_string(), shown, "{text}");
    }
    for text in [
        "",
        ":",
        ":1025",
        "kano:",
        "kano:0",
        "kano:65536",
        "kano:+1",
        "kano:1:2",
        "[kano",
        "[::1]x",
        "[::1]:",
        "-kano",
        "ka no",
        "1.2.3",
        "1.2.3.4.5:1",
        "kano/24:1",
        "[]:1",
    ] {
        assert!(Endpoint::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn nodes() {
    let node = node::parse("/dev/disk/by-id/a,b,size=1M,start=0").unwrap();
    assert_eq!(node.place, Place::Local("/dev/disk/by-id/a,b".into()));
    assert_eq!((node.start, node.size), (Some(0), Some(2048)));
    let node = node::parse("[fd00::80]:7,export=disk1").unwrap();
    assert_eq!(node.export.as_deref(), Some("disk1"));
    for text in [
        "",
        "dev/sdb",
        "./sdb",
        "kano,size=",
        "kano,size=-1",
        "kano,size=1.5G",
        "kano,export=",
    ] {
        assert!(node::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn numbers_of_sectors() {
    for (text, sectors) in [
        ("801", 801),
        ("801s", 801),
        ("1K", 2),
        ("512B", 1),
        ("1GiB", 2_097_152),
    ] {
        assert_eq!(node::sectors(text), Ok(sectors), "{text}");
    }
    for text in [
        "",
        "K",
        "1.5K",
        "-1",
        "511B",
        "1X",
        "99999999999999999999",
        "99999999P",
    ] {
        assert!(node::sectors(text).is_err(), "{text:?}");
    }
}

#[test]
fn amounts_and_times() {
    for (n, text) in [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (1 << 20, "1 MiB"),
        (u64::MAX, "15.9 EiB"),
    ] {
        assert_eq!(bytes(n), text);
    }
    for (ms, text) in [
        (0, "0 ms"),
        (999, "999 ms"),
        (12_345, "12 s"),
        (60_000, "1 min"),
        (185_000, "3 min 5 s"),
        (7_380_000, "2 h 3 min"),
        (352_800_000, "4 d 2 h"),
    ] {
        assert_eq!(time::span(ms), text);
    }
    for (seconds, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (1_186_056_000, "2007-08-02T12:00:00Z"),
        (4_107_542_399, "2100-02-28T23:59:59Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
    ] {
        assert_eq!(time::timestamp(seconds), text);
    }
    for (text, ms) in [
        ("1", 1000),
        ("0.25", 250),
        ("0.001", 1),
        ("4000000", 4_000_000_000),
    ] {
        assert_eq!(parse_seconds(text), Ok(ms));
    }
    for text in ["0", "-1", "nan", "inf", "x", "", "4000001"] {
        assert!(parse_seconds(text).is_err(), "{text:?}");
    }
}

#[test]
fn columns_line_up_with_and_without_colours() {
    for color in [false, true] {
        let style = Style { color };
        let mut table = Table::new(&["A", "STATE", "B"]).indented(1);
        table.row(["1".into(), style.state("up", "up"), "x".into()]);
        table.row([
            "22".into(),
            style.state("reconnecting", "reconnecting"),
            "y".into(),
        ]);
        table.line("    below".into());
        let text = table.to_string();
        let plain = text
            .replace("\x1b[32m", "")
            .replace("\x1b[33m", "")
            .replace("\x1b[0m", "");
        assert_eq!(
            plain,
            " A   STATE         B\n 1   up            x\n 22  reconnecting  y\n     below\n"
        );
        assert_eq!(plain != text, color);
    }
}

#[test]
fn names_without_the_c_library() {
    let hosts = "# kano 1.1.1.1\n192.168.4.80\tkano.example kano # comment uganda\n\
                 bad kano\n::1 localhost\nfd00::80 KANO\n";
    let found: Vec<String> = from_hosts(hosts, "Kano")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(found, ["192.168.4.80", "fd00::80"]);
    assert!(from_hosts(hosts, "uganda").is_empty());
    let output = "fd00::80        STREAM kano\nfd00::80        DGRAM\nfd00::80        RAW\n\
                  192.168.4.80    STREAM\n192.168.4.80    DGRAM\n";
    let found: Vec<String> = from_getent(output)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(found, ["fd00::80", "192.168.4.80"]);
    assert!(from_getent("").is_empty());
}
