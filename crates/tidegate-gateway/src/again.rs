//! Faults of flows that take in, tried again from the kept original.

use tidegate_core::log::entry::{Closing, FaultCause, FaultClosed};
use tidegate_core::receive::intake::{Answer, Content};
use tidegate_hub::clock::now;

use crate::gateway::{CommandError, ResubmitRequest, Resubmitted, close};
use crate::public::Public;
use crate::{poll, receive};

/// Maps the original of a fault by the configuration in force, keeps what comes of it, and closes the
/// fault. The same twice changes nothing.
pub(crate) async fn again(
    public: &Public,
    request: ResubmitRequest,
) -> Result<Resubmitted, CommandError> {
    let ResubmitRequest { fault, by, .. } = request;
    if fault.cause == FaultCause::Stuck {
        let why = "it is an answer of the source and no event; discard it once the source gets on";
        return Err(CommandError::FailsAgain(why.to_owned()));
    }
    let generation = public.generation.load_full();
    let (mut receives, mut polls) = (generation.flows.iter(), generation.polls.iter());
    let received = receives.find(|it| it.flow.name == fault.flow);
    let polled = polls.find(|it| it.config.name == fault.flow);
    let contents = match (received, polled) {
        (Some(flow), _) => receive::again(public, flow, &fault).await?,
        (None, Some(flow)) => poll::again(&public.hub, flow, &fault).await?,
        (None, None) => return Err(CommandError::NoFlow),
    };
    let left_out = contents.is_empty();
    keep(public, contents).await?;
    let how = if left_out {
        Closing::Discarded {
            reason: "the flow leaves it out now".to_owned(),
        }
    } else {
        Closing::Resubmitted { superseded: false }
    };
    let closed = FaultClosed {
        id: fault.id,
        set_aside: fault.time,
        flow: fault.flow,
        how,
        by,
        time: now(),
    };
    close(&public.hub, closed).await?;
    Ok(if left_out {
        Resubmitted::LeftOut
    } else {
        Resubmitted::Kept
    })
}

async fn keep(public: &Public, contents: Vec<Content>) -> Result<(), CommandError> {
    for content in contents {
        match public.hub.offer(content).await {
            Answer::Kept { .. } | Answer::Repeat { .. } | Answer::Noted | Answer::Page(_) => {}
            Answer::SetAside { .. } => {
                let why = "its identity was used before for other content";
                return Err(CommandError::FailsAgain(why.to_owned()));
            }
            Answer::Refused(refusal) => return Err(CommandError::NotKept(refusal)),
        }
    }
    Ok(())
}
