//! `events replay`: pages through the log and hands one event after another to a flow.
//!
//! Several are under way at a time, but never two of one key, so that the flow gets those of a key in the
//! order of the log.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tidegate_console::view::{EventPage, EventView};
use tidegate_console::{ReplayPhase, Replayed};
use tidegate_hub::clock::now;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{PAGES_MAX, since};
use crate::cli::ReplayArgs;
use crate::client::{Node, below, query};
use crate::commands::faults::{operator, patiently};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Out, Tone};
use crate::table::plain;

/// Events under way at a time: each keeps a connection to the node, and a place among those who wait there.
const UNDER_WAY_MAX: usize = 16;

/// Events asked for at a time; their payloads come along.
const PAGE: usize = 100;

/// How often a long replay tells how far it is.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// The code of a refusal that holds for every event of the flow that has a key.
const SUPERSEDED: &str = "TG-0613";

/// An event to be replayed.
struct Due {
    id: String,
    key: String,
}

/// What became of the events.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Counts {
    /// Events that fit.
    found: u64,
    delivered: u64,
    failed: u64,
    /// Not sent, for a reason that was told.
    refused: u64,
    /// Not wanted by the flow.
    passed_over: u64,
    /// Sent, and the end is not known.
    under_way: u64,
    /// Would be sent.
    possible: u64,
}

impl Counts {
    fn count(&mut self, outcome: &str) {
        let counter = match outcome {
            "delivered" => &mut self.delivered,
            "failed" => &mut self.failed,
            "passed-over" => &mut self.passed_over,
            "under-way" => &mut self.under_way,
            "possible" => &mut self.possible,
            _ => &mut self.refused,
        };
        *counter += 1;
    }

    const fn is_good(&self) -> bool {
        self.failed == 0 && self.refused == 0 && self.under_way == 0
    }
}

pub(super) async fn replay(node: &Arc<Node>, args: &ReplayArgs, out: &Out) -> Outcome {
    let mut source = Source::new(args)?;
    let begun = begin(node, args).await?;
    // Of those that are named the keys are not known.
    let one_by_one = begun.is_some_and(|it| it.in_one_lane) || !args.ids.is_empty();
    let together = if one_by_one { 1 } else { UNDER_WAY_MAX };
    let mut run = Run {
        node,
        args,
        out,
        counts: Counts::default(),
        under_way: JoinSet::new(),
        keys: HashSet::new(),
        told: Instant::now(),
    };
    let done = run.all(&mut source, together).await;
    // After a failure of all, the node goes on with what it has.
    run.counts.under_way += run.under_way.len() as u64;
    let counts = run.counts;
    if let Some(reason) = &args.reason
        && !args.dry_run
    {
        end(node, args, reason, &counts).await?;
    }
    done?;
    summary(&counts, args, out)?;
    if source.has_more() {
        out.remark("there may be more: raise `--limit`, or go on with a later `--since`");
    }
    if counts.is_good() {
        return Ok(());
    }
    Err(Failure::told(
        Exit::Failed,
        "not every event is known to have arrived; the lines above say which, and why",
    ))
}

/// Puts the begin onto the timeline; nothing for a dry run.
async fn begin(node: &Node, args: &ReplayArgs) -> Outcome<Option<ReplayPhase>> {
    let Some(reason) = args.reason.as_ref().filter(|_| !args.dry_run) else {
        return Ok(None);
    };
    let parameters = [
        ("phase", Some("begin".to_owned())),
        ("reason", Some(reason.clone())),
        ("by", operator()),
    ];
    Ok(Some(node.post(&query(&path(args), &parameters)).await?))
}

/// Puts the end onto the timeline.
async fn end(node: &Node, args: &ReplayArgs, reason: &str, counts: &Counts) -> Outcome {
    let other = counts.refused + counts.passed_over + counts.under_way;
    let parameters = [
        ("phase", Some("end".to_owned())),
        ("reason", Some(reason.to_owned())),
        ("by", operator()),
        ("delivered", Some(counts.delivered.to_string())),
        ("failed", Some(counts.failed.to_string())),
        ("other", Some(other.to_string())),
    ];
    let _noted: ReplayPhase = node.post(&query(&path(args), &parameters)).await?;
    Ok(())
}

fn path(args: &ReplayArgs) -> String {
    format!("{}/replay", below("/api/v1/flows", &args.flow))
}

fn summary(counts: &Counts, args: &ReplayArgs, out: &Out) -> Outcome {
    if out.is_json() {
        return out.json_line(&serde_json::json!({ "flow": args.flow, "summary": counts }));
    }
    let parts = [
        (counts.possible, "would be sent"),
        (counts.delivered, "delivered"),
        (counts.failed, "failed"),
        (counts.refused, "refused"),
        (counts.under_way, "still under way"),
        (counts.passed_over, "not wanted by the flow"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let parts = match parts.as_slice() {
        [] => "nothing to replay".to_owned(),
        parts => parts.join(", "),
    };
    out.line(&format!("flow {}: {parts}", args.flow))
}

/// A replay under way.
struct Run<'a> {
    node: &'a Arc<Node>,
    args: &'a ReplayArgs,
    out: &'a Out,
    counts: Counts,
    under_way: JoinSet<Ended>,
    /// The keys of those under way.
    keys: HashSet<String>,
    told: Instant,
}

/// An event that was handed in, and what came of it.
struct Ended {
    due: Due,
    done: Outcome<Replayed>,
}

impl Run<'_> {
    /// Hands in everything, `together` at a time.
    async fn all(&mut self, source: &mut Source, together: usize) -> Outcome {
        let mut turns = interval(Duration::from_secs(1) / self.args.rate);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while let Some(due) = source.next(self.node, self.args).await? {
            self.counts.found += 1;
            while self.under_way.len() >= together || self.keys.contains(&due.key) {
                self.one_ends().await?;
            }
            turns.tick().await;
            self.hand_in(due);
            self.tell();
        }
        while !self.under_way.is_empty() {
            self.one_ends().await?;
        }
        Ok(())
    }

    fn hand_in(&mut self, due: Due) {
        let flag = |is: bool| is.then(|| "true".to_owned());
        let parameters = [
            ("superseded", flag(self.args.superseded)),
            ("new-key", flag(self.args.new_key)),
            ("dry-run", flag(self.args.dry_run)),
        ];
        let path = query(&below(&path(self.args), &due.id), &parameters);
        if !due.key.is_empty() {
            self.keys.insert(due.key.clone());
        }
        let node = Arc::clone(self.node);
        self.under_way.spawn(async move {
            let done = patiently(|| node.post::<Replayed>(&path)).await;
            Ended { due, done }
        });
    }

    /// Waits for one of those under way, and tells what came of it.
    ///
    /// # Errors
    /// What would befall all others too.
    async fn one_ends(&mut self) -> Outcome {
        let Some(ended) = self.under_way.join_next().await else {
            return Ok(());
        };
        let Ended { due, done } = ended.map_err(|error| Failure::new(Exit::Failed, error))?;
        self.keys.remove(&due.key);
        let replayed = match done {
            Ok(replayed) => replayed,
            Err(failure) if self.is_for_all(&failure) => return Err(failure),
            Err(failure) => Replayed {
                event: due.id,
                outcome: "refused".to_owned(),
                why: Some(failure.summary()),
            },
        };
        self.counts.count(&replayed.outcome);
        if self.out.is_json() {
            return self.out.json_line(&replayed);
        }
        let why = replayed.why.unwrap_or_default();
        let told = match replayed.outcome.as_str() {
            "delivered" | "passed-over" => return Ok(()),
            "possible" => format!("would be sent{}", of_key(&due.key)),
            "under-way" => "is still under way".to_owned(),
            outcome => self
                .out
                .paint(Tone::Bad, &format!("{outcome}: {}", plain(&why))),
        };
        self.out.line(&format!("{} {told}", replayed.event))
    }

    /// Whether the others would be refused for the same reason.
    fn is_for_all(&self, failure: &Failure) -> bool {
        match failure.exit() {
            Exit::Unreachable | Exit::Unauthorized => true,
            // What was found in the log is there: it is the flow that is not.
            Exit::NotFound => self.args.ids.is_empty(),
            _ => failure.has_code(SUPERSEDED),
        }
    }

    /// Tells now and then how far it is.
    fn tell(&mut self) {
        if self.told.elapsed() < TELL_EVERY {
            return;
        }
        self.told = Instant::now();
        let Counts {
            found,
            delivered,
            failed,
            ..
        } = self.counts;
        self.out.remark(&format!(
            "{found} found, {delivered} delivered, {failed} failed, {} under way …",
            self.under_way.len()
        ));
    }
}

fn of_key(key: &str) -> String {
    if key.is_empty() {
        String::new()
    } else {
        format!(", key {}", plain(key))
    }
}

/// Where the events come from.
struct Source {
    waiting: VecDeque<Due>,
    after: Option<String>,
    at_end: bool,
    left: usize,
    since: Option<String>,
    until: Option<String>,
}

impl Source {
    fn new(args: &ReplayArgs) -> Outcome<Self> {
        // What comes in from now on is delivered anyway.
        let until = since("--until", args.until.as_deref())?;
        let due = |id: &String| Due {
            id: id.clone(),
            key: String::new(),
        };
        Ok(Self {
            waiting: args.ids.iter().map(due).collect(),
            after: None,
            at_end: !args.ids.is_empty(),
            left: args.limit,
            since: since("--since", args.since.as_deref())?,
            until: until.or_else(|| Some(now().to_string())),
        })
    }

    /// Whether the limit left something out, or may have.
    fn has_more(&self) -> bool {
        !self.at_end || !self.waiting.is_empty()
    }

    async fn next(&mut self, node: &Node, args: &ReplayArgs) -> Outcome<Option<Due>> {
        if self.left == 0 {
            return Ok(None);
        }
        for _ in 0..PAGES_MAX {
            if let Some(due) = self.waiting.pop_front() {
                self.left -= 1;
                return Ok(Some(due));
            }
            if self.at_end {
                return Ok(None);
            }
            let parameters = [
                ("type", args.kind.clone()),
                ("flow", args.from.clone()),
                ("key", args.key.clone()),
                ("text", args.text.clone()),
                ("since", self.since.clone()),
                ("until", self.until.clone()),
                ("order", Some("oldest".to_owned())),
                ("after", self.after.take()),
                ("limit", Some(self.left.min(PAGE).to_string())),
            ];
            let page: EventPage = node.get(&query("/api/v1/events", &parameters)).await?;
            let due = |event: EventView| Due {
                id: event.id,
                key: event.key,
            };
            self.waiting.extend(page.events.into_iter().map(due));
            self.after = page.next;
            self.at_end = self.after.is_none();
        }
        Ok(None)
    }
}
