//! The world: time, the queue of steps, and who does what in each.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_core::receive::intake::{Answer, Content};
use tidegate_types::position::FrameNumber;

use crate::consumer::{Consumer, FETCH_EVERY};
use crate::context::{Context, Request, Step};
use crate::deliverer::operator::OPERATE_EVERY;
use crate::deliverer::{self, Deliverer};
use crate::disk::SimDisk;
use crate::faults::Doom;
use crate::invariants::{Audit, Seen};
use crate::item::Offered;
use crate::node::parks::Parks;
use crate::node::{Answers, Node, Ticket, started};
use crate::poller::{POLL_EVERY, Poller};
use crate::report::{Outcome, Report, Rule};
use crate::scenario::{FLOWS, SUBSCRIPTIONS, Scenario, Settings};
use crate::seeds::Playable;
use crate::sender::Sender;
use crate::subscriber::{READ_EVERY, Subscriber};

/// Steps of one run at most: far more than any takes, so that a world that spins ends.
const STEPS_MAX: u64 = 200_000;

/// How often it is asked whether everything has come to rest.
const CHECK_EVERY: Duration = Duration::from_millis(250);

/// The flow whose identities are remembered for a limited time, and how long.
const FORGETFUL: (usize, Duration) = (1, Duration::from_secs(5));

/// Everything there is. See the module's documentation.
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) cx: Context,
    pub(crate) node: Node,
    pub(crate) senders: Vec<Sender>,
    pub(crate) subscribers: Vec<Subscriber>,
    pub(crate) consumers: Vec<Consumer>,
    pub(crate) poller: Poller,
    pub(crate) flows: Vec<Deliverer>,
    pub(crate) audit: Audit,
    /// Requests at the node, with what they offered.
    pub(crate) requests: BTreeMap<Request, Offered>,
    pub(crate) lossy_until: Duration,
    /// How the machine will go down.
    pub(crate) doom: Option<Doom>,
    /// Nothing goes wrong any more.
    pub(crate) healed: bool,
    done: bool,
}

impl Playable for Scenario {
    type Report = Report;

    fn play(&self, seed: u64) -> Outcome {
        run(self, seed)
    }
}

/// Plays the scenario from a seed, to its end or to the first violation.
#[must_use]
pub fn run(scenario: &Scenario, seed: u64) -> Outcome {
    let mut world = World::new(scenario.clone(), seed);
    world.play();
    world.outcome(seed)
}

impl World {
    fn new(scenario: Scenario, seed: u64) -> Self {
        let mut cx = Context::new(seed);
        let settings = Settings::drawn(&mut cx.random);
        let disk = SimDisk::new(cx.random.next(), scenario.sabotage);
        let parks = Parks::new(&mut cx.random, scenario.sabotage);
        let large = settings.large_per_sender;
        let senders = (0..scenario.senders).map(|index| Sender::new(index, large));
        Self {
            senders: senders.collect(),
            subscribers: SUBSCRIPTIONS.iter().copied().map(Subscriber::new).collect(),
            consumers: Consumer::all(scenario.sabotage),
            node: Node::new(disk, settings, parks, scenario.sabotage),
            poller: Poller::new(scenario.senders),
            flows: deliverer::all(&FLOWS, &mut cx.random),
            audit: Audit::new(),
            requests: BTreeMap::new(),
            lossy_until: Duration::ZERO,
            doom: None,
            healed: false,
            done: false,
            scenario,
            cx,
        }
    }

    fn play(&mut self) {
        self.restart();
        for sender in 0..self.senders.len() {
            let wait = self.cx.random.around(self.scenario.send_every);
            self.cx.after(wait, Step::Send { sender });
        }
        for subscriber in 0..self.subscribers.len() {
            self.cx.after(READ_EVERY, Step::Read { subscriber });
        }
        for consumer in 0..self.consumers.len() {
            self.cx.after(FETCH_EVERY, Step::Fetch { consumer });
        }
        self.cx.after(POLL_EVERY, Step::Poll);
        self.cx.after(OPERATE_EVERY, Step::Operate);
        self.cx.after(self.scenario.fault_every, Step::Fault);
        self.cx.after(self.scenario.duration, Step::Heal);
        while !self.done
            && self.cx.violations.is_empty()
            && let Some(step) = self.cx.next()
        {
            self.perform(&step);
            if self.node.stopped() {
                self.crash();
            }
            self.look();
            if self.cx.steps >= STEPS_MAX {
                self.cx
                    .violate(Rule::Liveness, "the world spins".to_owned());
            }
        }
    }

    /// Looks at the invariants, unless the machine is down or something is broken already.
    fn look(&mut self) {
        if let Some(up) = &self.node.up
            && !self.node.stopped()
            && self.cx.violations.is_empty()
        {
            let seen = Seen {
                reader: &*up.reader,
                cursors: up.intake.cursors(),
                parks: &self.node.parks.stores,
            };
            self.audit.follow(&mut self.cx, &seen);
        }
    }

    fn outcome(mut self, seed: u64) -> Outcome {
        self.cx.report.virtual_time = self.cx.now;
        self.cx.report.steps = self.cx.steps;
        self.cx.report.events = self.audit.events();
        let broken = !self.cx.violations.is_empty();
        Outcome {
            seed,
            trace: if broken { self.cx.trace() } else { Vec::new() },
            digest: self.cx.digest(),
            report: self.cx.report,
            violations: self.cx.violations,
        }
    }

    fn perform(&mut self, step: &Step) {
        let lossy = self.cx.now < self.lossy_until;
        let cx = &mut self.cx;
        match *step {
            Step::Send { sender } if !self.healed => self.send(sender, lossy),
            Step::Retry { sender, item } => {
                self.with_sender(sender, |cx, actor| actor.retry(cx, item, lossy));
            }
            Step::Reply { request, accepted } => {
                self.with_sender(request.sender, |cx, actor| {
                    actor.reply(cx, request, accepted)
                });
            }
            Step::Expire { request } => {
                self.with_sender(request.sender, |cx, actor| actor.expire(cx, request));
            }
            Step::Arrive { request } => self.arrive(request),
            Step::Write { life } if life == self.node.life => self.node.write(cx),
            Step::Settle { life } if life == self.node.life => {
                let answers = self.node.settle(cx);
                self.answer(answers);
                self.tell_flows();
            }
            Step::Apply { life } if life == self.node.life => {
                let answers = self.node.apply(cx);
                self.answer(answers);
            }
            Step::Look { life } if life == self.node.life => {
                let flows = self.flows_low();
                let answers = self.node.look(&mut self.cx, flows);
                self.answer(answers);
            }
            Step::Write { .. } | Step::Settle { .. } | Step::Apply { .. } | Step::Look { .. } => {}
            Step::Read { subscriber } => self.read(subscriber),
            Step::Acknowledge { subscriber, place } => self.acknowledge(subscriber, place),
            Step::Fetch { consumer } => self.fetch(consumer),
            Step::Poll => self.poll(),
            Step::Polled { life, attempt } if life == self.node.life => self.polled(attempt),
            Step::Polled { .. } => {}
            Step::Drive { flow, life } if life == self.node.life => self.drive(flow),
            Step::FlowPage { flow, life } if life == self.node.life => self.flow_page(flow),
            Step::FlowFetch { flow, life } if life == self.node.life => self.flow_fetch(flow),
            Step::Park { flow, life } if life == self.node.life => self.park(flow),
            Step::Answered {
                flow,
                life,
                attempt,
            } if life == self.node.life => self.answered(flow, attempt),
            Step::Drive { .. }
            | Step::FlowPage { .. }
            | Step::FlowFetch { .. }
            | Step::Park { .. }
            | Step::Answered { .. } => {}
            Step::Operate => self.operate(),
            Step::Fault if !self.healed => self.fault(),
            Step::Doom { life } if life == self.node.life && self.doom.is_some() => self.crash(),
            Step::Send { .. } | Step::Fault | Step::Doom { .. } => {}
            Step::DiskFreed => {
                self.node.disk.limit(None);
                self.node.parks.heal();
            }
            Step::Restart => self.restart(),
            Step::Heal => self.heal(),
            Step::Check => self.check(),
        }
    }

    fn send(&mut self, sender: usize, lossy: bool) {
        self.with_sender(sender, |cx, actor| actor.send(cx, lossy));
        let wait = self.cx.random.around(self.scenario.send_every);
        self.cx.after(wait, Step::Send { sender });
    }

    fn with_sender(&mut self, sender: usize, act: impl FnOnce(&mut Context, &mut Sender)) {
        if let Some(actor) = self.senders.get_mut(sender) {
            act(&mut self.cx, actor);
        }
    }

    fn arrive(&mut self, request: Request) {
        let (Some(up), Some(sender)) = (&self.node.up, self.senders.get(request.sender)) else {
            return;
        };
        let mut horizon = FrameNumber(0);
        if request.sender == FORGETFUL.0 {
            let since = self.cx.wall().minus(FORGETFUL.1);
            horizon = up.reader.frame_at_time(since).unwrap_or_default();
        }
        let (offered, content) = sender.flow.offer(self.cx.wall(), &request.item, horizon);
        let large = matches!(&content, Content::Event { entry, .. } if !entry.fits_frame());
        if large && !self.healed {
            self.break_series();
        }
        self.audit.offered(&offered, horizon);
        self.requests.insert(request, offered);
        let answers = self
            .node
            .offer(&mut self.cx, Ticket::Request(request), content);
        self.answer(answers);
    }

    /// Answers leave the node.
    pub(crate) fn answer(&mut self, answers: Answers) {
        // What is answered must be seen by readers by now.
        self.look();
        for (ticket, answer) in answers {
            let request = match ticket {
                Ticket::Request(request) => request,
                Ticket::Flow { flow, serial } => {
                    self.part_answered(flow, serial, &answer);
                    continue;
                }
                Ticket::Page => {
                    self.page_answered(&answer);
                    continue;
                }
                Ticket::Park { flow } => {
                    self.park_told(flow, &answer);
                    continue;
                }
                Ticket::Cursor { .. } | Ticket::Own(_) => continue,
            };
            let Some(offered) = self.requests.remove(&request) else {
                continue;
            };
            let accepted = !matches!(answer, Answer::Refused(_));
            if accepted && !self.node.stopped() {
                self.audit.answered(&mut self.cx, &offered, &answer);
            }
            let lossy = self.cx.now < self.lossy_until;
            if !self.cx.random.chance(if lossy { 500 } else { 10 }) {
                let delay = self.cx.random.around(Duration::from_millis(6));
                self.cx.after(delay, Step::Reply { request, accepted });
            }
        }
    }

    /// The node has started: the log must hold what it held.
    pub(crate) fn started(&mut self) {
        if let Some(up) = &self.node.up {
            let parks = &self.node.parks;
            let content = self.node.views.content();
            self.audit
                .restarted(&mut self.cx, &*up.reader, content, parks);
        }
        self.look();
        self.restart_poll();
        self.start_flows();
        self.start_parks();
        let (ticket, content) = started(&self.cx);
        let answers = self.node.offer(&mut self.cx, ticket, content);
        self.answer(answers);
    }

    fn heal(&mut self) {
        self.healed = true;
        self.doom = None;
        self.node
            .disk
            .set_faults(tidegate_core::log::memdisk::Faults::default());
        self.node.disk.limit(None);
        self.node.parks.heal();
        self.node.slow_until = Duration::ZERO;
        self.node.views_stall_until = Duration::ZERO;
        self.lossy_until = Duration::ZERO;
        for subscriber in &mut self.subscribers {
            subscriber.stalled_until = Duration::ZERO;
        }
        for consumer in &mut self.consumers {
            consumer.stalled_until = Duration::ZERO;
        }
        for flow in &mut self.flows {
            flow.endpoint.heal();
        }
        self.cx.after(CHECK_EVERY, Step::Check);
    }

    /// Has everything come to rest? Then a last loss of power, and a last look at all there is.
    fn check(&mut self) {
        let pending: usize = self.senders.iter().map(Sender::pending).sum();
        let unread = self.audit.unread(self.node.cursors());
        let unread = unread.or_else(|| self.audit.unfetched()).map(str::to_owned);
        let unpolled = self.unpolled();
        let unread = unread.or_else(|| self.audit.deliveries.unsettled());
        let rests = pending == 0 && unread.is_none() && unpolled.is_none();
        let quiet = self.node.is_quiet() && self.flows.iter().all(Deliverer::is_quiet);
        if rests && quiet {
            self.cx.report.rested_after = self.cx.now.saturating_sub(self.scenario.duration);
            self.doom = Some(Doom::Power);
            self.crash();
            self.restart();
            self.done = true;
            if let Some(up) = &self.node.up {
                self.audit.finish(&mut self.cx, &*up.reader);
                if let Some(views) = self.node.views.content() {
                    let stood = (views, self.node.parks.stores.as_slice());
                    self.audit.balance(&mut self.cx, &*up.reader, stood);
                }
            }
            self.audit.fed(&mut self.cx);
            self.audit.deliveries.finish(&mut self.cx);
            return;
        }
        if self.cx.now > self.scenario.duration + self.scenario.settle_max {
            if let Some(number) = unpolled.filter(|_| pending == 0 && unread.is_none()) {
                let detail = format!("item {number} of the source was passed over");
                return self.cx.violate(Rule::Poll, detail);
            }
            let detail = format!(
                "{pending} items are not acknowledged; unread: {unread:?}; not polled: {unpolled:?}"
            );
            return self.cx.violate(Rule::Liveness, detail);
        }
        self.cx.after(CHECK_EVERY, Step::Check);
    }
}
