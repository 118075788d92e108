//! `faults resubmit` and `faults discard`.

use std::time::Duration;

use tidegate_console::Resubmitted;
use tokio::time::{MissedTickBehavior, interval};

use super::{found, print_list};
use crate::cli::WhichFaults;
use crate::client::{Node, below, query};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Out, Tone};
use crate::source::variable;

/// How often one fault is asked for again that the node has no room for, a second apart.
const BUSY_MAX: u32 = 60;

/// The code of a node that has no room for the moment.
const BUSY: &str = "TG-0607";

pub(super) async fn resubmit(
    node: &Node,
    which: &WhichFaults,
    (superseded, new_key): (bool, bool),
    out: &Out,
) -> Outcome {
    let flag = |is: bool| is.then(|| "true".to_owned());
    let parameters = [
        ("superseded", flag(superseded)),
        ("new-key", flag(new_key)),
        ("by", operator()),
    ];
    each(node, which, out, async |id: &str| {
        let path = format!("{}/resubmit", below("/api/v1/faults", id));
        let done: Resubmitted = node.post(&query(&path, &parameters)).await?;
        Ok(match done.outcome.as_str() {
            "sending" => "is being sent".to_owned(),
            "kept" => "was taken in, the fault is closed".to_owned(),
            "left-out" => "is left out by the flow now, the fault is closed".to_owned(),
            other => other.to_owned(),
        })
    })
    .await
}

pub(super) async fn discard(node: &Node, which: &WhichFaults, reason: &str, out: &Out) -> Outcome {
    let parameters = [("reason", Some(reason.to_owned())), ("by", operator())];
    each(node, which, out, async |id: &str| {
        let path = format!("{}/discard", below("/api/v1/faults", id));
        node.tell(&query(&path, &parameters)).await?;
        Ok("is discarded".to_owned())
    })
    .await
}

/// Who asks, as the log shall name it.
pub(in crate::commands) fn operator() -> Option<String> {
    variable("USER")
}

/// Does the same with each fault, the oldest first, and tells what came of it. One that fails does not
/// keep the others from being tried.
async fn each(
    node: &Node,
    which: &WhichFaults,
    out: &Out,
    act: impl AsyncFn(&str) -> Outcome<String>,
) -> Outcome {
    let ids = match &which.ids[..] {
        [] => {
            let limit = which.limit;
            let (mut faults, _) =
                found(node, which.flow.clone(), which.cause.clone(), limit).await?;
            faults.reverse();
            if which.dry_run {
                return print_list(&faults, out);
            }
            faults.into_iter().map(|fault| fault.id).collect()
        }
        ids => ids.to_vec(),
    };
    if which.dry_run {
        for id in &ids {
            out.line(id)?;
        }
        return Ok(());
    }
    let mut turns = interval(Duration::from_secs(1) / which.rate);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failed = None;
    for id in &ids {
        turns.tick().await;
        match patiently(|| act(id)).await {
            Ok(told) => out.line(&format!("{id} {told}"))?,
            Err(failure) => {
                out.line(&format!(
                    "{id} {}",
                    out.paint(Tone::Bad, &failure.summary())
                ))?;
                failed = Some(failure);
            }
        }
    }
    match failed {
        Some(failure) if ids.len() == 1 => Err(failure),
        Some(_) => Err(Failure::told(
            Exit::Failed,
            "not all could be done; the lines above say why",
        )),
        None => Ok(()),
    }
}

/// Asks again as long as the node has no room.
pub(in crate::commands) async fn patiently<T, F>(mut act: impl FnMut() -> F) -> Outcome<T>
where
    F: Future<Output = Outcome<T>>,
{
    let mut tries = 0;
    loop {
        match act().await {
            Err(failure) if failure.has_code(BUSY) && tries < BUSY_MAX => {
                tries += 1;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            other => return other,
        }
    }
}
