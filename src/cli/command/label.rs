// SPDX-License-Identifier: GPL-2.0

//! Which storage a device belongs to, for people and for udev.

use crate::args::boot::Label as LabelArgs;
use crate::env::Env;
use crate::error::{Error, Exit};
use crate::label;
use crate::netlink::request::uuid_text;
use dst_core::label::{state, Choice, Copy, Label, LabelError};
use dst_core::units::Sectors;
use serde_json::json;
use std::io;
use std::path::Path;

/// `dst label`
pub fn label(env: &mut Env<'_>, args: &LabelArgs) -> Result<(), Error> {
    if args.udev {
        return udev(env, &args.device);
    }
    let device = args.device.display();
    let found = label::read(&args.device)
        .map_err(|error| failed(format!("cannot read the label of {device}"), &error))?;
    if args.wipe {
        return wipe(env, args, &found);
    }
    match found {
        Ok(choice) => show(env, &args.device, &choice),
        Err(LabelError::None) => Err(Error::new(
            Exit::NotFound,
            format!("{device} has no label of DST"),
        )),
        Err(error) => Err(Error::new(Exit::Failed, format!("{device}: {error}"))),
    }
}

fn failed(what: String, error: &io::Error) -> Error {
    let exit = match error.kind() {
        io::ErrorKind::NotFound => Exit::NotFound,
        io::ErrorKind::PermissionDenied => Exit::Permission,
        io::ErrorKind::ResourceBusy => Exit::Busy,
        _ => Exit::Failed,
    };
    Error::new(exit, what).why(error.to_string())
}

/// Prints what udev is to know. Nothing is known of most devices, which is no error worth a word.
fn udev(env: &mut Env<'_>, device: &Path) -> Result<(), Error> {
    let disk = device.file_name().and_then(|name| name.to_str());
    let disk = disk.filter(|name| *name == "dst" || name.starts_with("dst-"));
    let mut properties = disk
        .map(|disk| label::storage_properties(disk, Path::new(label::DEVICES)))
        .unwrap_or_default();
    if let Ok(found) = label::read(device) {
        properties.extend(label::node_properties(&found));
    }
    let lines = properties.iter();
    let lines: Vec<String> = lines
        .map(|(key, value)| format!("{key}={value}\n"))
        .collect();
    env.print(&lines.concat())
}

fn wipe(
    env: &mut Env<'_>,
    args: &LabelArgs,
    found: &Result<Choice, LabelError>,
) -> Result<(), Error> {
    let device = args.device.display();
    if matches!(found, Err(LabelError::None)) {
        return env.print(&format!("{device} has no label of DST\n"));
    }
    if env.dry_run {
        return env.print(&format!("the label of {device} would be overwritten\n"));
    }
    label::wipe(&args.device).map_err(|error| {
        failed(format!("cannot overwrite the label of {device}"), &error)
            .hint("a device that is a node or exported cannot be wiped: \"dst status\", \"dst export list\"")
    })?;
    let was = match found {
        Ok(choice) => format!(
            "{device} does not belong to storage \"{}\" any more\n",
            choice.label.name
        ),
        Err(_) => format!("{device} has no label of DST any more\n"),
    };
    env.print(&was)
}

fn show(env: &mut Env<'_>, device: &Path, choice: &Choice) -> Result<(), Error> {
    let label = &choice.label;
    if env.json {
        return env.print_json(&json!({"label": {
            "device": device.display().to_string(),
            "storage": label.name.to_string(),
            "storage_uuid": uuid_text(&label.storage),
            "node_uuid": uuid_text(&label.node),
            "algorithm": label.algorithm.to_string(),
            "index": label.index,
            "node_count": label.node_count,
            "start_sectors": label.start,
            "size_sectors": label.size,
            "epoch": label.epoch,
            "state": state_name(label),
            "partner": label.partner.as_ref().map(|partner| json!({
                "node_uuid": uuid_text(&partner.node),
                "place": partner.place.to_string(),
            })),
            "events": label.events,
            "created": label.created,
            "updated": label.updated,
        }}));
    }
    let copies = match (choice.other_stale, choice.place) {
        (false, _) => "both copies are good",
        (true, Copy::A) => "the second copy is damaged or older; the next start writes it anew",
        (true, Copy::B) => "the first copy is damaged or older; the next start writes it anew",
    };
    env.print(&format!(
        "{}: node {} of {} of storage \"{}\" ({})\n  \
         storage uuid {}, epoch {}\n  node uuid {}\n  \
         {} {} from sector {} of the storage on\n  {copies}\n",
        device.display(),
        label.index,
        label.node_count,
        label.name,
        label.algorithm,
        uuid_text(&label.storage),
        label.epoch,
        uuid_text(&label.node),
        role(label),
        Sectors(label.size),
        label.start,
    ))
}

fn state_name(label: &Label) -> &'static str {
    match label.state {
        state::COPY => "copy",
        state::REPLACED => "replaced",
        _ => "holds",
    }
}

/// What the device is to its node, as the begin of a line.
fn role(label: &Label) -> String {
    let place = label.partner.as_ref();
    let place = place.map(|partner| partner.place.to_string());
    let place = match place {
        Some(place) if !place.is_empty() => format!(", {place}"),
        _ => String::new(),
    };
    match label.state {
        state::COPY => format!(
            "is a copy of the node's other device{place}; not to be used without it\n  would hold"
        ),
        state::REPLACED => {
            format!("is not used any more: the node has moved to another device{place}\n  held")
        }
        _ => "holds".to_string(),
    }
}
