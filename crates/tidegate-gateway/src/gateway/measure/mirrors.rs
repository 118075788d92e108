//! What mirrors and their copies elsewhere look like as metrics.

use std::fmt;
use std::sync::Arc;

use tidegate_core::mirror::MirrorState;
use tidegate_hub::hub::Hub;
use tidegate_hub::mirrors::MirrorLog;

use crate::metrics::Samples;

/// Gauges of a mirror: name, help, value; `None` leaves the series out.
type MirrorGauge = (&'static str, &'static str, fn(&MirrorLog) -> Option<f64>);

#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floats in this format"
)]
const MIRROR_GAUGES: [MirrorGauge; 5] = [
    (
        "mirror_following",
        "1 while the log of that region is followed and nothing stands in the way",
        |it| {
            let report = it.report()?;
            let follows = report.status().state == MirrorState::Following;
            Some(f64::from(u8::from(follows)))
        },
    ),
    (
        "mirror_lag_seconds",
        "Time since that region had nothing that is not stored here",
        |it| Some(it.report()?.lag()?.as_secs_f64()),
    ),
    (
        "mirror_behind_frames",
        "Frames that region has, as it said last, that are not stored here",
        |it| Some(it.report()?.status().behind_frames as f64),
    ),
    (
        "mirror_head_frame",
        "Number of the last frame of that region that is stored here",
        |it| {
            let spans = it.spans();
            Some(spans.last()?.head.frame.0 as f64)
        },
    ),
    (
        "mirror_bytes",
        "Disk the copy of that region's log takes",
        |it| Some(it.sizes().bytes as f64),
    ),
];

#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floats in this format"
)]
pub(super) fn series(to: &mut Samples<'_>, hub: &Hub) -> fmt::Result {
    let mirrors: Vec<Arc<MirrorLog>> = hub.mirrors().list();
    for (name, help, value) in MIRROR_GAUGES {
        let values = mirrors
            .iter()
            .filter_map(|it| Some((it.origin(), value(it)?)));
        to.gauges((name, help), "origin", values)?;
    }
    let head = hub.head().borrow().frame;
    let copies = hub.remote().peers();
    let behind = copies
        .iter()
        .map(|(region, frame)| (region.as_str(), head.0.saturating_sub(frame.0) as f64));
    let about = (
        "copy_behind_frames",
        "Frames of this log that the named region has not confirmed yet",
    );
    to.gauges(about, "region", behind)
}
