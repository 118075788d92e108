//! The running process, as the admin API sees it.

use std::sync::{Arc, Mutex, PoisonError};

use tidegate_config::config::{Change, ChangeKind};
use tidegate_config::{Config, Loaded, Report};
use tidegate_console::view::{ChangeView, ProblemView};
use tidegate_console::{
    BooksRefusal, CommandRefusal, ConsumerStatus, DeliverStatus, Doing, FeedStatus, FlowStatus,
    Node, OpenFault, PollStatus, Readiness, ReloadRefusal, Reloaded, ReplayOptions, Replayed,
    ResubmitOptions, Resubmitted,
};
use tidegate_core::deliver::{Discard, FaultRefusal, ReplayRefusal};
use tidegate_gateway::gateway::{self, BooksError, CommandError, Gateway, ReplayOutcome};
use tidegate_hub::books::Closed;

use crate::source::Source;

/// A running node.
#[derive(Debug)]
pub(super) struct Process {
    gateway: Arc<Gateway>,
    source: Source,
    /// Held while a configuration is read and applied, so that the last one read is the one in force.
    reloading: Mutex<()>,
}

impl Process {
    pub(super) fn new(gateway: Arc<Gateway>, source: Source) -> Self {
        Self {
            gateway,
            source,
            reloading: Mutex::new(()),
        }
    }

    /// A reload whose outcome only the log lines and the timeline tell.
    pub(super) async fn reload_on_signal(self: &Arc<Self>) {
        let process = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || process.reload()).await;
        if done.is_err() {
            tracing::error!("the reload panicked; the configuration in force stays");
        }
    }

    fn try_reload(&self) -> Result<Reloaded, ReloadRefusal> {
        let Loaded { config, report, .. } = self.source.load().map_err(|failure| {
            let lines: Vec<String> = failure.lines().into_iter().map(|(_, line)| line).collect();
            ReloadRefusal::Unreadable(lines.join(": "))
        })?;
        let problems = problems(&report);
        if report.not_run().is_some() {
            return Err(ReloadRefusal::Invalid(problems));
        }
        let config = Arc::new(config.ok_or_else(|| ReloadRefusal::Invalid(problems.clone()))?);
        let changes = self.gateway.config().changes(&config);
        self.gateway
            .reload(&config)
            .map_err(|error| ReloadRefusal::NotApplied(chain(&error)))?;
        let changes = changes.iter().map(change_view).collect();
        Ok(Reloaded {
            changes,
            warnings: problems,
        })
    }
}

impl Node for Process {
    fn config(&self) -> Arc<Config> {
        self.gateway.config()
    }

    fn readiness(&self) -> Readiness {
        let readiness = self.gateway.readiness();
        Readiness {
            ready: readiness.ready,
            reasons: readiness.reasons,
        }
    }

    fn flows(&self) -> Vec<FlowStatus> {
        let flows = self.gateway.flows().into_iter();
        flows
            .map(|flow| FlowStatus {
                flow: flow.flow,
                system: flow.system,
                path: flow.path,
                scheme: flow.scheme.to_owned(),
                kept: flow.kept,
                repeats: flow.repeats,
                faults: flow.faults,
                filtered: flow.filtered,
                refused: flow.refused,
                unverified: flow.unverified,
                quarantined: flow.quarantined,
                last_event: flow.last_event.map(|time| time.to_string()),
            })
            .collect()
    }

    fn polls(&self) -> Vec<PollStatus> {
        let polls = self.gateway.polls().into_iter();
        polls
            .map(|it| {
                let (failed, failure) = it.last_failure.unzip();
                PollStatus {
                    flow: it.flow,
                    system: it.system,
                    url: it.url,
                    state: it.state.to_owned(),
                    failures: it.failures,
                    items: it.items,
                    next: it.next.map(|at| at.to_string()),
                    answered: it.answered.map(|at| at.to_string()),
                    newest: it.newest.map(|at| at.to_string()),
                    last_failure: failure,
                    last_failure_at: failed.map(|at| at.to_string()),
                }
            })
            .collect()
    }

    fn feeds(&self) -> Vec<FeedStatus> {
        let consumer = |it: gateway::ConsumerStatus| ConsumerStatus {
            consumer: it.consumer,
            pages: it.pages,
            events: it.events,
            behind_frames: it.lag_frames,
        };
        let feeds = self.gateway.feeds().into_iter();
        feeds
            .map(|it| FeedStatus {
                feed: it.feed,
                system: it.system,
                path: it.path,
                consumers: it.consumers.into_iter().map(consumer).collect(),
            })
            .collect()
    }

    fn deliveries(&self) -> Vec<DeliverStatus> {
        let flows = self.gateway.deliveries().into_iter();
        flows.map(deliver_status).collect()
    }

    fn pause(&self, flow: String, paused: bool) -> Doing<'_, ()> {
        Box::pin(async move {
            let done = self.gateway.pause(&flow, paused).await;
            done.map_err(|error| refused(&flow, &error))
        })
    }

    fn resubmit(&self, open: OpenFault, how: ResubmitOptions) -> Doing<'_, Resubmitted> {
        Box::pin(async move {
            let flow = open.fault.flow.clone();
            let request = gateway::ResubmitRequest {
                fault: open.fault,
                place: open.place,
                superseded: how.superseded,
                renew_key: how.new_key,
                by: how.by,
            };
            let done = self.gateway.resubmit(request).await;
            let outcome = match done.map_err(|error| refused(&flow, &error))? {
                gateway::Resubmitted::Sending => "sending",
                gateway::Resubmitted::Kept => "kept",
                gateway::Resubmitted::LeftOut => "left-out",
            };
            Ok(Resubmitted {
                outcome: outcome.to_owned(),
            })
        })
    }

    fn replay(&self, how: ReplayOptions) -> Doing<'_, Replayed> {
        Box::pin(async move {
            let request = gateway::ReplayRequest {
                flow: how.flow.clone(),
                event: how.event,
                superseded: how.superseded,
                renew_key: how.new_key,
                only_ask: how.dry_run,
            };
            let done = self.gateway.replay(request).await;
            let (outcome, why) = match done.map_err(|error| refused(&how.flow, &error))? {
                ReplayOutcome::Delivered => ("delivered", None),
                ReplayOutcome::Failed(why) => ("failed", Some(why)),
                ReplayOutcome::PassedOver => ("passed-over", None),
                ReplayOutcome::Possible => ("possible", None),
            };
            Ok(Replayed {
                event: how.event.to_string(),
                outcome: outcome.to_owned(),
                why,
            })
        })
    }

    fn discard(&self, open: OpenFault, reason: String, by: String) -> Doing<'_, ()> {
        Box::pin(async move {
            let flow = open.fault.flow;
            let discard = Discard {
                fault: open.fault.id,
                set_aside: open.fault.time,
                reason,
                by,
            };
            let done = self.gateway.discard(&flow, discard).await;
            done.map_err(|error| refused(&flow, &error))
        })
    }

    fn books(&self) -> Result<Arc<Closed>, BooksRefusal> {
        self.gateway.books().map_err(|error| match error {
            BooksError::Reading => BooksRefusal::Reading,
            BooksError::Log(error) => BooksRefusal::Unreadable(error.to_string()),
        })
    }

    fn metrics_text(&self) -> String {
        self.gateway.metrics_text()
    }

    fn reload(&self) -> Result<Reloaded, ReloadRefusal> {
        let _turn = self
            .reloading
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let done = self.try_reload();
        let hub = self.gateway.hub();
        match &done {
            Ok(reloaded) => {
                let parts: Vec<String> = reloaded.changes.iter().map(told).collect();
                let parts = if parts.is_empty() {
                    "nothing differs".to_owned()
                } else {
                    parts.join(", ")
                };
                tracing::info!(
                    changes = parts,
                    "the configuration was read again and is in force"
                );
                hub.record("configuration-changed", &parts, &[]);
            }
            Err(refusal) => {
                tracing::error!(
                    error = refusal as &dyn std::error::Error,
                    problems = first(refusal),
                    "the configuration was not applied"
                );
                hub.record("configuration-refused", &refusal.to_string(), &[]);
            }
        }
        done
    }
}

fn deliver_status(it: gateway::DeliverStatus) -> DeliverStatus {
    let open_until = match it.breaker {
        gateway::Breaker::Open(until) => Some(until.to_string()),
        gateway::Breaker::Closed | gateway::Breaker::Probing => None,
    };
    let (time, failure) = it.last_failure.unzip();
    DeliverStatus {
        flow: it.flow,
        system: it.system,
        url: it.url,
        state: it.state.to_owned(),
        breaker: it.breaker.name().to_owned(),
        open_until,
        delivered: it.delivered,
        set_aside: it.set_aside,
        under_way: it.under_way as u64,
        retrying: it.retrying as u64,
        replaying: it.replaying as u64,
        keys_held: it.keys_held as u64,
        behind_frames: it.lag_frames,
        last_failure: failure,
        last_failure_time: time.map(|time| time.to_string()),
    }
}

fn refused(flow: &str, error: &CommandError) -> CommandRefusal {
    let text = match error {
        CommandError::UnknownFlow => format!("no flow {flow:?} delivers"),
        other => other.to_string(),
    };
    match error {
        CommandError::UnknownFlow | CommandError::NoSuchEvent(_) => CommandRefusal::NotFound(text),
        CommandError::Busy
        | CommandError::Ending
        | CommandError::Fault(FaultRefusal::Busy { .. })
        | CommandError::Replay(ReplayRefusal::Busy { .. }) => CommandRefusal::Busy(text),
        CommandError::Fault(FaultRefusal::Superseded)
        | CommandError::Replay(ReplayRefusal::Superseded) => CommandRefusal::Superseded(text),
        _ => CommandRefusal::Conflict(text),
    }
}

/// The first problem of a refused configuration; the others are counted.
fn first(refusal: &ReloadRefusal) -> String {
    let ReloadRefusal::Invalid(problems) = refusal else {
        return String::new();
    };
    let mut errors = problems
        .iter()
        .filter(|problem| problem.severity == "error");
    let Some(problem) = errors.next() else {
        return String::new();
    };
    let ProblemView {
        code,
        file,
        line,
        column,
        message,
        ..
    } = problem;
    let more = match errors.count() {
        0 => String::new(),
        count => format!(" (and {count} more)"),
    };
    format!("{file}:{line}:{column}: {message} ({code}){more}")
}

fn told(change: &ChangeView) -> String {
    let restart = if change.needs_restart {
        " (after a restart)"
    } else {
        ""
    };
    format!("{} {}{restart}", change.part, change.change)
}

fn change_view(change: &Change) -> ChangeView {
    let word = match change.kind {
        ChangeKind::Added => "added",
        ChangeKind::Removed => "removed",
        ChangeKind::Changed => "changed",
    };
    ChangeView {
        part: change.part.clone(),
        change: word.to_owned(),
        needs_restart: change.restart,
    }
}

fn problems(report: &Report) -> Vec<ProblemView> {
    let problems = report.problems().iter();
    problems
        .map(|problem| {
            let (line, column) = report.place(problem);
            ProblemView {
                code: problem.code.id().to_owned(),
                severity: problem.severity().to_string(),
                message: problem.message.clone(),
                file: report.file().to_owned(),
                line: line as u64,
                column: column as u64,
                label: problem.label.clone(),
                help: problem.help.clone(),
            }
        })
        .collect()
}

/// An error with its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
