//! What may be removed: whole segments from the oldest on, and never silently unfinished work.

use tidegate_types::position::FrameNumber;
use tidegate_types::time::UnixMillis;

use super::engine::{TrimPolicy, TrimReport};
use super::view::View;

/// What the policy removes now. The segment that is written to always stays.
pub(super) fn plan<F>(
    view: &View<F>,
    now: UnixMillis,
    policy: &TrimPolicy,
    low_water: FrameNumber,
) -> TrimReport {
    let mut report = TrimReport {
        oldest: view.first(),
        ..TrimReport::default()
    };
    let mut bytes_left = view.bytes();
    let sealed = view.segments.len().saturating_sub(1);
    for segment in view.segments.iter().take(sealed) {
        let extent = &segment.extent;
        let expired = extent.last_time.plus(policy.keep) < now;
        if !expired && bytes_left <= policy.size_max {
            break;
        }
        bytes_left = bytes_left.saturating_sub(segment.bytes);
        if report.held_by_low_water > 0 || extent.last >= low_water {
            report.held_by_low_water += 1;
            continue;
        }
        report.segments += 1;
        report.frames += extent.frames();
        report.bytes += segment.bytes;
        report.oldest = extent.last.next();
    }
    report
}
