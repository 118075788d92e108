//! A flow that delivers: the shell around the machine, as the real one is, without its sockets.

pub(crate) mod endpoint;
pub(crate) mod operator;
mod pages;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidegate_core::deliver::{
    Answer, Append, AttemptId, AttemptResult, Delivery, Failure, Note, Output, ReadRequest,
    Restored, Send, SetAside, Settings,
};
use tidegate_core::log::entry::{Entry, EventEntry, Fault};
use tidegate_core::receive::intake::{Answer as LogAnswer, Content};
use tidegate_types::event::Raw;
use tidegate_types::id::EventId;
use tidegate_types::position::{FrameNumber, Place};
use tidegate_types::time::UnixMillis;

use crate::context::Step;
use crate::node::Ticket;
use crate::node::parks::Store;
use crate::random::Random;
use crate::report::Situation;
use crate::scenario::{Delivering, Sabotage, delivery_settings};
use crate::world::World;
use endpoint::Endpoint;

/// How long it takes a flow to hear that the log has grown.
const HEARD_AFTER: Duration = Duration::from_millis(25);

/// An event as the shell holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) id: EventId,
    pub(crate) key: String,
    /// All of it, for a fault whose event stands nowhere any more.
    entry: Arc<EventEntry>,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Deliverer {
    pub(crate) flow: &'static Delivering,
    pub(crate) settings: Settings,
    /// While the node is up.
    pub(crate) machine: Option<Delivery<Body>>,
    pub(crate) endpoint: Endpoint,
    read: Option<ReadRequest>,
    fetch: Vec<Place>,
    append: Option<Pending>,
    appends: u64,
    /// What the endpoint will have said, by the request.
    answers: BTreeMap<AttemptId, Answer>,
    wake: Option<Duration>,
    driven: bool,
    /// When it hears that the log has grown.
    hears_at: Duration,
    /// The last frame the machine knows of.
    head: FrameNumber,
}

/// An append whose parts are on their way.
#[derive(Clone, Copy, Debug)]
struct Pending {
    serial: u64,
    waiting: usize,
    refused: bool,
}

impl Deliverer {
    pub(crate) fn new(flow: &'static Delivering, settings: Settings) -> Self {
        Self {
            flow,
            settings,
            machine: None,
            endpoint: Endpoint::default(),
            read: None,
            fetch: Vec::new(),
            append: None,
            appends: 0,
            answers: BTreeMap::new(),
            wake: None,
            driven: false,
            hears_at: Duration::ZERO,
            head: FrameNumber(0),
        }
    }

    /// The process has ended.
    fn stop(&mut self) {
        self.machine = None;
        self.read = None;
        self.fetch.clear();
        self.append = None;
        self.answers.clear();
        self.wake = None;
        self.driven = false;
        self.hears_at = Duration::ZERO;
    }

    /// Whether nothing is on its way.
    pub(crate) fn is_quiet(&self) -> bool {
        let idle = |machine: &Delivery<Body>| {
            let status = machine.status();
            status.in_hand == 0 && status.lanes_held == 0 && status.settling == 0
        };
        self.append.is_none() && self.machine.as_ref().is_some_and(idle)
    }
}

impl World {
    /// The flows go on where the log says that they stood.
    pub(crate) fn start_flows(&mut self) {
        let (Some(up), Some(views)) = (&self.node.up, self.node.views.content()) else {
            return;
        };
        let bounds = up.reader.bounds();
        let first = Place {
            incarnation: bounds.incarnation,
            frame: bounds.first,
            index: 0,
        };
        for (at, flow) in self.flows.iter_mut().enumerate() {
            let progress = views.flows.get(flow.flow.name);
            let known = progress.and_then(tidegate_core::deliver::Progress::restored);
            let mut restored = known.unwrap_or_else(|| Restored::new(first));
            let found = [
                (
                    !restored.retrying.is_empty(),
                    Situation::DeliverRestoredRetry,
                ),
                (!restored.held.is_empty(), Situation::DeliverRestoredHeld),
                (!restored.done.is_empty(), Situation::DeliverRestoredDone),
                (
                    !restored.set_aside.is_empty(),
                    Situation::DeliverRestoredAside,
                ),
            ];
            for (_, situation) in found.into_iter().filter(|(found, _)| *found) {
                self.cx.seen(situation);
            }
            match self.scenario.sabotage {
                Some(Sabotage::DeliverRetryForgotten) => restored.retrying.clear(),
                Some(Sabotage::DeliverDoneForgotten) => restored.done.clear(),
                _ => {}
            }
            let seed = self.cx.random.next();
            let settings = flow.settings.clone();
            flow.machine = Some(Delivery::restore(settings, restored, self.cx.wall(), seed));
            flow.head = bounds.head.frame;
            self.audit.deliveries.started(at, self.cx.now);
        }
        for at in 0..self.flows.len() {
            self.drive_soon(at);
        }
    }

    pub(crate) fn stop_flows(&mut self) {
        self.flows.iter_mut().for_each(Deliverer::stop);
    }

    /// The machine has something to do, soon.
    fn drive_soon(&mut self, at: usize) {
        if let Some(flow) = self.flows.get_mut(at)
            && flow.machine.is_some()
            && !std::mem::replace(&mut flow.driven, true)
        {
            let life = self.node.life;
            self.cx
                .after(Duration::ZERO, Step::Drive { flow: at, life });
        }
    }

    /// The log may have grown.
    pub(crate) fn tell_flows(&mut self) {
        let Some(up) = &self.node.up else {
            return;
        };
        let head = up.reader.bounds().head.frame;
        let life = self.node.life;
        for (at, flow) in self.flows.iter_mut().enumerate() {
            if head > flow.head
                && let Some(machine) = &mut flow.machine
            {
                flow.head = head;
                machine.handle_grown();
                if flow.hears_at <= self.cx.now {
                    let wait = self.cx.random.around(HEARD_AFTER);
                    flow.hears_at = self.cx.now + wait;
                    self.cx.after(wait, Step::Drive { flow: at, life });
                }
            }
        }
    }

    /// The machine says what it wants done, and all of it is begun.
    pub(crate) fn drive(&mut self, at: usize) {
        let now = self.cx.wall();
        if let Some(flow) = self.flows.get_mut(at) {
            flow.driven = false;
        }
        loop {
            let Some(machine) = self.flow_machine(at) else {
                return;
            };
            let Some(output) = machine.poll_output(now) else {
                break;
            };
            match output {
                Output::Send(send) => self.deliver(at, &send),
                Output::Append(append) => self.append(at, append),
                Output::Read(request) => self.read_soon(at, request),
                Output::Fetch(places) => self.fetch_soon(at, places),
                Output::Replayed(_) => {}
                Output::Note(note) => self.flow_note(&note),
            }
        }
        if let Some(machine) = self.flow_machine(at) {
            let timeout = machine.next_timeout();
            let status = machine.status();
            self.audit.deliveries.bounded(&mut self.cx, at, &status);
            self.wake_at(at, timeout);
        }
    }

    fn flow_machine(&mut self, at: usize) -> Option<&mut Delivery<Body>> {
        self.flows.get_mut(at)?.machine.as_mut()
    }

    fn wake_at(&mut self, at: usize, timeout: Option<UnixMillis>) {
        let Some(timeout) = timeout else {
            return;
        };
        let wait = timeout.since(self.cx.wall());
        let due = self.cx.now + wait;
        if let Some(flow) = self.flows.get_mut(at)
            && flow
                .wake
                .is_none_or(|wake| wake <= self.cx.now || due < wake)
        {
            flow.wake = Some(due);
            let life = self.node.life;
            self.cx.after(wait, Step::Drive { flow: at, life });
        }
    }

    fn flow_note(&mut self, note: &Note) {
        let situation = match note {
            Note::BreakerOpened { .. } => Situation::DeliverBreakerOpened,
            Note::BreakerClosed { .. } => Situation::DeliverBreakerClosed,
            Note::Throttled { .. } => Situation::DeliverThrottled,
            Note::KeyBlocked { .. } => Situation::DeliverKeyBlocked,
            Note::KeyUnblocked { .. } => Situation::DeliverKeyUnblocked,
            Note::ResubmissionFailed { .. } => Situation::DeliverAgainFailed,
            Note::FlowHeld { .. } => Situation::DeliverFlowHeld,
            Note::EndpointGone { .. } => Situation::DeliverGone,
            Note::FlowReleased | Note::NotesLost { .. } => return,
        };
        self.cx.seen(situation);
    }

    /// A request leaves, and the endpoint does with it what it does.
    fn deliver(&mut self, at: usize, send: &Send<Body>) {
        let others_wait = self.flows.iter().enumerate().any(|(other, flow)| {
            let open = flow.machine.as_ref().is_some_and(|machine| {
                machine.status().breaker != tidegate_core::deliver::BreakerState::Admitting
            });
            other != at && open
        });
        if others_wait {
            self.cx.seen(Situation::DeliverBesideDead);
        }
        let Some(flow) = self.flows.get_mut(at) else {
            return;
        };
        self.audit
            .deliveries
            .sent(&mut self.cx, at, send, &flow.settings);
        let (answer, processed, wait) = flow.endpoint.serve(&mut self.cx, self.healed, send);
        if processed {
            self.audit.deliveries.processed(&mut self.cx, at, send);
        }
        flow.answers.insert(send.attempt, answer);
        let (life, attempt) = (self.node.life, send.attempt.0);
        let step = Step::Answered {
            flow: at,
            life,
            attempt,
        };
        self.cx.after(wait, step);
    }

    pub(crate) fn answered(&mut self, at: usize, attempt: u64) {
        let (now, attempt) = (self.cx.wall(), AttemptId(attempt));
        let Some(flow) = self.flows.get_mut(at) else {
            return;
        };
        let (Some(machine), Some(answer)) = (&mut flow.machine, flow.answers.remove(&attempt))
        else {
            return;
        };
        let mut told = answer.clone();
        if self.scenario.sabotage == Some(Sabotage::DeliverOutageCounted)
            && told.result == AttemptResult::Failed(Failure::Connect)
        {
            told = Answer::status(404);
        }
        let verdict = machine.handle_answer(now, attempt, &told);
        let counted = verdict.is_some_and(|verdict| verdict.counted);
        self.audit
            .deliveries
            .answered(&mut self.cx, at, attempt, &answer, counted);
        self.drive_soon(at);
    }

    /// Offers all parts to the log.
    fn append(&mut self, at: usize, append: Append<Body>) {
        let Some(flow) = self.flows.get_mut(at) else {
            return;
        };
        let cursor = flow.head;
        let name = flow.flow.name;
        let mut entries: Vec<Entry> = Vec::new();
        if self.scenario.sabotage != Some(Sabotage::DeliverFaultUnwritten) {
            let asides = append.aside.iter();
            entries
                .extend(asides.map(|aside| fault_of(self.event_at(at, aside.place), name, aside)));
        }
        entries.extend(
            append
                .retrying
                .into_iter()
                .map(|it| Entry::Retrying(Box::new(it))),
        );
        entries.extend(
            append
                .closed
                .into_iter()
                .map(|it| Entry::FaultClosed(Box::new(it))),
        );
        if let Some(mut receipts) = append.receipts {
            if self.scenario.sabotage == Some(Sabotage::DeliverLowPast) {
                receipts.low = Place {
                    frame: cursor,
                    ..receipts.low
                }
                .max(receipts.low);
            }
            entries.push(Entry::Receipts(Box::new(receipts)));
        }
        // The parts may come in any order.
        for last in (1..entries.len()).rev() {
            entries.swap(last, self.cx.random.index(last + 1));
        }
        let Some(flow) = self.flows.get_mut(at) else {
            return;
        };
        flow.appends += 1;
        let serial = flow.appends;
        flow.append = Some(Pending {
            serial,
            waiting: entries.len(),
            refused: false,
        });
        for entry in entries {
            let ticket = Ticket::Flow { flow: at, serial };
            let content = Content::Plain(Box::new(entry));
            let answers = self.node.offer(&mut self.cx, ticket, content);
            self.answer(answers);
        }
        self.appended(at);
    }

    /// A part of an append was answered.
    pub(crate) fn part_answered(&mut self, at: usize, serial: u64, answer: &LogAnswer) {
        let Some(pending) = self
            .flows
            .get_mut(at)
            .and_then(|flow| flow.append.as_mut())
            .filter(|pending| pending.serial == serial)
        else {
            return;
        };
        pending.waiting = pending.waiting.saturating_sub(1);
        pending.refused |= *answer != LogAnswer::Noted;
        self.appended(at);
    }

    /// Is the whole append answered?
    fn appended(&mut self, at: usize) {
        let now = self.cx.wall();
        let unsynced = self.scenario.sabotage == Some(Sabotage::DeliverReceiptUnsynced);
        let Some(flow) = self.flows.get_mut(at) else {
            return;
        };
        let (Some(pending), Some(machine)) = (flow.append, &mut flow.machine) else {
            return;
        };
        if pending.waiting > 0 && !unsynced {
            return;
        }
        flow.append = None;
        if pending.refused {
            self.cx.seen(Situation::DeliverAppendRefused);
            machine.handle_refused(now);
        } else {
            machine.handle_appended(now);
        }
        self.drive_soon(at);
    }

    /// The first frame that a flow needs and has not parked.
    pub(crate) fn flows_low(&self) -> Option<FrameNumber> {
        if self.scenario.sabotage == Some(Sabotage::DeliverTrimIgnores) {
            return None;
        }
        let needed = |(flow, store): (&Deliverer, &Store)| {
            let low = flow.machine.as_ref()?.low_water().frame;
            let through = store.through().map(|through| through.frame);
            Some(through.map_or(low, |through| through.max(low)))
        };
        let flows = self.flows.iter().zip(&self.node.parks.stores);
        flows.filter_map(needed).min()
    }
}

/// All flows, each with settings of its own.
pub(crate) fn all(flows: &'static [Delivering], random: &mut Random) -> Vec<Deliverer> {
    let flow = |flow| Deliverer::new(flow, delivery_settings(flow, random));
    flows.iter().map(flow).collect()
}

/// The entry that sets an event aside.
fn fault_of(event: Option<EventEntry>, flow: &str, aside: &SetAside<Body>) -> Entry {
    let kept = || aside.body.as_ref().map(|body| body.entry.as_ref().clone());
    let event = event.or_else(kept);
    let fingerprint = event
        .as_ref()
        .map_or([0; 16], |event: &EventEntry| event.fingerprint);
    Entry::Fault(Box::new(Fault {
        id: aside.fault,
        flow: flow.to_owned(),
        cause: aside.cause,
        blame: aside.blame,
        message: aside.message.clone(),
        time: aside.time,
        external_id: String::new(),
        event,
        raw: Raw::default(),
        fingerprint,
        carried: false,
    }))
}
