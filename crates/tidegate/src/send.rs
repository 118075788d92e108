//! `send`: signs test webhooks as the sender of a flow does, and posts them.

mod delivery;
mod plan;
mod sample;

use std::time::Duration;

use serde::Serialize;
use tidegate_hub::clock::now;
use tidegate_types::id::{EventId, FlowNamespace};
use tokio::time::{MissedTickBehavior, interval};

use self::delivery::Postman;
use self::plan::{Letter, Plan};
use crate::cli::{Global, SendArgs};
use crate::exit::{Exit, Outcome};
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
    let config = source.usable(out)?.config;
    let plan = Plan::new(&config, args)?;
    let postman = Postman::new(&config, &source.folder(), global, args)?;
    let mut pace = args.rate.map(|rate| {
        let mut pace = interval(Duration::from_secs(1) / rate);
        // A slow answer is not made up for by a burst.
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pace
    });
    let (mut sent, mut refused) = (0_u64, 0_u64);
    let begun = now();
    for _ in 0..args.count {
        for letter in &plan.letters {
            if let Some(pace) = &mut pace {
                pace.tick().await;
            }
            let result = postman.post(letter, args).await?;
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
