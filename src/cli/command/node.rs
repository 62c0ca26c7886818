// SPDX-License-Identifier: GPL-2.0

//! Adding and removing nodes.

use crate::args::verbs::{Add, Remove};
use crate::command::storage::{check_name, has_started, node_options, report};
use crate::env::Env;
use crate::error::{errno, Error};
use crate::model;
use crate::netlink::client::Reply;
use crate::netlink::{Client, Failure, Request};
use crate::node::{self, NodeSpec, Place};
use crate::ops::{self, NewNode, NodeOptions, NodeSelector, Target};
use std::net::SocketAddr;

/// A node with its name looked up, ready to be added.
pub struct Prepared {
    /// As the user wrote it, for messages.
    label: String,
    new: NewNode,
}

/// Looks up a node's name.
pub fn prepare(env: &Env<'_>, spec: &NodeSpec, options: &NodeOptions) -> Result<Prepared, Error> {
    let target = match &spec.place {
        Place::Local(path) => Target::Local(path.clone()),
        Place::Remote(endpoint) => Target::Remote(env.node_address(endpoint)?),
    };
    let new = NewNode {
        target,
        export: spec.export.clone(),
        index: spec.index,
        start: spec.start,
        size: spec.size,
        options: options.clone(),
    };
    Ok(Prepared {
        label: spec.place.to_string(),
        new,
    })
}

impl Prepared {
    /// What the module is asked for.
    pub fn new_node(&self) -> &NewNode {
        &self.new
    }

    /// Adds the node and gives its index, unless this is a dry run.
    pub fn add(
        &self,
        env: &mut Env<'_>,
        client: &mut Client,
        storage: &str,
    ) -> Result<Option<u32>, Error> {
        // The module opens the device, or connects, before it answers.
        env.progress(&format!("adding node {} ...", self.label));
        let request = ops::node_add(storage, &self.new);
        let what = || format!("cannot add node {} to storage \"{storage}\"", self.label);
        let replies = env.call(client, &request, what)?;
        let Some(reply) = replies.first() else {
            return Ok(None);
        };
        let node = model::Node::decode(&reply.attributes)
            .map_err(|m| Error::from_failure(what(), Failure::Malformed(m)))?;
        Ok(u32::try_from(node.index).ok())
    }
}

/// Gives nodes without a place of their own those that removed nodes have left free: a storage
/// whose nodes have gaps cannot be started.
pub fn fill_gaps(
    env: &Env<'_>,
    client: &mut Client,
    storage: &str,
    nodes: &mut [Prepared],
) -> Result<(), Error> {
    let what = format!("cannot look at the nodes of storage \"{storage}\"");
    let present = env.dump(
        client,
        &ops::node_dump(Some(storage)),
        &what,
        model::Node::decode,
    )?;
    let mut taken: Vec<u32> = present
        .iter()
        .filter_map(|node| u32::try_from(node.index).ok())
        .collect();
    let last = taken.iter().max().copied().unwrap_or(0);
    taken.extend(nodes.iter().filter_map(|node| node.new.index));
    let mut free = (0..last).filter(|index| !taken.contains(index));
    for node in nodes.iter_mut().filter(|node| node.new.index.is_none()) {
        node.new.index = free.next();
    }
    Ok(())
}

/// Removes nodes that this command added, last first, and says so in the error.
pub fn roll_back(client: &mut Client, storage: &str, added: &[u32], error: Error) -> Error {
    for index in added.iter().rev() {
        let which = NodeSelector {
            index: Some(*index),
            ..NodeSelector::default()
        };
        if let Err(failure) = client.call(&ops::node_del(storage, &which)) {
            let second = Error::from_failure(format!("cannot remove node {index}"), failure);
            let why = second.why.clone().unwrap_or_default();
            return error
                .note(format!(
                    "what was done could not be undone: {}: {why}",
                    second.what
                ))
                .hint(format!(
                    "remove it by hand: \"dst remove {storage} {index}\""
                ));
        }
    }
    match added.len() {
        0 => error,
        1 => error.note(format!(
            "storage \"{storage}\" is as before: the node is removed again"
        )),
        n => error.note(format!(
            "storage \"{storage}\" is as before: {n} nodes are removed again"
        )),
    }
}

/// `dst add`
pub fn add(env: &mut Env<'_>, args: &Add) -> Result<(), Error> {
    check_name(&args.storage)?;
    let options = node_options(&args.node, args.force);
    let mut nodes = Vec::new();
    for text in &args.nodes {
        let spec = node::parse(text).map_err(Error::usage)?;
        nodes.push(prepare(env, &spec, &options)?);
    }
    let mut client = env.client(&format!("cannot add nodes to storage \"{}\"", args.storage))?;
    let grows = env
        .storage(&mut client, &args.storage)?
        .is_some_and(|storage| has_started(&storage));
    fill_gaps(env, &mut client, &args.storage, &mut nodes)?;
    let mut added = Vec::new();
    for node in &nodes {
        match node.add(env, &mut client, &args.storage) {
            Ok(index) => added.extend(index),
            Err(error) if grows => return Err(keep(&args.storage, added.len(), error)),
            Err(error) => return Err(roll_back(&mut client, &args.storage, &added, error)),
        }
    }
    report(env, &mut client, &args.storage)?;
    if grows {
        env.note(GROWN);
    }
    Ok(())
}

/// What is left to do when the device of a storage is larger.
pub const GROWN: &str =
    "the device is larger; what is on it is enlarged by its own program, such as \
     resize2fs or xfs_growfs";

/// Says in the error that nodes which were added before stay: a storage that runs cannot lose one.
pub fn keep(storage: &str, added: usize, error: Error) -> Error {
    match added {
        0 => error.note(format!("storage \"{storage}\" runs as before")),
        n => error.note(format!(
            "{n} of the nodes were added before, and stay: storage \"{storage}\" runs"
        )),
    }
}

/// A node as the user names it: by index, device or address.
pub struct Named {
    label: String,
    which: NodeSelector,
    addresses: Vec<SocketAddr>,
}

impl Named {
    /// The node with these properties. A name with several addresses means the first of them
    /// that a node has.
    pub fn new(label: &str, which: NodeSelector, addresses: Vec<SocketAddr>) -> Self {
        Self {
            label: label.to_string(),
            which,
            addresses,
        }
    }

    /// Reads what the user wrote, and looks names up.
    pub fn read(env: &Env<'_>, text: &str) -> Result<Self, Error> {
        let mut which = NodeSelector::default();
        let mut addresses = Vec::new();
        if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
            let index = text.parse();
            which.index = Some(index.map_err(|_| Error::usage(format!("\"{text}\" is no index")))?);
        } else {
            match node::place(text).map_err(Error::usage)? {
                Place::Local(path) => which.path = Some(path),
                Place::Remote(endpoint) => addresses = env.addresses(&endpoint)?,
            }
        }
        Ok(Self::new(text, which, addresses))
    }

    /// As the user wrote it.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Makes the request that `request` composes for the node.
    pub fn call(
        &self,
        env: &Env<'_>,
        client: &mut Client,
        what: &str,
        request: impl Fn(&NodeSelector) -> Request,
    ) -> Result<Vec<Reply>, Error> {
        let mut candidates: Vec<NodeSelector> = self
            .addresses
            .iter()
            .map(|address| NodeSelector {
                address: Some(*address),
                ..self.which.clone()
            })
            .collect();
        if candidates.is_empty() {
            candidates.push(self.which.clone());
        }
        let last = candidates.len() - 1;
        for (i, candidate) in candidates.iter().enumerate() {
            let request = request(candidate);
            match client.call(&request) {
                Ok(replies) => return Ok(replies),
                Err(Failure::Refused(refusal)) if refusal.errno == errno::ENOENT && i < last => {}
                Err(failure) => return Err(env.explain(what.to_string(), &request, failure)),
            }
        }
        Ok(Vec::new())
    }
}

/// `dst remove`
pub fn remove(env: &mut Env<'_>, args: &Remove) -> Result<(), Error> {
    check_name(&args.storage)?;
    let node = Named::read(env, &args.node)?;
    let mut client = env.client(&format!("cannot remove node {}", args.node))?;
    remove_node(env, &mut client, &args.storage, &node)?;
    report(env, &mut client, &args.storage)
}

/// Removes a node.
pub fn remove_node(
    env: &Env<'_>,
    client: &mut Client,
    storage: &str,
    node: &Named,
) -> Result<(), Error> {
    let label = node.label();
    let what = format!("cannot remove node {label} from storage \"{storage}\"");
    node.call(env, client, &what, |which| ops::node_del(storage, which))?;
    Ok(())
}
