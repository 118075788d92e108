//! What mirrors have to say, as entries of the timeline.

use tidegate_core::mirror::{Begun, MirrorState, Note};
use tidegate_hub::hub::Hub;

/// Writes a note of the mirror of `origin` onto the timeline and into the log.
pub(super) fn note(hub: &Hub, origin: &str, note: &Note) {
    let (kind, text) = match note {
        Note::Changed { to, reason, .. } => {
            let kind = format!("mirror-{to}");
            let text = match reason {
                Some(reason) if *to != MirrorState::Following => {
                    format!("the mirror of {origin} is {to}: {reason}")
                }
                _ => format!("the mirror of {origin} is {to}"),
            };
            (kind, text)
        }
        Note::Begun { incarnation, why } => {
            let (kind, what) = match why {
                Begun::First => ("mirror-begun", "a mirror begins".to_owned()),
                Begun::NextLife {
                    before,
                    copied,
                    end,
                } => (
                    "mirror-next-life",
                    next_life(&before.to_string(), copied.0, end.map(|it| it.0)),
                ),
                Begun::Gap { copied } => (
                    "mirror-gap",
                    format!(
                        "what followed frame {copied} was removed there before it came here, and the mirror \
                         begins anew"
                    ),
                ),
            };
            let text = format!("{origin}: {what}; it follows life {incarnation} now");
            (kind.to_owned(), text)
        }
    };
    if let Note::Changed { to, .. } = note
        && *to != MirrorState::Following
    {
        tracing::warn!(mirror.origin = origin, "{text}");
    } else {
        tracing::info!(mirror.origin = origin, "{text}");
    }
    hub.record(&kind, &text, &[("origin", origin.to_owned())]);
}

fn next_life(before: &str, copied: u64, end: Option<u64>) -> String {
    match end {
        Some(end) if end == copied => {
            format!("its life {before} ended at frame {end}, all of it is here")
        }
        Some(end) if end > copied => format!(
            "its life {before} ended at frame {end}, and the copy here ends at frame {copied} and is another one"
        ),
        Some(end) => format!(
            "its life {before} ended at frame {end}, and frames up to {copied} of it are here"
        ),
        None => format!(
            "its life {before} is gone there; it ends here at frame {copied}, and what came behind that is lost"
        ),
    }
}

/// Another region holds frames of this one's log that are not in it.
pub(super) fn regressed(hub: &Hub, peer: &str, what: &str) {
    let text = format!(
        "{peer} holds another log of this region than this one: {what}; this region went backwards, or was \
         restored from an old copy"
    );
    tracing::error!(peer.region = peer, "{text}");
    hub.record("log-regressed", &text, &[("peer", peer.to_owned())]);
}
