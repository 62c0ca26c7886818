// SPDX-License-Identifier: GPL-2.0

//! What a command works with: the module, names, and where its output goes.

use crate::endpoint::{addresses, choose, Endpoint, Resolver};
use crate::error::{Error, Exit};
use crate::hints;
use crate::model;
use crate::netlink::codec::Malformed;
use crate::netlink::{Client, Failure, Request};
use crate::ops;
use crate::output::Style;
use serde_json::{json, Value};
use std::io::{self, Write};
use std::net::SocketAddr;

/// Makes a connection to the module.
pub type Connect<'a> = dyn FnMut() -> Result<Client, Failure> + 'a;

/// Begins to write what the system's caches hold to the disks; what is returned tells whether that is done. It may
/// take long, or for ever, and holds up nobody.
pub type WriteOut<'a> = dyn FnMut() -> io::Result<Box<dyn FnMut() -> bool>> + 'a;

/// Which form of the command line was used: error messages name its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Verbs.
    Verbs,
    /// The options of 2007.
    Legacy,
}

/// The surroundings of a command.
pub struct Env<'a> {
    /// Makes connections to the module.
    pub connect: &'a mut Connect<'a>,
    /// Looks up names.
    pub resolver: &'a dyn Resolver,
    /// Writes caches out.
    pub write_out: &'a mut WriteOut<'a>,
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error.
    pub err: &'a mut dyn Write,
    /// Standard error is a terminal: progress may be shown.
    pub progress: bool,
    /// Colours.
    pub style: Style,
    /// Print JSON.
    pub json: bool,
    /// Do nothing.
    pub dry_run: bool,
    /// Form of the command line.
    pub form: Form,
}

impl Env<'_> {
    /// Connects to the module, or makes a client that only keeps requests.
    pub fn client(&mut self, what: &str) -> Result<Client, Error> {
        if self.dry_run {
            return Ok(Client::dry_run());
        }
        (self.connect)().map_err(|failure| Error::from_failure(what, failure))
    }

    /// Makes a request; a failure names `what` could not be done.
    pub fn call(
        &self,
        client: &mut Client,
        request: &Request,
        what: impl FnOnce() -> String,
    ) -> Result<Vec<crate::netlink::client::Reply>, Error> {
        client
            .call(request)
            .map_err(|failure| self.explain(what(), request, failure))
    }

    /// Turns a failure of a request into an error with option and hints.
    pub fn explain(&self, what: String, request: &Request, failure: Failure) -> Error {
        let mut error = Error::from_failure(what, failure);
        if let Some(attribute) = &error.attribute {
            error.option = hints::option_of(self.form, request.name, attribute);
        }
        if let Some(hint) = hints::hint(self.form, request, &error) {
            error.hints.push(hint);
        }
        error
    }

    /// All objects that a dump tells of.
    pub fn dump<T>(
        &self,
        client: &mut Client,
        request: &Request,
        what: &str,
        decode: impl Fn(&[u8]) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Error> {
        let replies = client
            .dump(request)
            .map_err(|failure| self.explain(what.to_string(), request, failure))?;
        replies
            .iter()
            .map(|reply| decode(&reply.attributes))
            .collect::<Result<Vec<T>, _>>()
            .map_err(|malformed| Error::from_failure(what, Failure::Malformed(malformed)))
    }

    /// One storage, `None` if there is none of that name.
    pub fn storage(
        &self,
        client: &mut Client,
        name: &str,
    ) -> Result<Option<model::Storage>, Error> {
        let what = || format!("cannot look at storage \"{name}\"");
        let request = ops::storage_get(name);
        match client.call(&request) {
            Ok(replies) => match replies.first() {
                Some(reply) => model::Storage::decode(&reply.attributes)
                    .map(Some)
                    .map_err(|m| Error::from_failure(what(), Failure::Malformed(m))),
                None => Ok(None),
            },
            Err(Failure::Refused(refusal)) if refusal.errno == crate::error::errno::ENOENT => {
                Ok(None)
            }
            Err(failure) => Err(self.explain(what(), &request, failure)),
        }
    }

    /// The address to use for a remote node. A dry run does not knock on any.
    pub fn node_address(&self, endpoint: &Endpoint) -> Result<SocketAddr, Error> {
        if self.dry_run {
            return self.addresses(endpoint).map(|found| found[0]);
        }
        choose(self.resolver, endpoint).map_err(|why| lookup_error(endpoint, &why))
    }

    /// All addresses of an endpoint.
    pub fn addresses(&self, endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Error> {
        addresses(self.resolver, endpoint).map_err(|why| lookup_error(endpoint, &why))
    }

    /// Prints the result of a command that changed something: `text` for a person, or the
    /// operations of a dry run, or `data` as JSON.
    pub fn finish(&mut self, client: &Client, text: &str, data: Value) -> Result<(), Error> {
        if let Some(kept) = client.kept() {
            return self.print_plan(kept);
        }
        if self.json {
            return self.print_json(&data);
        }
        self.print(text)
    }

    fn print_plan(&mut self, requests: &[Request]) -> Result<(), Error> {
        // Looking does no harm, so it is not part of the plan.
        let changes: Vec<&Request> = requests
            .iter()
            .filter(|r| !r.name.ends_with("-get"))
            .collect();
        if self.json {
            return self.print_json(&json!({"operations": changes}));
        }
        let lines: Vec<String> = changes.iter().map(|r| format!("{r}\n")).collect();
        self.print(&lines.concat())
    }

    /// Prints text, which ends with a newline where it is not empty.
    pub fn print(&mut self, text: &str) -> Result<(), Error> {
        written(
            self.out
                .write_all(text.as_bytes())
                .and_then(|()| self.out.flush()),
        )
    }

    /// Prints one JSON object with the version of its schema, on one line.
    pub fn print_json(&mut self, data: &Value) -> Result<(), Error> {
        let mut object = json!({"schema": crate::SCHEMA});
        if let (Some(target), Some(source)) = (object.as_object_mut(), data.as_object()) {
            target.extend(source.clone());
        }
        written(writeln!(self.out, "{object}").and_then(|()| self.out.flush()))
    }

    /// Tells something on the side. Part of no result, so a lost note is no failure.
    pub fn note(&mut self, text: &str) {
        let _ = writeln!(self.err, "note: {text}");
    }

    /// Shows what is being waited for, on a terminal only.
    pub fn progress(&mut self, text: &str) {
        if self.progress && !self.dry_run {
            let _ = writeln!(self.err, "{text}");
        }
    }
}

fn written(result: io::Result<()>) -> Result<(), Error> {
    match result {
        // Whoever read the output has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Error::new(
            Exit::Failed,
            format!("cannot write the output: {error}"),
        )),
        Ok(()) => Ok(()),
    }
}

fn lookup_error(endpoint: &Endpoint, why: &str) -> Error {
    let mut error = Error::new(Exit::NotFound, why.to_string()).hint(format!(
        "give the address in numbers, or add {} to /etc/hosts",
        endpoint.host
    ));
    let device = format!("/dev/{}", endpoint.host);
    if std::path::Path::new(&device).exists() {
        error = error.hint(format!("for the local device write {device}"));
    }
    error
}
