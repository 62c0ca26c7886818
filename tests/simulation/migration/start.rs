// SPDX-License-Identifier: GPL-2.0

//! The start: from a command line to the devices that hold the storage.

use super::{
    client::{Client, Stage},
    works::{Job, Owner, Result, Work},
    World,
};
use crate::{
    core::label::{holders, Change, Label, Refusal, Role},
    fault,
};
use std::collections::BTreeMap;

/// What the labels say.
#[derive(Clone, PartialEq, Eq)]
struct Plan {
    roles: BTreeMap<usize, Role>,
    /// The device that holds the node that moves.
    main: usize,
    /// One that has to take over, by the word of which.
    takes_over: Option<usize>,
    unsettled: Option<usize>,
    events: u64,
}

/// What is being done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Look,
    Claim,
    LookAgain,
    TakeOver,
    Tell,
    Settle,
}

/// A start.
pub struct Start {
    list: Vec<usize>,
    step: Step,
    waiting: usize,
    found: BTreeMap<usize, (Option<Box<Label>>, u64)>,
    plan: Option<Plan>,
    pub(super) since: u64,
}

impl Start {
    /// With these devices.
    pub fn new(list: Vec<usize>, since: u64) -> Self {
        Self {
            list,
            step: Step::Look,
            waiting: 0,
            found: BTreeMap::new(),
            plan: None,
            since,
        }
    }

    fn label(&self, server: usize) -> Option<&Label> {
        let (label, _) = self.found.get(&server)?;
        // Epoch 0: as if it had none.
        label.as_deref().filter(|label| label.epoch != 0)
    }

    fn judge(&self) -> std::result::Result<Plan, &'static str> {
        let labelled = self
            .list
            .iter()
            .filter_map(|server| Some((*server, self.label(*server)?)));
        let (servers, labels): (Vec<_>, Vec<_>) = labelled.unzip();
        let mut roles = vec![Role::Copy; labels.len()];
        let holders = holders(&labels, &mut roles).map_err(|refusal| match refusal {
            Refusal::NeedsNew(..) => "start refused: the new device is missing",
            Refusal::NeedsOld(..) => "start refused: the old device is missing",
            Refusal::Missing(_) => "start refused: a node is missing",
            Refusal::Behind(..) => "start refused: an image of earlier times",
            Refusal::Two(..) => "start refused: two devices for a node",
            Refusal::Nothing => "start refused: no device has a label",
            Refusal::Other(_) => "start refused: another storage",
        })?;
        let at = |place: usize| servers[place];
        let main =
            (0..roles.len()).find(|place| roles[*place].holds() && labels[*place].index == 0);
        let takes = roles
            .iter()
            .position(|role| matches!(role, Role::TakesOver(_)));
        Ok(Plan {
            roles: servers.iter().copied().zip(roles.iter().copied()).collect(),
            main: at(main.ok_or("start refused: a node is missing")?),
            takes_over: takes.map(at),
            unsettled: holders.unsettled.map(at),
            events: holders.events,
        })
    }

    /// The devices that are claimed: those that are used, and that on whose word one is.
    fn claimed(&self, plan: &Plan) -> Vec<usize> {
        let servers: Vec<usize> = plan.roles.keys().copied().collect();
        let word = |server: &usize| {
            let place = self.places().iter().position(|at| at == server);
            plan.roles
                .values()
                .any(|role| matches!(role, Role::TakesOver(at) if Some(*at) == place))
        };
        let claimed = |server: &usize| plan.roles[server].holds() || word(server);
        servers.into_iter().filter(claimed).collect()
    }

    fn places(&self) -> Vec<usize> {
        let labelled = |server: &usize| self.label(*server).is_some();
        self.list.iter().copied().filter(labelled).collect()
    }

    fn node(&self, server: usize) -> [u8; 16] {
        self.label(server).map_or([0; 16], |label| label.node)
    }
}

impl World {
    /// The devices of a start are looked at.
    pub(super) fn begin_start(&mut self, client: u64) {
        let Some((own, start)) = self.starting(client) else {
            return;
        };
        let list = start.list.clone();
        let servers = own;
        for server in 0..servers {
            self.connect(client, server);
        }
        self.wave(
            client,
            Step::Look,
            list.into_iter().map(|server| (server, Job::Read)).collect(),
        );
    }

    fn starting(&mut self, client: u64) -> Option<(usize, &mut Start)> {
        let own = self.client(client)?;
        let servers = own.lines.len();
        match &mut own.stage {
            Stage::Starting(start) => Some((servers, start)),
            Stage::Running => None,
        }
    }

    fn wave(&mut self, client: u64, step: Step, jobs: Vec<(usize, Job)>) {
        let Some((_, start)) = self.starting(client) else {
            return;
        };
        start.step = step;
        start.waiting = jobs.len();
        if jobs.is_empty() {
            return self.wave_ends(client);
        }
        for (server, job) in jobs {
            let owner = Owner::Start;
            self.begin_work(client, Work::new(owner, server, job));
        }
    }

    /// A device has answered.
    pub(super) fn start_goes_on(&mut self, client: u64, server: usize, result: Result) {
        let Some((_, start)) = self.starting(client) else {
            return;
        };
        match result {
            Result::Failed(_) => {
                self.note("start failed");
                return self.retire(client);
            }
            Result::Label(label, epoch) => {
                start.found.insert(server, (label, epoch));
            }
            Result::Done => {}
        }
        start.waiting -= 1;
        if start.waiting == 0 {
            self.wave_ends(client);
        }
    }

    fn wave_ends(&mut self, client: u64) {
        let Some((_, start)) = self.starting(client) else {
            return;
        };
        match start.step {
            Step::Look => self.first_look(client),
            Step::Claim if fault::is("look-once") => self.go_on_after(client, Step::LookAgain),
            Step::Claim => {
                let list = start.list.clone();
                let jobs = list.into_iter().map(|server| (server, Job::Read)).collect();
                self.wave(client, Step::LookAgain, jobs);
            }
            Step::LookAgain => {
                let plan = start.judge();
                let same = plan.as_ref().ok() == start.plan.as_ref();
                if !same || !self.is_owner(client) {
                    self.note("labels changed during a start");
                    return self.retire(client);
                }
                self.go_on_after(client, Step::LookAgain);
            }
            step => self.go_on_after(client, step),
        }
    }

    /// Whether all that was claimed still says so.
    fn is_owner(&mut self, client: u64) -> bool {
        let epoch = self.client(client).map(|own| own.epoch);
        let Some((_, start)) = self.starting(client) else {
            return false;
        };
        let claimed = start.plan.iter().flat_map(|plan| start.claimed(plan));
        let mut labels = claimed.map(|server| start.label(server));
        labels.all(|label| label.map(|label| label.epoch) == epoch)
    }

    fn first_look(&mut self, client: u64) {
        let Some((_, start)) = self.starting(client) else {
            return;
        };
        let plan = match start.judge() {
            Ok(plan) => plan,
            Err(refusal) => {
                self.refused = Some(refusal);
                self.note(refusal);
                return self.retire(client);
            }
        };
        let recorded = start.list.iter().filter_map(|server| start.label(*server));
        let in_force = start.found.values().map(|(_, epoch)| *epoch);
        let epoch = recorded
            .map(|label| label.epoch)
            .chain(in_force)
            .max()
            .unwrap_or(0)
            + 1;
        let jobs = start
            .claimed(&plan)
            .into_iter()
            .map(|server| (server, Job::Claim(epoch)));
        let jobs = jobs.collect();
        start.plan = Some(plan);
        if let Some(own) = self.client(client) {
            own.epoch = epoch;
        }
        self.wave(client, Step::Claim, jobs);
    }

    /// The labels are brought into order, and then the storage runs.
    fn go_on_after(&mut self, client: u64, step: Step) {
        let Some((_, start)) = self.starting(client) else {
            return;
        };
        let Some(plan) = start.plan.clone() else {
            return;
        };
        let update = |server: usize, change| (server, Job::Update(start.node(server), change));
        let events = plan.events;
        let others = plan
            .roles
            .iter()
            .filter(|(server, role)| role.holds() && Some(**server) != plan.unsettled);
        let told = others
            .map(|(server, _)| update(*server, Change::Told { events }))
            .collect();
        let takes = plan
            .takes_over
            .map(|server| update(server, Change::TakenOver { events }));
        let settles = plan.unsettled.map(|server| update(server, Change::Settled));
        match (step, plan.unsettled) {
            (Step::LookAgain, Some(_)) => {
                self.note(match takes {
                    Some(_) => "start takes over",
                    None => "start settles",
                });
                self.wave(client, Step::TakeOver, takes.into_iter().collect());
            }
            (Step::TakeOver, _) => self.wave(client, Step::Tell, told),
            (Step::Tell, _) => self.wave(client, Step::Settle, settles.into_iter().collect()),
            _ => self.start_ends(client, plan),
        }
    }

    fn start_ends(&mut self, client: u64, plan: Plan) {
        let Some((_, start)) = self.starting(client) else {
            return;
        };
        let label = start.label(plan.main).copied();
        let given = start.list.clone();
        let label = label.and_then(|label| {
            let events = plan.events;
            let label = match plan.takes_over {
                Some(_) => label
                    .change(label.node, &Change::TakenOver { events })
                    .ok()?,
                None => label,
            };
            label.change(label.node, &Change::Settled).ok()
        });
        let Some(own) = self.client(client) else {
            return;
        };
        let epoch = own.epoch;
        let label = label.map(|label| Label { epoch, ..label });
        own.stage = Stage::Running;
        own.main = plan.main;
        own.label = label;
        own.mover.events = plan.events;
        own.mover.target = 1 - plan.main;
        self.note(
            match (given.contains(&0) && given.contains(&1), plan.main) {
                (true, _) => "started with both devices",
                (false, 0) => "started with the first device",
                (false, _) => "started with the second device",
            },
        );
        self.runs(client);
    }

    /// The application asks another client from now on.
    fn runs(&mut self, client: u64) {
        for server in 0..self.servers.len() {
            self.connect(client, server);
        }
        let old: Vec<u64> = self
            .clients
            .keys()
            .copied()
            .filter(|other| *other < client)
            .collect();
        if !old.is_empty() {
            self.note("two owners at once");
        }
        self.tell(format_args!("client {client} runs"));
    }

    /// A client that starts, with a command line.
    pub(super) fn new_client(&mut self, list: Vec<usize>) -> u64 {
        self.number += 1;
        let client = self.number;
        let most = self.between(100_000, 4_000_000);
        let patience = self.between(100_000, most);
        self.tell(format_args!("client {client} starts with {list:?}"));
        let start = Start::new(list, self.now);
        let own = Client::new(self.servers.len(), start, patience);
        self.clients.insert(client, own);
        self.begin_start(client);
        self.after(50_000, super::Event::Watch(client));
        client
    }
}
