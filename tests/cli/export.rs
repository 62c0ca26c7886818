// SPDX-License-Identifier: GPL-2.0

//! `dst export`: what it asks of the module.

use crate::fake::{changes, situation, Machine};

#[test]
fn an_export_is_added_with_all_options() {
    let machine = Machine::new();
    assert_eq!(
        changes(
            &machine,
            "export add /dev/sdc --listen [fd00::80]:1026 --name disk1 --allow kano=ro --allow fd00::/64 \
             --write-back --shared --force --backlog 128 --queue-depth 32 --max-clients 8"
        ),
        ["export-add name=disk1 path=/dev/sdc address=[fd00::80]:1026 \
          flags=write-back+shared-writers+force allow=192.168.4.80/32=ro allow=fd00::/64=rw \
          backlog=128 queue-depth=32 max-clients=8"]
    );
}

#[test]
fn an_export_that_nobody_may_use_is_pointed_out() {
    let machine = Machine::new();
    let outcome = machine.run("export add /dev/sdc --listen kano:1025");
    assert_eq!(outcome.out, "export 1: /dev/sdc at 192.168.4.80:1025\n");
    assert_eq!(
        outcome.err,
        "note: nobody may connect yet: allow somebody with \"dst export set 1 --allow PREFIX=rw\"\n"
    );
    let outcome = machine.run("--json export add /dev/sdd --listen kano:1026 --allow kano");
    assert_eq!(
        outcome.out,
        "{\"export\":{\"address\":\"192.168.4.80:1026\",\"id\":2,\"path\":\"/dev/sdd\"},\"schema\":1}\n"
    );
    assert!(outcome.err.is_empty());
}

#[test]
fn an_export_listens_at_the_first_address_that_the_machine_has() {
    let machine = Machine::new();
    machine
        .kernel()
        .foreign
        .push("10.0.0.1:1025".parse().unwrap());
    let outcome = machine.run("export add /dev/sdc --listen twins --allow kano");
    assert_eq!(outcome.out, "export 1: /dev/sdc at 10.0.0.2:1025\n");
    machine
        .kernel()
        .foreign
        .push("10.0.0.2:1025".parse().unwrap());
    let outcome = machine.run("export add /dev/sdc --listen twins --allow kano");
    assert_eq!(outcome.code, 1);
    assert!(
        outcome
            .err
            .contains("concerns: --listen (attribute \"address\")"),
        "{}",
        outcome.err
    );
    assert!(outcome
        .err
        .contains("hint: the address must be one of this machine's"));
}

#[test]
fn an_export_is_named_by_number_name_device_or_address() {
    for (what, asked) in [
        ("1", "id=1"),
        ("disk1", "name=disk1"),
        ("/dev/sdc", "path=/dev/sdc"),
        ("192.168.4.80:1025", "address=192.168.4.80:1025"),
    ] {
        let machine = situation("exported");
        assert_eq!(
            changes(
                &machine,
                &format!("export set {what} --allow 10.0.0.0/8=ro --allow kano")
            ),
            [format!(
                "export-set {asked} allow=10.0.0.0/8=ro allow=192.168.4.80/32=rw"
            )]
        );
        assert_eq!(
            changes(&machine, &format!("export set {what} --nobody")),
            [format!("export-set {asked}")]
        );
        assert_eq!(
            changes(&machine, &format!("export del {what}")),
            [format!("export-del {asked}")]
        );
    }
    let machine = situation("in use");
    assert_eq!(machine.run("export del 1").code, 6);
    assert_eq!(
        changes(&machine, "export delete 1 --force")[1],
        "export-del id=1 del-flags=force"
    );
}

#[test]
fn wrong_access_lists_stop_an_export_before_the_kernel() {
    let machine = Machine::new();
    for (allow, told) in [
        (
            "10.0.0.1/8",
            "write 10.0.0.0/8 for the network or 10.0.0.1 for the one address",
        ),
        ("10.0.0.0/33", "a number from 0 to 32"),
        ("fd00::/129", "a number from 0 to 128"),
        ("10.0.0.0/8=wr", "write =ro or =rw"),
        ("=rw", "has no address"),
        ("10.0.0", "neither an address"),
        ("kano/24", "neither an address"),
    ] {
        let outcome = machine.run(&format!(
            "export add /dev/sdc --listen kano --allow {allow}"
        ));
        assert_eq!(outcome.code, 2, "{allow}");
        assert!(outcome.err.contains(told), "{allow}: {}", outcome.err);
    }
    let outcome =
        machine.run("export add /dev/sdc --listen kano --allow kano --allow 192.168.4.80=ro");
    assert!(
        outcome.err.contains("192.168.4.80/32 twice"),
        "{}",
        outcome.err
    );
    let outcome = machine.run("export add sdc --listen kano");
    assert!(
        outcome.err.contains("write its whole path"),
        "{}",
        outcome.err
    );
    for line in [
        "export set 1",
        "export set 1 --allow kano --nobody",
        "export set 1 --copy-from kano --no-copies",
        "export set 1 --copy-from kano=rw",
        "export set 1 --copy-from 10.0.0.1/8",
        "export add /dev/sdc --listen kano --copy-from kano --copy-from 192.168.4.80",
    ] {
        assert_eq!(machine.run(line).code, 2, "{line}");
    }
    assert!(machine.kernel().asked.is_empty());
}

#[test]
fn an_export_may_copy_from_the_machines_that_are_named() {
    let machine = Machine::new();
    let add = "export add /dev/sdc --listen kano:1025 --allow kano --copy-from kano --copy-from fd00::/64";
    assert_eq!(
        changes(&machine, add),
        [
            "export-add path=/dev/sdc address=192.168.4.80:1025 allow=192.168.4.80/32=rw \
          copy-from=192.168.4.80/32 copy-from=fd00::/64"
        ]
    );
    let listed = |machine: &Machine| {
        let outcome = machine.run("export list --json");
        let value: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
        let export = &value["exports"][0];
        (export["allow"].clone(), export["copy_from"].clone())
    };
    let (allow, from) = listed(&machine);
    assert_eq!(from, serde_json::json!(["192.168.4.80/32", "fd00::/64"]));
    machine.taken();
    let set = |line: &str, asked: &str, told: &str| {
        let outcome = machine.run(line);
        assert_eq!(outcome.code, 0, "{}", outcome.err);
        assert_eq!(outcome.out, told);
        assert_eq!(machine.taken(), [asked]);
    };
    // What is not named stays as it is.
    set(
        "export set 1 --copy-from 10.0.0.7",
        "export-set id=1 copy-from=10.0.0.7/32 set-flags=copy-from",
        "export 1: it may copy from 10.0.0.7/32\n",
    );
    assert_eq!(
        listed(&machine),
        (allow, serde_json::json!(["10.0.0.7/32"]))
    );
    set(
        "export set 1 --nobody --no-copies",
        "export-set id=1 set-flags=allow+copy-from",
        "export 1: nobody may connect\nexport 1: it may copy from no machine\n",
    );
    let nothing = serde_json::json!([]);
    assert_eq!(listed(&machine), (nothing.clone(), nothing));
}
