//! A flow that polls: the page that it would get first, and what would become of it.

use std::path::Path;

use serde::Serialize;
use tidegate_config::Config;
use tidegate_gateway::poll_trial::{PageTrial, PageTrialError, TriedItem, TriedPage};

use super::shown::Shown;
use crate::cli::SendArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Out, Tone};
use crate::table::plain;

/// A page and how it was asked for.
#[derive(Debug, Serialize)]
struct Told<'a> {
    flow: &'a str,
    request: Shown,
    /// Left out if it was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<Page>,
}

#[derive(Debug, Serialize)]
struct Page {
    items: Vec<Item>,
    filtered: u32,
    /// What the next page is asked for with.
    next: Option<String>,
}

/// What an item would become.
#[derive(Debug, Serialize)]
struct Item {
    /// `event` or `fault`.
    outcome: &'static str,
    id: String,
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    key: String,
    /// The data as text, or what went wrong.
    text: String,
}

/// Fetches the first page of a flow, and keeps nothing.
///
/// # Errors
/// There is none.
pub(super) async fn fetch(
    config: &Config,
    folder: &Path,
    (name, args): (&str, &SendArgs),
    out: &Out,
) -> Outcome<Exit> {
    let given = [
        ("--data", args.data.is_some()),
        ("--dir", args.dir.is_some()),
        ("--id", args.id.is_some()),
        ("--header", !args.header.is_empty()),
        ("--to", args.to.is_some()),
        ("--count", args.count != 1),
        ("--rate", args.rate.is_some()),
    ];
    super::refuse(name, "polls", &given)?;
    let trial = PageTrial::new(config, folder, name).map_err(failed)?;
    let preview = trial.preview().await.map_err(failed)?;
    let mut told = Told {
        flow: name,
        request: Shown::of_preview(preview, b""),
        page: None,
    };
    if !args.dry_run {
        told.page = Some(Page::of(trial.fetch().await.map_err(failed)?));
    }
    told.print(out)?;
    Ok(Exit::Success)
}

fn failed(error: PageTrialError) -> Failure {
    Failure::new(Exit::Failed, error)
        .cure("`--dry-run` shows the request; `tidegate check` tells what is wrong with the flow")
}

impl Page {
    fn of(page: TriedPage) -> Self {
        let items = page.items.into_iter().map(|item| match item {
            TriedItem::Event(event) => Item {
                outcome: "event",
                id: event.id.to_string(),
                kind: event.kind,
                key: event.key,
                text: String::from_utf8_lossy(&event.data).into_owned(),
            },
            TriedItem::Fault(fault) => Item {
                outcome: "fault",
                id: fault.id.to_string(),
                kind: String::new(),
                key: String::new(),
                text: fault.message,
            },
        });
        Self {
            items: items.collect(),
            filtered: page.filtered,
            next: page.next,
        }
    }
}

impl Told<'_> {
    fn print(&self, out: &Out) -> Outcome {
        if out.is_json() {
            return out.json_line(self);
        }
        self.request.print(out)?;
        let Some(page) = &self.page else {
            return Ok(());
        };
        out.line("")?;
        for item in &page.items {
            let tone = if item.outcome == "event" {
                Tone::Good
            } else {
                Tone::Warn
            };
            let Item {
                id,
                kind,
                key,
                text,
                ..
            } = item;
            let outcome = out.paint(tone, item.outcome);
            let line = plain(&format!("{id} {kind} {key} {text}"));
            out.line(&format!("{outcome} {line}"))?;
        }
        let next = page.next.as_deref().map_or_else(
            || "there is no next page".to_owned(),
            |next| format!("the next page is asked for with {}", plain(next)),
        );
        let (items, filtered) = (page.items.len(), page.filtered);
        out.remark(&format!("{items} items, {filtered} left out; {next}"));
        Ok(())
    }
}
