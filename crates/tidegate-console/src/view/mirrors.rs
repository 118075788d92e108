//! Copies of logs in other regions: theirs here, and ours there.

use serde::{Deserialize, Serialize};
use tidegate_core::mirror::Span;
use tidegate_hub::hub::Hub;
use tidegate_hub::mirrors::MirrorLog;
use utoipa::ToSchema;

/// The copy of another region's log that is kept here.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MirrorView {
    /// The region whose log it is.
    pub origin: String,
    /// `starting`, `following`, `stalled` (it can be reached, and for 10 s nothing got here),
    /// `unreachable`, `refused`, `regressed` (it went backwards), `blocked` (nothing can be stored
    /// here), or `retired` (nobody follows it any more).
    pub state: String,
    /// Since when, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// What stands in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Frames the region has, as it said last, that are not here.
    pub behind_frames: u64,
    /// Milliseconds since the region had nothing that is not here; absent if that never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<u64>,
    /// Bytes on disk.
    pub bytes: u64,
    /// The lives of its log, the oldest first; only the last one can get more.
    pub lives: Vec<LifeView>,
}

/// One life of a region's log.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LifeView {
    /// Which, in hexadecimal.
    pub incarnation: String,
    /// The oldest frame that is here.
    pub first_frame: u64,
    /// The last frame that is here.
    pub last_frame: u64,
    /// It has ended.
    pub ended: bool,
}

/// What another region has of this one's log.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CopyView {
    /// The other region.
    pub region: String,
    /// The last frame it has confirmed to have on disk; 0 if its copy differs from the log.
    pub frame: u64,
    /// Frames behind that.
    pub behind_frames: u64,
}

impl MirrorView {
    /// All mirrors of `hub`.
    #[must_use]
    pub fn all(hub: &Hub) -> Vec<Self> {
        hub.mirrors().list().iter().map(|it| Self::of(it)).collect()
    }

    fn of(mirror: &MirrorLog) -> Self {
        let report = mirror.report();
        let status = report.as_ref().map(|it| it.status());
        let lag = report.as_ref().and_then(|it| it.lag());
        Self {
            origin: mirror.origin().to_owned(),
            state: status.map_or("retired", |it| it.state.name()).to_owned(),
            since: report.as_ref().map(|it| it.since().to_string()),
            reason: status.and_then(|it| it.reason.clone()),
            behind_frames: status.map_or(0, |it| it.behind_frames),
            lag_ms: lag.map(|it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX)),
            bytes: mirror.sizes().bytes,
            lives: mirror.spans().iter().map(life).collect(),
        }
    }
}

fn life(span: &Span) -> LifeView {
    LifeView {
        incarnation: span.incarnation().to_string(),
        first_frame: span.first.0,
        last_frame: span.head.frame.0,
        ended: span.ended,
    }
}

impl CopyView {
    /// What each region has of the log of `hub`.
    #[must_use]
    pub fn all(hub: &Hub) -> Vec<Self> {
        let head = hub.head().borrow().frame;
        let copies = hub.remote().peers().into_iter();
        let view = |(region, frame): (String, tidegate_types::position::FrameNumber)| Self {
            region,
            frame: frame.0,
            behind_frames: head.0.saturating_sub(frame.0),
        };
        copies.map(view).collect()
    }
}
