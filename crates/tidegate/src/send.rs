//! `send`: tries a flow. To one that receives it posts test webhooks, signed as its sender does; for one
//! that delivers it sends an event to its endpoint; from one that serves or polls it fetches a page.

mod delivery;
mod feed;
mod page;
mod plan;
mod sample;
mod shown;
mod trial;

use std::time::Duration;

use serde::Serialize;
use tidegate_hub::clock::now;
use tidegate_types::id::{EventId, FlowNamespace};
use tokio::time::{Interval, MissedTickBehavior, interval};

use self::delivery::Postman;
use self::plan::{Letter, Plan};
use self::shown::Shown;
use crate::cli::{Global, SendArgs};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Out, Tone};
use crate::source::Source;
use crate::table::plain;

/// What one request came to.
#[derive(Debug, Serialize)]
struct Posted {
    flow: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// The id of the message, by the sender.
    message: String,
    status: u16,
    /// `kept`, `repeat`, `fault`, `filtered` or `refused`.
    outcome: &'static str,
    /// Identity of the event or fault, by the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    milliseconds: u64,
    /// What the gateway said, if it refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
}

/// Sends what the arguments say and tells what came of it.
///
/// # Errors
/// Something cannot be read, signed or sent. Refused requests are told, and decide the code.
pub(crate) async fn send(
    source: &Source,
    global: &Global,
    args: &SendArgs,
    out: &Out,
) -> Outcome<Exit> {
    let (config, folder) = (source.usable(out)?.config, source.folder());
    let is = |name: &str| args.flow.as_deref() == Some(name);
    if let Some(flow) = config.deliveries.iter().find(|flow| is(&flow.name)) {
        return trial::send(&config, &folder, (flow, args), out).await;
    }
    if let Some(feed) = config.feeds.iter().find(|feed| is(&feed.name)) {
        return feed::fetch(&config, &folder, (feed, global, args), out).await;
    }
    if let Some(flow) = config.polls.iter().find(|flow| is(&flow.name)) {
        return page::fetch(&config, &folder, (&flow.name, args), out).await;
    }
    let plan = Plan::new(&config, args)?;
    let postman = Postman::new(&config, &folder, global, args)?;
    let mut pace = Pace::new(args.rate);
    let (mut sent, mut refused) = (0_u64, 0_u64);
    let begun = now();
    for _ in 0..args.count {
        for letter in &plan.letters {
            pace.wait().await;
            let prepared = postman.prepare(letter, args)?;
            if args.dry_run {
                show(&prepared.shown(), out)?;
                continue;
            }
            let result = postman.post(letter, prepared).await?;
            sent += 1;
            refused += u64::from(result.outcome == "refused");
            tell(&result, out)?;
        }
    }
    if sent > 1 {
        let took = now().since(begun).as_millis();
        out.remark(&format!("{sent} sent in {took} ms, {refused} refused"));
    }
    Ok(if refused == 0 {
        Exit::Success
    } else {
        Exit::Failed
    })
}

/// At most so many per second.
#[derive(Debug)]
struct Pace(Option<Interval>);

impl Pace {
    fn new(rate: Option<u32>) -> Self {
        Self(rate.map(|rate| {
            let mut pace = interval(Duration::from_secs(1) / rate);
            // A slow answer is not made up for by a burst.
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            pace
        }))
    }

    async fn wait(&mut self) {
        if let Some(pace) = &mut self.0 {
            pace.tick().await;
        }
    }
}

/// Refuses options that mean nothing for a flow.
fn refuse(flow: &str, verb: &str, given: &[(&str, bool)]) -> Outcome {
    match given.iter().find(|(_, is_given)| *is_given) {
        None => Ok(()),
        Some((option, _)) => {
            let what = format!("flow `{flow}` {verb}, so `{option}` has no meaning for it");
            Err(Failure::told(Exit::Usage, what).cure("leave it out"))
        }
    }
}

fn show(request: &Shown, out: &Out) -> Outcome {
    if out.is_json() {
        return out.json_line(request);
    }
    request.print(out)
}

fn tell(result: &Posted, out: &Out) -> Outcome {
    if out.is_json() {
        return out.json_line(result);
    }
    let tone = match result.outcome {
        "kept" => Tone::Good,
        "refused" => Tone::Bad,
        _ => Tone::Warn,
    };
    let outcome = out.paint(tone, &format!("{:<8}", result.outcome));
    let id = result.id.as_deref().unwrap_or("-");
    let file = result
        .file
        .as_deref()
        .map(|file| format!(" {file}"))
        .unwrap_or_default();
    let answer = result
        .answer
        .as_deref()
        .map(|it| format!(": {}", plain(it)))
        .unwrap_or_default();
    let Posted {
        status,
        flow,
        milliseconds,
        ..
    } = result;
    out.line(&format!(
        "{status} {outcome} {id} {flow}{file} ({milliseconds} ms){answer}"
    ))
}

/// An id no other message has: the time, the process and a counter, as UUIDv5.
fn fresh_id(number: u64) -> String {
    let namespace = FlowNamespace::new("tidegate", "send");
    let name = format!("{}/{}/{number}", now().0, std::process::id());
    EventId::derive(&namespace, &name).to_string()
}

impl Letter {
    fn message_id(&self, args: &SendArgs, number: u64) -> String {
        args.id.clone().unwrap_or_else(|| fresh_id(number))
    }
}
