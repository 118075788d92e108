//! `events`: tail, get, search, replay.

mod replay;

use std::sync::Arc;

use tidegate_console::limits::{PAGE_MAX, WAIT_MAX};
use tidegate_console::view::{EventPage, EventView, RawView, TailPage};
use tidegate_hub::clock::now;

use crate::cli::{EventsCommand, FilterArgs};
use crate::client::{Node, below, query};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Out, Tone};
use crate::pretty::indented;
use crate::table::{Table, cut, plain};
use crate::when::{read, short};

/// Pages of one command at most. Each looks through 64 MiB, so this is 64 GiB of log.
pub(super) const PAGES_MAX: usize = 1000;

/// Bytes of an original body that are shown to people; `--json` has all of it.
const BODY_SHOWN_MAX: usize = 16 << 10;

pub(crate) async fn events(node: &Arc<Node>, command: EventsCommand, out: &Out) -> Outcome {
    match command {
        EventsCommand::Tail {
            filter,
            last,
            once,
            count,
        } => tail(node, &filter, Until { last, once, count }, out).await,
        EventsCommand::Get { id } => {
            let event: EventView = node.get(&below("/api/v1/events", &id)).await?;
            if out.is_json() {
                return out.document(&event);
            }
            print_event(&event, out)?;
            event.raw.as_ref().map_or(Ok(()), |raw| print_raw(raw, out))
        }
        EventsCommand::Replay(args) => replay::replay(node, &args, out).await,
        EventsCommand::Search {
            filter,
            since,
            until,
            oldest,
            limit,
        } => {
            let parameters = Search {
                since: self::since("--since", since.as_deref())?,
                until: self::since("--until", until.as_deref())?,
                order: oldest.then(|| "oldest".to_owned()),
                limit,
            };
            search(node, &filter, &parameters, out).await
        }
    }
}

/// A point in time of an option, as the API takes it.
pub(super) fn since(option: &str, text: Option<&str>) -> Outcome<Option<String>> {
    let read = text.map(|text| read(text, now())).transpose();
    let read = read.map_err(|why| Failure::told(Exit::Usage, format!("{option}: {why}")))?;
    Ok(read.map(|time| time.to_string()))
}

fn conditions(filter: &FilterArgs) -> [(&'static str, Option<String>); 4] {
    [
        ("type", filter.kind.clone()),
        ("flow", filter.flow.clone()),
        ("key", filter.key.clone()),
        ("text", filter.text.clone()),
    ]
}

struct Search {
    since: Option<String>,
    until: Option<String>,
    order: Option<String>,
    limit: usize,
}

async fn search(node: &Node, filter: &FilterArgs, search: &Search, out: &Out) -> Outcome {
    let mut events: Vec<EventView> = Vec::new();
    let mut after = None;
    let mut looked = 0;
    for _ in 0..PAGES_MAX {
        let left = search.limit.saturating_sub(events.len());
        let mut parameters = conditions(filter).to_vec();
        parameters.extend([
            ("since", search.since.clone()),
            ("until", search.until.clone()),
            ("order", search.order.clone()),
            ("after", after.take()),
            ("limit", Some(left.clamp(1, PAGE_MAX).to_string())),
        ]);
        let page: EventPage = node.get(&query("/api/v1/events", &parameters)).await?;
        looked += page.scanned.frames;
        events.extend(page.events.into_iter().take(left));
        after = page.next;
        if after.is_none() || events.len() >= search.limit {
            break;
        }
    }
    if out.is_json() {
        return out.document(&events);
    }
    let today = now().to_string();
    let mut table = Table::new(&["RECEIVED", "FLOW", "TYPE", "KEY", "ID", "DATA"]);
    for event in &events {
        table.row([
            short(&event.received, &today),
            event.flow.clone(),
            event.kind.clone(),
            event.key.clone(),
            event.id.clone(),
            payload(event),
        ]);
    }
    table.print(out, "no such events")?;
    if after.is_some() {
        out.remark(&format!(
            "there may be more: looked at {looked} frames; raise `--limit`"
        ));
    }
    Ok(())
}

/// When a tail ends, and where it begins.
struct Until {
    last: usize,
    once: bool,
    count: Option<usize>,
}

async fn tail(node: &Node, filter: &FilterArgs, until: Until, out: &Out) -> Outcome {
    let mut after: Option<String> = None;
    let mut left = until.count.unwrap_or(usize::MAX);
    let today = now().to_string();
    while left > 0 {
        let begins = after.is_none();
        let wait = if until.once {
            0
        } else {
            WAIT_MAX.as_secs().saturating_sub(CLIENT_MARGIN_SECONDS)
        };
        let mut parameters = conditions(filter).to_vec();
        parameters.extend([
            ("last", begins.then(|| until.last.min(PAGE_MAX).to_string())),
            ("after", after.take()),
            // What is there already is asked for without waiting, so that it is shown at once.
            ("wait", (!begins).then(|| wait.to_string())),
            ("limit", Some(left.min(PAGE_MAX).to_string())),
        ]);
        let page: TailPage = node.get(&query("/api/v1/events/tail", &parameters)).await?;
        if until.once && page.events.is_empty() {
            return Ok(());
        }
        for event in page.events.iter().take(left) {
            if out.is_json() {
                out.json_line(event)?;
            } else {
                tail_line(event, &today, out)?;
            }
        }
        left = left.saturating_sub(page.events.len());
        after = Some(page.next);
    }
    Ok(())
}

/// The client gives an answer as long as a poll may wait at most; this much comes off the wait.
const CLIENT_MARGIN_SECONDS: u64 = 5;

fn tail_line(event: &EventView, today: &str, out: &Out) -> Outcome {
    let time = short(&event.received, today);
    let kind = plain(&event.kind);
    let key = if event.key.is_empty() {
        String::new()
    } else {
        format!(" {}", plain(&event.key))
    };
    let shown = format!("{time} {kind}{key} ").chars().count();
    let room = out.width().map(|width| width.saturating_sub(shown).max(20));
    let data = out.paint(Tone::Faint, &cut(&plain(&payload(event)), room));
    out.line(&format!(
        "{time} {}{key} {data}",
        out.paint(Tone::Strong, &kind)
    ))
}

fn payload(event: &EventView) -> String {
    match (&event.data, &event.data_base64) {
        (Some(data), _) => data.get().to_owned(),
        (None, Some(base64)) => format!("base64:{base64}"),
        (None, None) => String::new(),
    }
}

/// An event for people, without its original.
pub(super) fn print_event(event: &EventView, out: &Out) -> Outcome {
    let attributes = event
        .attributes
        .iter()
        .map(|(name, value)| (name.as_str(), value));
    let lines = [
        ("id", &event.id),
        ("type", &event.kind),
        ("flow", &event.flow),
        ("key", &event.key),
        ("time", &event.time),
        ("received", &event.received),
        ("external id", &event.external_id),
        ("position", &event.position),
        ("content type", &event.content_type),
    ];
    for (name, value) in lines
        .into_iter()
        .chain(attributes)
        .filter(|(_, value)| !value.is_empty())
    {
        out.line(&format!(
            "{} {}",
            out.paint(Tone::Strong, &format!("{name:<12}")),
            plain(value)
        ))?;
    }
    out.line(&out.paint(Tone::Strong, "data"))?;
    out.line(&indented(&payload(event)))
}

/// An original for people.
pub(super) fn print_raw(raw: &RawView, out: &Out) -> Outcome {
    out.line(&out.paint(Tone::Strong, "original"))?;
    for (name, value) in &raw.headers {
        out.line(&format!("  {}: {}", plain(name), plain(value)))?;
    }
    if !raw.query.is_empty() {
        out.line(&format!("  ?{}", plain(&raw.query)))?;
    }
    out.line("")?;
    let body = match (&raw.body, &raw.body_base64) {
        (Some(body), _) => body.clone(),
        (None, Some(base64)) => format!("base64:{base64}"),
        (None, None) => String::new(),
    };
    let shown: String = body.chars().take(BODY_SHOWN_MAX).collect();
    out.line(&indented(&shown))?;
    if shown.len() < body.len() {
        out.remark(&format!(
            "the body has {} bytes; --json prints all of it",
            raw.body_bytes
        ));
    }
    Ok(())
}
