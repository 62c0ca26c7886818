// SPDX-License-Identifier: GPL-2.0

//! Which option an attribute came from, and what to do about a refusal.

use crate::env::Form;
use crate::error::{errno::*, Error};
use crate::netlink::uapi::attr;
use crate::netlink::Request;

/// The option of the command line that set an attribute.
pub fn option_of(form: Form, operation: &str, attribute: &str) -> Option<String> {
    let outer = attribute.split('.').next().unwrap_or(attribute);
    let object = operation.split('-').next().unwrap_or("");
    let (legacy, verbs) = match (object, outer) {
        ("storage" | "export", "name") | ("node", "storage") => ("-n", "NAME"),
        ("storage", "algorithm") => ("-A", "--alg"),
        ("storage", "disk") => ("-f", "--device"),
        ("storage", "flags") => ("--raw", "--raw"),
        ("storage", "timeout") => ("", "--timeout"),
        ("storage", "workers") => ("", "--workers"),
        ("storage", "worker-nice") => ("", "--worker-nice"),
        ("storage", "worker-cpus") => ("", "--worker-cpus"),
        (_, "del-flags" | "start-flags") => ("--force", "--force"),
        ("node", "path") => ("-d", "NODE"),
        ("export", "path") => ("-d", "DEVICE"),
        ("node", "address") => ("-a, -p", "NODE"),
        ("export", "address") => ("-a, -p", "--listen"),
        ("node", "start") => ("-s", "start="),
        ("node", "size") => ("-S", "size="),
        ("node", "export") => ("", "export="),
        ("node", "index") => ("", "NODE"),
        ("node", "connections") => ("", "--connections"),
        ("node" | "export", "queue-depth") => ("", "--queue-depth"),
        ("node", "timeout") => ("", "--timeout"),
        ("node", "connect-timeout") => ("", "--connect-timeout"),
        ("node", "keepalive") => ("", "--keepalive"),
        ("node", "request-timeout") => ("", "--request-timeout"),
        ("node", "request-tries") => ("", "--request-tries"),
        ("node", "retry-limit") => ("", "--retry-limit"),
        ("export", "allow") => ("--allow", "--allow"),
        ("export", "copy-from") => ("", "--copy-from"),
        ("export", "backlog") => ("-b", "--backlog"),
        ("export", "max-clients") => ("", "--max-clients"),
        ("export", "id") => ("", "EXPORT"),
        ("job", "id") => ("", "ID"),
        ("job", "storage") => ("", "STORAGE"),
        ("job", "node-index") => ("", "--node"),
        ("job", "rate-limit") => ("", "--rate-limit"),
        ("job", "min-rate") => ("", "--min-rate"),
        _ => ("", ""),
    };
    let option = if form == Form::Legacy { legacy } else { verbs };
    (!option.is_empty()).then(|| option.to_string())
}

/// What to do next after the kernel refused a request.
pub fn hint(form: Form, request: &Request, error: &Error) -> Option<String> {
    let errno = error.errno?;
    if errno == EPERM {
        return Some("only root may do this: run it with sudo, or as root of the machine".into());
    }
    if errno == EOPNOTSUPP {
        return Some("\"dst info\" tells what the loaded module can do".into());
    }
    let attribute = error.attribute.as_deref().unwrap_or("");
    match request.name {
        "storage-add" => storage_add(form, errno, attribute),
        "storage-del" => storage_del(form, request, errno),
        "storage-start" => storage_start(errno, error),
        "storage-get" | "storage-set" if errno == ENOENT => {
            Some("\"dst status\" lists the storages".into())
        }
        // What can be done is in the refusal.
        "node-replace" if errno != ENOENT => None,
        "node-suspend" | "node-resume" | "node-clear" | "node-replace" => {
            suspension(request, errno, attribute)
        }
        "node-add" | "node-del" => node(request, errno, attribute, error),
        "export-add" => export_add(errno, attribute),
        "job-begin" => job_begin(request, errno, attribute),
        _ if request.name.starts_with("job-") => Some("\"dst job list\" lists the jobs".into()),
        "export-del" | "export-set" | "export-get" => export_other(request, errno),
        _ => None,
    }
}

fn job_begin(request: &Request, errno: i32, attribute: &str) -> Option<String> {
    let name = request.value(attr::job::STORAGE).unwrap_or_default();
    match (errno, attribute) {
        (ENOENT, "storage") => Some("\"dst status\" lists the storages".into()),
        (EINVAL, "storage") => Some(format!("\"dst start {name}\" starts it")),
        (ENOENT, _) => Some(format!("\"dst status {name}\" shows its nodes")),
        (EBUSY | ENOSPC, _) => Some("\"dst job list\" lists the jobs".into()),
        _ => None,
    }
}

fn storage_add(form: Form, errno: i32, attribute: &str) -> Option<String> {
    let (device, raw) = match form {
        Form::Legacy => ("-f /dev/dst-OTHER", "-A"),
        Form::Verbs => ("--device dst-OTHER", "--alg"),
    };
    match (errno, attribute) {
        (EEXIST | EBUSY, "disk") => Some(format!("choose another device with {device}")),
        (EEXIST | EBUSY, _) => Some(
            "\"dst status\" shows the storages; choose another name, or another device with "
                .to_string()
                + device,
        ),
        (_, "algorithm") => Some(format!("\"dst info\" lists the algorithms for {raw}")),
        (_, "disk") => Some(format!(
            "the device is /dev/dst or begins with dst-: {device}"
        )),
        _ => None,
    }
}

fn storage_del(form: Form, request: &Request, errno: i32) -> Option<String> {
    let name = request.value(attr::storage::NAME).unwrap_or_default();
    let force = match form {
        Form::Legacy => format!("dst -n {name} -D --force"),
        Form::Verbs => format!("dst delete {name} --force"),
    };
    match errno {
        EBUSY => Some(format!(
            "unmount it, or stop what uses it (\"dst status {name}\" names the device, \"lsblk\" \
             its users); \"{force}\" deletes it now and its I/O fails"
        )),
        ENOENT => Some("\"dst status\" lists the storages, \"dst export list\" the exports".into()),
        _ => None,
    }
}

fn storage_start(errno: i32, error: &Error) -> Option<String> {
    let about_storage = error.attribute.as_deref() == Some("name");
    match errno {
        ENOENT if about_storage => Some("\"dst status\" lists the storages".into()),
        EBUSY if about_storage => Some("\"dst status\" tells its state".into()),
        _ => reach(errno, error),
    }
}

fn node(request: &Request, errno: i32, attribute: &str, error: &Error) -> Option<String> {
    let name = request.value(attr::node::STORAGE).unwrap_or_default();
    match (errno, attribute) {
        (ENOENT, "storage") => Some("\"dst status\" lists the storages".into()),
        (EBUSY, "storage") if request.name == "node-del" => Some(format!(
            "nodes can only be removed before a storage is started: \"dst delete {name}\" \
             first, then form it again (the data stays on the nodes)"
        )),
        (EBUSY, "storage") => Some(format!("\"dst status {name}\" tells its state")),
        (_, "start" | "size") => Some(SIZES.into()),
        _ if request.name == "node-del" => Some(format!("\"dst status {name}\" lists its nodes")),
        // The module opens or connects a node when it is added.
        _ => reach(errno, error),
    }
}

fn suspension(request: &Request, errno: i32, attribute: &str) -> Option<String> {
    let name = request.value(attr::node::STORAGE).unwrap_or_default();
    match (errno, attribute) {
        (ENOENT, "storage") => Some("\"dst status\" lists the storages".into()),
        (EALREADY, _) => Some(format!("\"dst resume {name} NODE\" lets it go on")),
        (EINVAL, "storage") => Some(format!("\"dst start {name}\" starts it")),
        _ => Some(format!("\"dst status {name}\" shows its nodes")),
    }
}

const SIZES: &str = "check the starts and sizes that were given; left out, nodes follow one \
                     another and are used whole";

/// What to do about a node that cannot be opened, connected or taken.
fn reach(errno: i32, error: &Error) -> Option<String> {
    // What a node holds can be overridden, and the module says so where it can.
    let mentions = |word: &str| error.why.as_deref().is_some_and(|why| why.contains(word));
    let text = match errno {
        _ if mentions("--force") || mentions("in their order") => {
            "give the nodes of the storage in their old order; or add --force: the nodes are taken \
             and what they held is lost"
        }
        EEXIST => "every device can be a node once; \"dst status\" shows the nodes",
        ECONNREFUSED => {
            "nothing listens there: run \"dst export list\" on that machine, and check the port"
        }
        ETIMEDOUT | EHOSTUNREACH | EHOSTDOWN | ENETUNREACH | ENETDOWN | ECONNRESET => {
            "check that the machine is up, the network between (\"ping\"), and that no firewall \
             drops the port"
        }
        EACCES => "on the machine that exports: \"dst export set EXPORT --allow THIS-MACHINE=rw\"",
        ESTALE => {
            "another machine has started the storage and owns it: only one may; delete it there \
             first (\"dst status\", \"dst delete\")"
        }
        EAGAIN | ESHUTDOWN => "try again in a few seconds",
        EROFS => "a node cannot be written: make the storage with --read-only",
        EBUSY => {
            "a device can be in one storage or export only (\"dst status\", \"dst export list\", \
             \"lsblk\"), and an export has one writer unless it is shared"
        }
        ENOENT | ENODEV | ENXIO | ENOTBLK => {
            "\"lsblk -p\" lists local devices, \"dst export list\" on the other machine its exports"
        }
        ENOSPC | ERANGE | EOVERFLOW => SIZES,
        EINVAL if mentions("sector") => SIZES,
        EPROTO | EPROTONOSUPPORT | EBADMSG | ENOPROTOOPT => {
            "compare \"dst info\" on both machines: they may be of different versions"
        }
        _ => return None,
    };
    Some(text.into())
}

fn export_add(errno: i32, attribute: &str) -> Option<String> {
    match (errno, attribute.split('.').next().unwrap_or("")) {
        (EEXIST, "name") => Some("choose another name, or see \"dst export list\"".into()),
        (EBADMSG, _) => Some("--force exports the device with a label that cannot be read".into()),
        (EACCES | EROFS, _) => Some("a device that cannot be written: add --read-only".into()),
        (EADDRINUSE, _) => {
            Some("\"dst export list\" and \"ss -ltnp\" show who listens there".into())
        }
        (EADDRNOTAVAIL, _) => {
            Some("the address must be one of this machine's: see \"ip address\"".into())
        }
        (EINVAL, "address" | "flags") => {
            Some("listening on all addresses needs --any-address".into())
        }
        (EBUSY, _) => Some(
            "something uses the device (\"lsblk\", \"lsof\"), or it carries a signature \
             (\"wipefs DEVICE\" shows it); --force overrides a signature only"
                .into(),
        ),
        (EEXIST, _) => Some(
            "the device carries the signature of something (\"wipefs DEVICE\" shows it), or the \
             export exists (\"dst export list\"); --force overrides a signature"
                .into(),
        ),
        (ENOENT | ENODEV | ENXIO | ENOTBLK, _) => Some("\"lsblk -p\" lists the devices".into()),
        _ => None,
    }
}

fn export_other(request: &Request, errno: i32) -> Option<String> {
    match errno {
        EBUSY if request.name == "export-del" => {
            Some("clients are connected (\"dst connection list\"); --force disconnects them".into())
        }
        ENOENT => Some("\"dst export list\" lists the exports".into()),
        _ => None,
    }
}
