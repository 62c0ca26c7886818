// SPDX-License-Identifier: GPL-2.0

//! One request to a remote node that has not started: connecting, hello, labels, a look at data.
//!
//! It is run by a worker, while the thread of the administrator's request waits: polling the
//! network needs more stack than is left below a system call, and the worker's is empty.

use super::{
    remote::{self, Settings},
    wait::Patience,
};
use crate::{
    device::label::Block,
    dst_core::{wire, write_back},
    exec::{JoinHandle, Pool, TaskName, Timer},
    net::client::{Client, ClientError, ClientResult, Identity},
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
    time::Delta,
};

/// How often a server is asked that drains the connections of an earlier client. It waits for that for
/// a second each time.
const DRAINING_TRIES: u32 = 16;

/// An errand uses at most so many incarnations of the connection.
pub const MOST_INCARNATIONS: u64 = DRAINING_TRIES as u64 + 2;

/// Milliseconds between two times.
const DRAINING_MS: i64 = 200;

/// What is to be done over the connection.
pub enum Request {
    /// Nothing: that there is a connection is all.
    Nothing,
    /// Read the label.
    ReadLabel,
    /// Write a label, perhaps in place of another storage's.
    WriteLabel(Block, bool),
    /// Make the owner of this epoch the only one.
    Claim(u64),
    /// Make stable what the server's cache holds.
    Flush,
    /// Read so many bytes from this byte of the data on.
    Read(u64, usize),
}

/// What came back.
pub enum Answer {
    /// It was done.
    Done,
    /// It was flushed, by a server with this identity of boot and cache.
    Flushed(write_back::Identity),
    /// The label's block, if there is a label.
    Label(Option<Block>),
    /// Data.
    Data(KVVec<u8>),
}

/// A request with all that it needs.
pub struct Errand {
    /// The connection; made if there is none.
    pub client: Option<KBox<Client>>,
    /// How it is made.
    pub settings: Settings,
    /// What this side tells of itself then.
    pub identity: Identity,
    /// What is to be done.
    pub request: Request,
}

/// What an errand leaves behind.
pub struct Returned {
    /// The connection, unless it was lost.
    pub client: Option<KBox<Client>>,
    /// The incarnation that was used last.
    pub incarnation: u64,
    /// Whether a connection had to be made.
    pub connected: bool,
    /// The answer.
    pub result: ClientResult<Answer>,
}

/// Whether the connection cannot be used any more after `error`.
pub fn is_lost(error: &ClientError) -> bool {
    match error {
        // The hello tells the epoch in force.
        ClientError::Refused(status, _) => *status == wire::Status::StaleEpoch,
        _ => true,
    }
}

impl Errand {
    /// Makes a connection; one that may only read if the export gives no more.
    async fn connect(&mut self) -> ClientResult<KBox<Client>> {
        let mut timer = Timer::new()?;
        let mut tries = 1;
        loop {
            self.identity.incarnation += 1;
            let attempt = KBox::pin(remote::connect(&self.settings, self.identity), GFP_KERNEL)
                .map_err(Error::from)?;
            match attempt.await {
                Err(ClientError::Refused(wire::Status::ReadOnly, _)) if self.identity.write => {
                    self.identity.write = false;
                }
                // What an earlier client has left at the device comes to its end.
                Err(ClientError::Refused(wire::Status::Draining, _)) if tries < DRAINING_TRIES => {
                    tries += 1;
                    timer.sleep(Delta::from_millis(DRAINING_MS)).await;
                }
                client => return Ok(KBox::new(client?, GFP_KERNEL).map_err(Error::from)?),
            }
        }
    }

    async fn perform(request: &Request, client: &mut Client) -> ClientResult<Answer> {
        // On the heap, as the making of a connection: these futures are large.
        KBox::pin(Self::exchange(request, client), GFP_KERNEL)
            .map_err(Error::from)?
            .await
    }

    async fn exchange(request: &Request, client: &mut Client) -> ClientResult<Answer> {
        match request {
            Request::Nothing => Ok(Answer::Done),
            Request::ReadLabel => {
                let mut block = Block::new()?;
                let found = client.read_label(block.bytes_mut()).await?;
                Ok(Answer::Label(found.then_some(block)))
            }
            Request::WriteLabel(block, force) => {
                client.write_label(block.bytes(), *force).await?;
                Ok(Answer::Done)
            }
            Request::Claim(epoch) => {
                client.claim(*epoch).await?;
                Ok(Answer::Done)
            }
            Request::Flush => {
                client.flush().await?;
                let reply = client.reply();
                Ok(Answer::Flushed((reply.boot, reply.cache)))
            }
            Request::Read(offset, bytes) => {
                let mut data = KVVec::from_elem(0_u8, *bytes, GFP_KERNEL).map_err(Error::from)?;
                client.read(*offset, &mut data).await?;
                Ok(Answer::Data(data))
            }
        }
    }

    async fn go(mut self: KBox<Self>) -> Returned {
        let connected = self.client.is_none();
        let client = match self.client.take() {
            Some(client) => Ok(client),
            None => self.connect().await,
        };
        let (client, result) = match client {
            Err(error) => (None, Err(error)),
            Ok(mut client) => {
                let result = Self::perform(&self.request, &mut client).await;
                let lost = result.as_ref().is_err_and(is_lost);
                ((!lost).then_some(client), result)
            }
        };
        Returned {
            client,
            incarnation: self.identity.incarnation,
            connected,
            result,
        }
    }

    /// Runs the errand on a worker of `pool` and waits for it. A failure to wait costs the
    /// connection.
    ///
    /// Sleeps. Errors: see [`super::wait::Interrupt::run`].
    #[inline(never)]
    pub fn run(self: KBox<Self>, pool: &Pool, patience: Patience<'_>) -> Result<KBox<Returned>> {
        let place = Arc::pin_init(new_mutex!(None, "dst_errand"), GFP_KERNEL)?;
        let task = spawn(self, pool, place.clone())?;
        patience.run(task.joined())?;
        let returned = place.lock().take();
        returned.ok_or(ENOMEM)
    }
}

/// Spawns the task. Apart, so that its future is on the stack only while it is made.
#[inline(never)]
fn spawn(
    errand: KBox<Errand>,
    pool: &Pool,
    place: Arc<Mutex<Option<KBox<Returned>>>>,
) -> Result<JoinHandle> {
    let name = TaskName::with(c"storage-errand", fmt!("{}", errand.settings.address))?;
    pool.spawn(name, async move {
        let returned = errand.go().await;
        if let Ok(returned) = KBox::new(returned, GFP_KERNEL) {
            *place.lock() = Some(returned);
        }
    })
}
