//! What several regions make of the whole: what is at risk in them, and what this version does not
//! run. Warnings all of them, so that `check` tells and `plan` shows.

use tidegate_wire::aws::Target;

use super::{Decoder, Regions};
use crate::config::{
    Deliver, Durability, Flow, Hosting, Idempotency, Poll, Registered, System, Topology,
};
use crate::diagnostic::{Code, Problem, Span};
use crate::shape::Fields;

/// Names told in one message; the rest is counted.
const NAMES_TOLD_MAX: usize = 4;

/// All flows of the file.
pub(super) struct Flows<'load> {
    pub(super) received: &'load [Flow],
    pub(super) delivered: &'load [Deliver],
    pub(super) polled: &'load [Poll],
    /// What holds where a flow says nothing.
    pub(super) durability: Option<Durability>,
}

impl Decoder<'_> {
    pub(super) fn regional(
        &mut self,
        top: &Fields,
        regions: &Regions,
        systems: &[System],
        flows: &Flows<'_>,
    ) {
        if !self.problems.usable() {
            // What is at risk is told of a whole, and an error may have taken a part of it away.
            return;
        }
        if regions.list.len() > 1 {
            for flow in flows.delivered {
                self.repeats(top, flow);
            }
            self.consumed(top, flows);
            self.one_link(top, systems, flows);
        }
        self.unseen_promotion(top, systems, flows);
        self.not_run(top, regions, systems, flows);
    }

    fn repeats(&mut self, top: &Fields, flow: &Deliver) {
        if flow.idempotency != Idempotency::Nothing {
            return;
        }
        let message = format!(
            "a failover may repeat what `{}` delivered, and nothing makes a repeat harmless",
            flow.name
        );
        let help = match flow.target {
            Some(Target::Queue(_)) => {
                "let consumers tell repeats by the attribute, and say so: `idempotency: natural`"
            }
            _ => {
                "say what the other side does with the key: `idempotency: { ttl: 24h, scope: global }`, or \
                 `idempotency: natural` if it writes by id and version"
            }
        };
        self.report(
            Problem::new(Code::Repeats, place(top, &flow.name, "deliver"), message)
                .label("no `idempotency` that is known")
                .help(help),
        );
    }

    /// What cannot be read again and is on one disk only when the sender forgets it.
    fn consumed(&mut self, top: &Fields, flows: &Flows<'_>) {
        let polled = flows.polled.iter().filter(|it| !it.rereadable);
        let polled = polled.map(|it| (it.name.as_str(), "poll", it.durability));
        let received = flows.received.iter();
        let received =
            received.filter(|it| !it.reconciled && it.registered == Registered::FrontDoor);
        let received = received.map(|it| (it.name.as_str(), "receive", it.durability));
        for (name, kind, _) in received
            .chain(polled)
            .filter(|(.., durability)| *durability == Durability::Local)
        {
            let message =
                format!("what `{name}` took in cannot be had again, and one region alone keeps it");
            let reconcile = match kind {
                "receive" => {
                    ", or `reconcile` with a list of what was sent, or `registered: every-region`"
                }
                _ => "",
            };
            self.report(
                Problem::new(Code::OneCopy, place(top, name, kind), message)
                    .label("late while that region is down, and lost with its disk")
                    .help(format!("`durability: remote`{reconcile}")),
            );
        }
    }

    fn one_link(&mut self, top: &Fields, systems: &[System], flows: &Flows<'_>) {
        for system in systems {
            let Hosting::OnPremises { links } = &system.hosting else {
                continue;
            };
            let called = is_called(&system.name, flows);
            if let ([link], true) = (links.as_slice(), called) {
                let message = format!("`{}` can be called from `{link}` only", system.name);
                self.report(
                    Problem::new(Code::OneLink, of_system(top, &system.name, "links"), message)
                        .label("one line")
                        .help("give another region a line, or accept that its flows wait while that region is down"),
                );
            }
        }
    }

    fn unseen_promotion(&mut self, top: &Fields, systems: &[System], flows: &Flows<'_>) {
        for system in systems {
            let blind =
                system.topology == Topology::PrimarySecondary && system.role_probe.is_none();
            if blind && is_called(&system.name, flows) {
                let message = format!(
                    "nothing tells which endpoint of `{}` is active",
                    system.name
                );
                self.report(
                    Problem::new(
                        Code::UnseenPromotion,
                        of_system(top, &system.name, "topology"),
                        message,
                    )
                    .label("no `role-probe`")
                    .help("add `role-probe: { path: /status, active: '.role == \"primary\"' }`; without it an operator has to pin the new primary"),
                );
            }
        }
    }

    /// What `run` refuses, one problem for each reason.
    fn not_run(&mut self, top: &Fields, regions: &Regions, systems: &[System], flows: &Flows<'_>) {
        let count = regions.list.len();
        let leased = flows
            .delivered
            .iter()
            .map(|it| (it.name.as_str(), "deliver"));
        let polled = flows.polled.iter().map(|it| (it.name.as_str(), "poll"));
        let leased: Vec<_> = leased.chain(polled).collect();
        if let (true, Some((name, kind))) = (count > 1, leased.first()) {
            let names = told(leased.iter().map(|(name, _)| *name));
            let what = format!("which of {count} regions acts for {names}");
            self.refused(
                place(top, name, kind),
                &what,
                "run these flows with one region",
            );
        }
        let several = systems.iter().filter(|it| it.endpoints.len() > 1);
        let several = several.filter(|it| is_called(&it.name, flows));
        let several: Vec<_> = several.map(|it| it.name.as_str()).collect();
        if let Some(name) = several.first() {
            let what = format!(
                "the choice among the endpoints of {}",
                told(several.iter().copied())
            );
            let help = "declare each endpoint as a system of its own";
            self.refused(of_system(top, name, "endpoints"), &what, help);
        }
        let kept = systems.iter().filter(|it| it.allowed_regions.len() < count);
        let kept: Vec<_> = kept
            .filter(|it| !it.allowed_regions.is_empty())
            .map(|it| it.name.as_str())
            .collect();
        if let Some(name) = kept.first() {
            let what = format!("keeping {} to its regions", told(kept.iter().copied()));
            let help =
                "remove `allowed-regions`, and keep its flows out of the files of other regions";
            self.refused(of_system(top, name, "allowed-regions"), &what, help);
        }
        self.remote(top, flows);
    }

    fn remote(&mut self, top: &Fields, flows: &Flows<'_>) {
        let received = flows.received.iter();
        let received = received.map(|it| (it.name.as_str(), "receive", it.durability));
        let polled = flows.polled.iter();
        let polled = polled.map(|it| (it.name.as_str(), "poll", it.durability));
        let mut remote = received
            .chain(polled)
            .filter(|(.., durability)| *durability == Durability::Remote);
        let span = match (flows.durability, remote.next()) {
            (Some(Durability::Remote), _) => top
                .fields("log")
                .map_or(top.span, |log| log.span_of("durability")),
            (_, Some((name, kind, _))) => place(top, name, kind),
            (_, None) => return,
        };
        self.refused(span, "`durability: remote`", "write `durability: local`");
    }

    fn refused(&mut self, span: Span, what: &str, help: &str) {
        self.report(
            Problem::new(
                Code::NotRun,
                span,
                format!("`run` refuses this file: {what} is not built yet"),
            )
            .label("can be planned, not run")
            .help(format!("{help}; `check` and `plan` take it as it is")),
        );
    }
}

fn is_called(system: &str, flows: &Flows<'_>) -> bool {
    let delivered = flows.delivered.iter().any(|flow| flow.system == system);
    delivered || flows.polled.iter().any(|flow| flow.system == system)
}

/// The place of what a flow does.
fn place(top: &Fields, flow: &str, kind: &str) -> Span {
    let fields = top.fields("flows").and_then(|flows| flows.fields(flow));
    fields.map_or(top.span, |fields| fields.span_of(kind))
}

fn of_system(top: &Fields, system: &str, key: &str) -> Span {
    let fields = top.fields("systems").and_then(|it| it.fields(system));
    fields.map_or(top.span, |fields| fields.span_of(key))
}

/// Names for a sentence: the first ones, and how many more there are.
fn told<'name>(names: impl Iterator<Item = &'name str> + Clone) -> String {
    let all = names.clone().count();
    let first: Vec<String> = names
        .take(NAMES_TOLD_MAX)
        .map(|it| format!("`{it}`"))
        .collect();
    match all.saturating_sub(NAMES_TOLD_MAX) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
