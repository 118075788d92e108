//! `status`: how the node is doing.

use tidegate_config::units::show_bytes;
use tidegate_console::view::{ParkView, Status};
use tidegate_console::{DeliverStatus, FeedStatus, FlowStatus, PollStatus};
use tidegate_hub::clock::now;

use crate::client::Node;
use crate::exit::Outcome;
use crate::output::{Out, Tone};
use crate::table::Table;
use crate::when::{short, span};

pub(crate) async fn status(node: &Node, out: &Out) -> Outcome {
    let status: Status = node.get("/api/v1/status").await?;
    if out.is_json() {
        return out.document(&status);
    }
    head(&status, out)?;
    flows(&status.flows, out)?;
    deliveries(&status.deliveries, out)?;
    parks(&status.parks, out)?;
    polls(&status.polls, out)?;
    feeds(&status.feeds, out)?;
    mirrors(&status, out)?;
    if status.subscriptions.is_empty() {
        return Ok(());
    }
    out.line("")?;
    let mut table = Table::new(&["SUBSCRIPTION", "FRAMES BEHIND", "POSITION"]);
    for one in &status.subscriptions {
        table.row([
            one.name.clone(),
            one.behind_frames.to_string(),
            one.position.clone(),
        ]);
    }
    table.print(out, "")
}

fn head(status: &Status, out: &Out) -> Outcome {
    let (node, log) = (&status.node, &status.log);
    let ready = if status.readiness.ready {
        out.paint(Tone::Good, "ready")
    } else {
        format!(
            "{} ({})",
            out.paint(Tone::Bad, "not ready"),
            status.readiness.reasons.join("; ")
        )
    };
    let uptime = span(node.uptime_seconds);
    let used = log
        .bytes
        .saturating_mul(100)
        .checked_div(log.bytes_max)
        .unwrap_or(0);
    let failures = match log.failures {
        0 => String::new(),
        count => out.paint(Tone::Warn, &format!(", {count} failed writes survived")),
    };
    let mut lines = vec![
        (
            "node",
            format!(
                "{} in {} ({}), tidegate {}",
                node.subsystem, node.region, node.stage, node.version
            ),
        ),
        ("state", format!("{ready}, up {uptime}")),
        (
            "log",
            format!(
                "frames {} to {}, {} segments, {} of {} ({used} %){failures}",
                log.first_frame,
                log.last_frame,
                log.segments,
                rounded(log.bytes),
                show_bytes(log.bytes_max)
            ),
        ),
    ];
    if log.held_segments > 0 {
        let text = format!(
            "{} segments are kept for subscriptions that have not read them",
            log.held_segments
        );
        lines.push(("", out.paint(Tone::Warn, &text)));
    }
    if status.views.behind_frames > 0 {
        lines.push((
            "views",
            format!("{} frames behind", status.views.behind_frames),
        ));
    }
    let tone = if status.faults_open > 0 {
        Tone::Warn
    } else {
        Tone::Good
    };
    lines.push((
        "faults",
        format!("{} open", out.paint(tone, &status.faults_open.to_string())),
    ));
    for (name, text) in lines {
        out.line(&format!(
            "{} {text}",
            out.paint(Tone::Strong, &format!("{name:<7}"))
        ))?;
    }
    out.line("")
}

fn flows(flows: &[FlowStatus], out: &Out) -> Outcome {
    let today = now().to_string();
    let mut table = Table::new(&[
        "FLOW",
        "PATH",
        "SCHEME",
        "KEPT",
        "REPEATS",
        "FAULTS",
        "FILTERED",
        "REFUSED",
        "UNVERIFIED",
        "LAST EVENT",
    ]);
    for flow in flows {
        let last = flow
            .last_event
            .as_deref()
            .map_or_else(|| "never".to_owned(), |it| short(it, &today));
        let quarantined = if flow.quarantined {
            ", quarantined"
        } else {
            ""
        };
        table.row([
            flow.flow.clone(),
            flow.path.clone(),
            flow.scheme.clone(),
            flow.kept.to_string(),
            flow.repeats.to_string(),
            flow.faults.to_string(),
            flow.filtered.to_string(),
            flow.refused.to_string(),
            flow.unverified.to_string(),
            format!("{last}{quarantined}"),
        ]);
    }
    table.print(out, "no flows")
}

fn deliveries(flows: &[DeliverStatus], out: &Out) -> Outcome {
    if flows.is_empty() {
        return Ok(());
    }
    out.line("")?;
    let mut table = Table::new(&[
        "DELIVERS",
        "TO",
        "STATE",
        "BREAKER",
        "DELIVERED",
        "SET ASIDE",
        "UNDER WAY",
        "RETRYING",
        "FRAMES BEHIND",
        "LAST FAILURE",
    ]);
    for flow in flows {
        table.row([
            flow.flow.clone(),
            flow.url.clone(),
            flow.state.clone(),
            flow.breaker.clone(),
            flow.delivered.to_string(),
            flow.set_aside.to_string(),
            flow.under_way.to_string(),
            flow.retrying.to_string(),
            flow.behind_frames.to_string(),
            flow.last_failure.clone().unwrap_or_default(),
        ]);
    }
    table.print(out, "")
}

/// Those with something in them, or a word to say.
fn parks(parks: &[ParkView], out: &Out) -> Outcome {
    let told = |park: &&ParkView| park.events > 0 || park.full || park.discarded > 0;
    let parks: Vec<&ParkView> = parks.iter().filter(told).collect();
    if parks.is_empty() {
        return Ok(());
    }
    out.line("")?;
    let mut table = Table::new(&[
        "PARK",
        "EVENTS",
        "BYTES",
        "DISK",
        "QUOTA",
        "FULL",
        "DISCARDED",
    ]);
    for park in parks {
        let full = match (park.full, park.holds_log) {
            (false, _) => "no",
            (true, true) => "yes, holds the log",
            (true, false) => "yes, discards",
        };
        table.row([
            park.flow.clone(),
            park.events.to_string(),
            rounded(park.bytes),
            rounded(park.disk_bytes),
            show_bytes(park.quota_bytes),
            full.to_owned(),
            park.discarded.to_string(),
        ]);
    }
    table.print(out, "")
}

fn polls(polls: &[PollStatus], out: &Out) -> Outcome {
    if polls.is_empty() {
        return Ok(());
    }
    out.line("")?;
    let mut table = Table::new(&["POLL", "STATE", "ITEMS", "ANSWERED", "NEXT", "LAST FAILURE"]);
    let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    for poll in polls {
        table.row([
            poll.flow.clone(),
            poll.state.clone(),
            poll.items.to_string(),
            shown(&poll.answered),
            shown(&poll.next),
            shown(&poll.last_failure),
        ]);
    }
    table.print(out, "")
}

fn feeds(feeds: &[FeedStatus], out: &Out) -> Outcome {
    if feeds.is_empty() {
        return Ok(());
    }
    out.line("")?;
    let mut table = Table::new(&[
        "FEED",
        "PATH",
        "CONSUMER",
        "PAGES",
        "EVENTS",
        "FRAMES BEHIND",
    ]);
    for feed in feeds {
        for consumer in &feed.consumers {
            table.row([
                feed.feed.clone(),
                feed.path.clone(),
                consumer.consumer.clone(),
                consumer.pages.to_string(),
                consumer.events.to_string(),
                consumer.behind_frames.to_string(),
            ]);
        }
    }
    table.print(out, "")
}

fn mirrors(status: &Status, out: &Out) -> Outcome {
    if !status.mirrors.is_empty() {
        out.line("")?;
        let mut table = Table::new(&[
            "MIRROR OF",
            "STATE",
            "FRAMES BEHIND",
            "LAG",
            "LAST FRAME",
            "SIZE",
            "REASON",
        ]);
        for mirror in &status.mirrors {
            let frame = mirror.lives.last().map(|it| it.last_frame.to_string());
            let lag = mirror
                .lag_ms
                .map(|ms| format!("{}.{} s", ms / 1000, ms % 1000 / 100));
            table.row([
                mirror.origin.clone(),
                mirror.state.clone(),
                mirror.behind_frames.to_string(),
                lag.unwrap_or_else(|| "-".to_owned()),
                frame.unwrap_or_else(|| "-".to_owned()),
                rounded(mirror.bytes),
                mirror.reason.clone().unwrap_or_default(),
            ]);
        }
        table.print(out, "")?;
    }
    if status.copies.is_empty() {
        return Ok(());
    }
    out.line("")?;
    let mut table = Table::new(&["COPY IN", "FRAMES BEHIND", "LAST FRAME"]);
    for copy in &status.copies {
        table.row([
            copy.region.clone(),
            copy.behind_frames.to_string(),
            copy.frame.to_string(),
        ]);
    }
    table.print(out, "")
}

/// A size in whole units of the largest that is not larger than it.
fn rounded(bytes: u64) -> String {
    let unit = [1_u64 << 40, 1 << 30, 1 << 20, 1 << 10]
        .into_iter()
        .find(|unit| bytes >= *unit);
    show_bytes(unit.map_or(bytes, |unit| bytes / unit * unit))
}
