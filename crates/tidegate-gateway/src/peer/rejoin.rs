//! Before a region writes again: does any other region hold more of its log than it does itself?
//!
//! A log that lost its end (a disk that lied, a restore from an old copy) would write other frames under
//! numbers that are taken. So the copies elsewhere are asked first. What a copy has and the log has not is
//! fetched and appended as it is: then nothing is lost, and the log goes on in the same life. A copy that
//! cannot be made to fit stops the start.
//!
//! Regions that cannot be reached are not waited for: a start must not depend on them. If such a region
//! turns out to hold more later, its mirror says so.

use std::sync::Arc;
use std::time::Duration;

use tidegate_core::log::embedded::EmbeddedLog;
use tidegate_core::log::engine::{AppendError, Engine as _, Head};
use tidegate_core::mirror::{Answer, Ask, Span};
use tidegate_hub::clock::now;
use tidegate_hub::disk::FsDisk;
use tidegate_types::position::{FrameNumber, Incarnation};
use tokio::time::Instant;

use super::asked::BYTES_MAX;
use super::client::{AddressError, Link};
use super::settings::PeerSettings;

/// How long each other region may take to say what it has: a start must not wait for dead ones.
const SAY_MAX: Duration = Duration::from_secs(3);

/// How long one piece of what is missing may take to come.
const PIECE_MAX: Duration = Duration::from_secs(30);

/// What was found and done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejoined {
    /// Regions that said what they have.
    pub asked: Vec<String>,
    /// Regions that could not be asked.
    pub unreachable: Vec<String>,
    /// What was fetched.
    pub fetched: Option<Fetched>,
}

/// The end of the log that was fetched from a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// From which region.
    pub from: String,
    /// The first frame.
    pub first: FrameNumber,
    /// The last frame.
    pub last: FrameNumber,
}

/// The region must not write as things stand.
#[derive(Debug, thiserror::Error)]
pub enum RejoinError {
    /// The address of a region cannot be used.
    #[error("the region {region} cannot be asked")]
    Address {
        /// Which.
        region: String,
        /// Why.
        source: AddressError,
    },
    /// A copy differs from the log.
    #[error(
        "{region} holds another log of this region: frame {frame} of life {life} differs; one of the two was \
         written after a restore. To keep what is in {region}, move `data` away: this region then begins a \
         new life, and the old one stays in the mirrors"
    )]
    Fork {
        /// Where the copy is.
        region: String,
        /// Which life.
        life: Incarnation,
        /// Where they differ, or before.
        frame: FrameNumber,
    },
    /// A copy is of a later life than the log.
    #[error(
        "{region} holds life {theirs} of this region's log, which is later than life {ours} here: the data is an \
         old copy, or the clock is behind. Bring back the newest data, or set the clock and move `data` away to \
         begin a new life"
    )]
    LaterLife {
        /// Where the copy is.
        region: String,
        /// The life there.
        theirs: Incarnation,
        /// The life here.
        ours: Incarnation,
    },
    /// What is missing could not be fetched.
    #[error(
        "frames from {next} on are in {region} and not here, and could not be fetched from there"
    )]
    Fetch {
        /// Where the copy is.
        region: String,
        /// The first one that is still missing.
        next: FrameNumber,
    },
    /// What is missing could not be written.
    #[error("frames that were fetched from {region} could not be written")]
    Write {
        /// Where the copy is.
        region: String,
        /// Why.
        source: AppendError,
    },
}

/// How a copy stands to the log.
enum Standing {
    Fits,
    Ahead(Span),
}

/// Asks all other regions for their copies of this log, and appends what it lacks.
///
/// To be called before anything is written.
///
/// # Errors
/// See [`RejoinError`]: then nothing may be written.
pub async fn rejoin(
    settings: &PeerSettings,
    log: &mut EmbeddedLog<FsDisk>,
) -> Result<Rejoined, RejoinError> {
    let mut asking = Vec::with_capacity(settings.regions.len());
    let head = log.head();
    let origin: Arc<str> = settings.region.as_str().into();
    for region in &settings.regions {
        let link = Link::new(region, settings).map_err(|source| RejoinError::Address {
            region: region.name.clone(),
            source,
        })?;
        let origin = Arc::clone(&origin);
        asking.push(tokio::spawn(say(link, origin, head)));
    }
    let mut rejoined = Rejoined::default();
    let mut ahead: Option<(Link, Span)> = None;
    for (asked, region) in asking.into_iter().zip(&settings.regions) {
        let Ok((link, Some(answer))) = asked.await else {
            rejoined.unreachable.push(region.name.clone());
            continue;
        };
        rejoined.asked.push(region.name.clone());
        if let Standing::Ahead(span) = standing(log, &region.name, &answer)? {
            let further = ahead
                .as_ref()
                .is_none_or(|(_, known)| span.head.frame > known.head.frame);
            if further {
                ahead = Some((link, span));
            }
        }
    }
    if let Some((link, span)) = ahead {
        rejoined.fetched = Some(fetch(link, &origin, &span, log).await?);
    }
    Ok(rejoined)
}

/// What one region has of this log; `None` if it does not say.
async fn say(mut link: Link, origin: Arc<str>, head: Head) -> (Link, Option<Answer>) {
    let until = Instant::now() + SAY_MAX;
    let ask = ask(&head, 1);
    let answer = link.ask(Some(&origin), &ask, until).await.ok();
    (link, answer)
}

const fn ask(head: &Head, bytes_max: usize) -> Ask {
    Ask {
        incarnation: Some(head.incarnation),
        after: head.frame,
        hash: None,
        bytes_max,
        wait: Duration::ZERO,
        until: Duration::ZERO,
    }
}

fn standing(
    log: &EmbeddedLog<FsDisk>,
    region: &str,
    answer: &Answer,
) -> Result<Standing, RejoinError> {
    let ours = log.head();
    let later = answer
        .spans
        .iter()
        .find(|it| it.incarnation() > ours.incarnation);
    if let Some(span) = later {
        return Err(RejoinError::LaterLife {
            region: region.to_owned(),
            theirs: span.incarnation(),
            ours: ours.incarnation,
        });
    }
    let same = answer
        .spans
        .iter()
        .find(|it| it.incarnation() == ours.incarnation);
    let Some(span) = same else {
        return Ok(Standing::Fits);
    };
    let theirs = span.head;
    let fork = |frame| RejoinError::Fork {
        region: region.to_owned(),
        life: ours.incarnation,
        frame,
    };
    if theirs.frame > ours.frame {
        let first = answer.frames.first();
        let follows = first.is_some_and(|it| it.header().prev == ours.hash);
        return if follows {
            Ok(Standing::Ahead(*span))
        } else {
            Err(fork(ours.frame))
        };
    }
    let known = if theirs.frame == ours.frame {
        Some(ours.hash)
    } else {
        // What cannot be read any more was trimmed, and says nothing.
        let next = log.reader().read(theirs.frame.next(), 1);
        next.ok()
            .and_then(|it| it.first().map(|it| it.header().prev))
    };
    if known.is_some_and(|hash| hash != theirs.hash) {
        return Err(fork(theirs.frame));
    }
    Ok(Standing::Fits)
}

async fn fetch(
    mut link: Link,
    origin: &str,
    span: &Span,
    log: &mut EmbeddedLog<FsDisk>,
) -> Result<Fetched, RejoinError> {
    let first = log.head().frame.next();
    while log.head().frame < span.head.frame {
        let head = log.head();
        let failed = |link: &Link| RejoinError::Fetch {
            region: link.region().to_owned(),
            next: head.frame.next(),
        };
        let until = Instant::now() + PIECE_MAX;
        let asked = link.ask(Some(origin), &ask(&head, BYTES_MAX), until).await;
        let frames = asked.map_err(|_| failed(&link))?.frames;
        if frames.is_empty() {
            return Err(failed(&link));
        }
        let appended = log.append_frames(now(), &frames);
        appended.map_err(|source| RejoinError::Write {
            region: link.region().to_owned(),
            source,
        })?;
    }
    Ok(Fetched {
        from: link.region().to_owned(),
        first,
        last: log.head().frame,
    })
}
