use tidegate_types::id::EventId;
use tidegate_types::position::{FrameNumber, Incarnation, Place};

use super::*;

fn metrics() -> Metrics {
    Metrics::new(&NodeTags {
        account: "acme-prod".to_owned(),
        region: "us-east-1".to_owned(),
        stage: "prd".to_owned(),
        subsystem: "orders".to_owned(),
    })
}

#[test]
fn every_series_carries_the_tags_of_the_node() {
    let metrics = metrics();
    let flow = metrics.flow("github", "github");
    let place = Place {
        incarnation: Incarnation(1),
        frame: FrameNumber(1),
        index: 0,
    };
    let id = EventId::from_bytes([1; 16]);
    flow.answered(&Answer::Kept { id, place }, UnixMillis(5));
    flow.answered(&Answer::Refused(Refusal::Full), UnixMillis(6));
    flow.unverified("mismatch");
    flow.took(Duration::from_millis(3));
    metrics.collect(Scrape(Box::new(|samples| {
        samples.gauge("log_bytes", "Bytes", 7.0)?;
        samples.histogram(
            "log_append_seconds",
            "Appends",
            &[(0.1, 2), (f64::INFINITY, 3)],
            1.5,
        )
    })));
    let text = metrics.text();
    let tags = r#"account="acme-prod",region="us-east-1",stage="prd",subsystem="orders",service="tidegate""#;
    for line in [
        format!(
            r#"tidegate_events_total{{{tags},flow="github",system="github",outcome="kept"}} 1"#
        ),
        format!(
            r#"tidegate_events_refused_total{{{tags},flow="github",system="github",reason="full"}} 1"#
        ),
        format!(
            r#"tidegate_requests_unverified_total{{{tags},flow="github",system="github",reason="mismatch"}} 1"#
        ),
        format!(r#"tidegate_log_bytes{{{tags}}} 7.0"#),
        format!(r#"tidegate_log_append_seconds_bucket{{{tags},le="+Inf"}} 3"#),
        format!(r#"tidegate_log_append_seconds_count{{{tags}}} 3"#),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }
    let counts = flow.counts();
    assert_eq!((counts.kept, counts.refused, counts.unverified), (1, 1, 1));
    assert_eq!(counts.last_event, Some(UnixMillis(5)));
}

#[test]
fn the_series_of_a_flow_go_on_over_a_reload() {
    let metrics = metrics();
    metrics.flow("github", "github").filtered.inc();
    metrics.flow("github", "github").filtered.inc();
    assert_eq!(metrics.flow("github", "github").counts().filtered, 2);
}
