// SPDX-License-Identifier: GPL-2.0

//! Addresses as a person writes them, and looking up their names.

use crate::access::is_host_name;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Port of an export or a node if none is given.
pub const DEFAULT_PORT: u16 = 1025;

/// `host:port`, `address:port`, `[v6]:port`, each also without the port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or a numeric address (IPv6 without brackets, with `%interface` where needed).
    pub host: String,
    /// Port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Reads a port.
pub fn parse_port(text: &str) -> Result<u16, String> {
    match text.parse::<u16>() {
        Ok(port) if port > 0 && text.bytes().all(|b| b.is_ascii_digit()) => Ok(port),
        _ => Err(format!(
            "\"{text}\" is not a port: give a number from 1 to 65535"
        )),
    }
}

impl Endpoint {
    /// An endpoint from a host and a port that were given apart.
    pub fn new(host: &str, port: u16) -> Result<Self, String> {
        let bare = host
            .strip_prefix('[')
            .and_then(|h| h.strip_suffix(']'))
            .unwrap_or(host);
        let address = bare.split_once('%').map_or(bare, |(address, _)| address);
        if address.parse::<IpAddr>().is_ok() || is_host_name(bare) {
            return Ok(Self {
                host: bare.to_string(),
                port,
            });
        }
        Err(format!(
            "\"{host}\" is neither an address nor a host's name"
        ))
    }

    /// Reads an endpoint in one piece.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest
                .split_once(']')
                .ok_or_else(|| format!("\"{text}\" has a '[' without a ']'"))?;
            return match rest.strip_prefix(':') {
                Some(port) => Self::new(host, parse_port(port)?),
                None if rest.is_empty() => Self::new(host, DEFAULT_PORT),
                None => Err(format!("\"{text}\": after the ']' comes nothing or :PORT")),
            };
        }
        match text.split_once(':') {
            None => Self::new(text, DEFAULT_PORT),
            Some((host, port)) if !port.contains(':') => Self::new(host, parse_port(port)?),
            // An IPv6 address without brackets cannot have a port: the last group would be one.
            Some(_) => Self::new(text, DEFAULT_PORT).map_err(|_| {
                format!("\"{text}\" has more than one ':'; write an IPv6 address as [v6]:port")
            }),
        }
    }
}

/// Looks up names and tries addresses: [`crate::lookup`], and the tests' own.
pub trait Resolver {
    /// The addresses of a host, in the order in which they are to be tried.
    fn lookup(&self, endpoint: &Endpoint) -> io::Result<Vec<SocketAddr>>;
    /// Whether something accepts connections at the address.
    fn answers(&self, address: &SocketAddr) -> bool;
    /// At which of the addresses something accepts connections. Takes at most two seconds, however many they are.
    fn which_answer(&self, addresses: &[SocketAddr]) -> Vec<SocketAddr>;
}

/// All addresses of an endpoint. Numeric ones are not looked up.
pub fn addresses(resolver: &dyn Resolver, endpoint: &Endpoint) -> Result<Vec<SocketAddr>, String> {
    if let Some(address) = numeric(endpoint)? {
        return Ok(vec![address]);
    }
    match resolver.lookup(endpoint) {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(format!(
            "cannot look up \"{}\": there is no such name",
            endpoint.host
        )),
        Err(error) => {
            let text = error.to_string();
            let text = text.trim_start_matches("failed to lookup address information: ");
            Err(format!("cannot look up \"{}\": {text}", endpoint.host))
        }
    }
}

/// The address to use for a remote node: the first that answers, or the first of all, whose
/// failure the module then explains.
pub fn choose(resolver: &dyn Resolver, endpoint: &Endpoint) -> Result<SocketAddr, String> {
    let found = addresses(resolver, endpoint)?;
    let only = found[0];
    if found.len() == 1 {
        return Ok(only);
    }
    Ok(found
        .iter()
        .find(|a| resolver.answers(a))
        .copied()
        .unwrap_or(only))
}

fn numeric(endpoint: &Endpoint) -> Result<Option<SocketAddr>, String> {
    let Some((address, zone)) = endpoint.host.split_once('%') else {
        return Ok(endpoint
            .host
            .parse()
            .ok()
            .map(|ip: IpAddr| (ip, endpoint.port).into()));
    };
    let Ok(v6) = address.parse::<Ipv6Addr>() else {
        return Err(format!(
            "\"{}\": only an IPv6 address has a %interface",
            endpoint.host
        ));
    };
    let scope = zone.parse().ok().or_else(|| interface_index(zone));
    let scope = scope.ok_or_else(|| format!("there is no network interface \"{zone}\""))?;
    Ok(Some(SocketAddr::V6(SocketAddrV6::new(
        v6,
        endpoint.port,
        0,
        scope,
    ))))
}

fn interface_index(name: &str) -> Option<u32> {
    if name.is_empty() || name.contains('/') || name == ".." {
        return None;
    }
    let text = std::fs::read_to_string(format!("/sys/class/net/{name}/ifindex")).ok()?;
    text.trim().parse().ok()
}
