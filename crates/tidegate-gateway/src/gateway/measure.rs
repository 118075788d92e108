//! What the hub and the listener count, as metrics.

mod mirrors;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use tidegate_hub::clock::now;
use tidegate_hub::hub::Hub;
use tidegate_hub::parks::FlowPark;
use tidegate_hub::stats::HubStats;
use tidegate_types::time::UnixMillis;

use super::Gateway;
use crate::books;
use crate::deliver::{Breaker, DeliverStatus};
use crate::feeds::ConsumerDoor;
use crate::generation::cursor_name;
use crate::http::HttpStats;
use crate::metrics::{Samples, Scrape};
use crate::poll::PollStatus;
use crate::public::Public;

impl Gateway {
    /// Has the series of hub and listener shown. They hold no more than weak references: the
    /// registry lives in what they look at.
    pub(super) fn measure(&self) {
        let public = Arc::downgrade(&self.public);
        let scrape = move |samples: &mut Samples<'_>| match Weak::upgrade(&public) {
            Some(public) => {
                log_series(samples, &public.hub)?;
                subscription_series(samples, &public)?;
                feed_series(samples, &public)?;
                deliver_series(samples, &public)?;
                mirrors::series(samples, &public.hub)?;
                books::series(samples, &public.books)
            }
            None => Ok(()),
        };
        self.public.metrics.collect(Scrape(Box::new(scrape)));
        let polls = Arc::downgrade(&self.polls);
        let scrape = move |samples: &mut Samples<'_>| match Weak::upgrade(&polls) {
            Some(polls) => poll_series(samples, &polls.statuses()),
            None => Ok(()),
        };
        self.public.metrics.collect(Scrape(Box::new(scrape)));
        if let Some(server) = &*self.server() {
            let figures = server.figures();
            let scrape = move |samples: &mut Samples<'_>| http_series(samples, &figures.stats());
            self.public.metrics.collect(Scrape(Box::new(scrape)));
        }
    }
}

/// Counters of the hub: name, help, value.
type LogCounter = (&'static str, &'static str, fn(&HubStats) -> &AtomicU64);

const LOG_COUNTERS: [LogCounter; 5] = [
    ("log_frames", "Frames appended to the log", |it| &it.frames),
    ("log_entries", "Entries appended to the log", |it| {
        &it.entries
    }),
    (
        "log_append_failures",
        "Frames that could not be appended",
        |it| &it.append_failures,
    ),
    (
        "log_scrubbed_bytes",
        "Bytes of the log the background check has read",
        |it| &it.scrubbed_bytes,
    ),
    (
        "view_failures",
        "Writes of the local views that failed and were tried again",
        |it| &it.view_failures,
    ),
];

fn log_series(to: &mut Samples<'_>, hub: &Hub) -> fmt::Result {
    let stats = hub.stats();
    for (name, help, value) in LOG_COUNTERS {
        to.counter(name, help, value(stats).load(Ordering::Relaxed))?;
    }
    let appends = stats.append_seconds();
    to.histogram(
        "log_append_seconds",
        "Write and sync of a frame",
        &appends.buckets,
        appends.sum,
    )?;
    log_gauges(to, hub)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floats in this format"
)]
fn log_gauges(to: &mut Samples<'_>, hub: &Hub) -> fmt::Result {
    let (stats, status) = (hub.stats(), hub.status());
    let read = |value: &AtomicU64| value.load(Ordering::Relaxed) as f64;
    to.gauge("log_bytes", "Bytes of the log on disk", status.bytes as f64)?;
    to.gauge(
        "log_segments",
        "Segments of the log",
        status.segments as f64,
    )?;
    to.gauge(
        "log_segments_held",
        "Segments kept beyond their retention for unfinished work",
        read(&stats.held_segments),
    )?;
    to.gauge(
        "log_head_frame",
        "Number of the last frame",
        hub.head().borrow().frame.0 as f64,
    )?;
    to.gauge(
        "log_first_frame",
        "Number of the oldest frame",
        status.bounds.first.0 as f64,
    )?;
    to.gauge(
        "view_applied_frame",
        "Last frame the local views have applied",
        read(&stats.applied),
    )?;
    let age = status
        .oldest
        .map_or(0.0, |oldest| now().since(oldest).as_secs_f64());
    to.gauge("log_oldest_seconds", "Age of the oldest frame", age)?;
    to.gauge(
        "log_damaged",
        "1 if the log is damaged and takes nothing more",
        f64::from(u8::from(status.damage.is_some())),
    )?;
    to.gauge(
        "log_scrub_damaged",
        "1 once the background check has found a bad frame",
        read(&stats.scrub_damaged),
    )?;
    to.gauge(
        "faults_open",
        "Faults that wait to be repaired",
        read(&stats.faults_open),
    )
}

#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floats in this format"
)]
fn subscription_series(to: &mut Samples<'_>, public: &Public) -> fmt::Result {
    let generation = public.generation.load();
    let cursors = public.hub.cursors();
    let head = public.hub.head().borrow().frame.0;
    let mut lags = Vec::new();
    for service in &generation.config.services {
        for subscription in &service.subscriptions {
            let name = cursor_name(&service.name, &subscription.name);
            let at = cursors.get(&name).map_or(0, |place| place.frame.0);
            lags.push((name, head.saturating_sub(at) as f64));
        }
    }
    let about = (
        "subscription_lag_frames",
        "Frames between the acknowledged cursor of a subscription and the end of the log",
    );
    to.gauges(
        about,
        "subscription",
        lags.iter().map(|(name, lag)| (name.as_str(), *lag)),
    )
}

#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floats in this format"
)]
fn feed_series(to: &mut Samples<'_>, public: &Public) -> fmt::Result {
    let generation = public.generation.load();
    let head = public.hub.head().borrow().frame.0;
    let consumers = generation.feeds.iter().flat_map(|feed| {
        let lag = move |it: &Arc<ConsumerDoor>| {
            let name = format!("{}/{}", feed.feed.name, it.name);
            (name, it.metrics.lag(head) as f64)
        };
        feed.consumers.iter().map(lag)
    });
    let lags: Vec<(String, f64)> = consumers.collect();
    let about = (
        "feed_lag_frames",
        "Frames between the position that a consumer presented last and the end of the log",
    );
    to.gauges(
        about,
        "consumer",
        lags.iter().map(|(name, lag)| (name.as_str(), *lag)),
    )
}

type DeliverGauge = (&'static str, &'static str, fn(&DeliverStatus) -> f64);

#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floats in this format"
)]
const DELIVER_GAUGES: [DeliverGauge; 6] = [
    (
        "deliver_lag_frames",
        "Frames between the first event that is not settled and the end of the log",
        |it| it.lag_frames as f64,
    ),
    ("deliver_under_way", "Requests under way", |it| {
        it.under_way as f64
    }),
    (
        "deliver_retrying",
        "Events that wait for another attempt",
        |it| it.retrying as f64,
    ),
    ("deliver_keys_held", "Keys that are held back", |it| {
        it.keys_held as f64
    }),
    (
        "deliver_breaker_open",
        "1 while the endpoint is left alone or probed",
        |it| f64::from(u8::from(it.breaker != Breaker::Closed)),
    ),
    (
        "deliver_stopped",
        "1 while the flow is paused, or its endpoint said that it is gone",
        |it| f64::from(u8::from(matches!(it.state, "paused" | "gone"))),
    ),
];

fn deliver_series(to: &mut Samples<'_>, public: &Public) -> fmt::Result {
    let statuses = public.deliveries.statuses();
    for (name, help, value) in DELIVER_GAUGES {
        let values = statuses.iter().map(|it| (it.flow.as_str(), value(it)));
        to.gauges((name, help), "flow", values)?;
    }
    let ages: Vec<(&str, f64)> = statuses
        .iter()
        .map(|it| (it.flow.as_str(), age(public, it)))
        .collect();
    let about = (
        "deliver_lag_seconds",
        "Age of the frame with the first event that is not settled",
    );
    to.gauges(about, "flow", ages)?;
    let parks = public.hub.parks();
    for (name, help, value) in PARK_GAUGES {
        let values = parks.iter().map(|it| (it.flow.as_str(), value(it)));
        to.gauges((name, help), "flow", values)?;
    }
    Ok(())
}

/// Gauges of a park: name, help, value.
type ParkGauge = (&'static str, &'static str, fn(&FlowPark) -> f64);

const PARK_GAUGES: [ParkGauge; 5] = [
    (
        "park_events",
        "Events that a held flow keeps outside the log",
        |it| it.status.events as f64,
    ),
    ("park_bytes", "Their bytes", |it| it.status.bytes as f64),
    (
        "park_disk_bytes",
        "Disk the park takes, preallocated parts included",
        |it| it.status.disk_bytes as f64,
    ),
    ("park_full", "1 while the park has no room for more", |it| {
        f64::from(u8::from(it.full))
    }),
    (
        "park_discarded",
        "Events that had no room and were given up, since the start",
        |it| it.discarded as f64,
    ),
];

/// Reads one frame of each flow that lags.
fn age(public: &Public, status: &DeliverStatus) -> f64 {
    if status.lag_frames == 0 {
        return 0.0;
    }
    let appended = match public.reader.read(status.low_frame, 1) {
        Ok(frames) => frames.first().map(|frame| frame.header().time),
        // It stands in the park.
        Err(_) => public.hub.parked_since(&status.flow),
    };
    appended.map_or(0.0, |appended| now().since(appended).as_secs_f64())
}

fn poll_series(to: &mut Samples<'_>, polls: &[PollStatus]) -> fmt::Result {
    let time = now();
    let age = |at: UnixMillis| time.since(at).as_secs_f64();
    let about = (
        "poll_answer_age_seconds",
        "Since the source of a flow last gave an answer that could be used",
    );
    let answered = polls.iter();
    let answered = answered.filter_map(|it| Some((it.flow.as_str(), age(it.answered?))));
    to.gauges(about, "flow", answered)?;
    let about = (
        "poll_newest_age_seconds",
        "Age of the newest item of a flow that polls by time",
    );
    let newest = polls.iter();
    let newest = newest.filter_map(|it| Some((it.flow.as_str(), age(it.newest?))));
    to.gauges(about, "flow", newest)?;
    let about = (
        "poll_failures_in_a_row",
        "Requests to the source of a flow that failed one after the other",
    );
    let failures = polls.iter();
    let failures = failures.map(|it| (it.flow.as_str(), f64::from(it.failures)));
    to.gauges(about, "flow", failures)
}

/// Counters of a listener: name, help, value.
type HttpCounter = (&'static str, &'static str, fn(&HttpStats) -> u64);

const HTTP_COUNTERS: [HttpCounter; 14] = [
    ("http_connections_accepted", "Connections accepted", |it| {
        it.accepted
    }),
    (
        "http_connections_limited",
        "Times accepting stopped at limits.connections-max",
        |it| it.limit_reached,
    ),
    ("http_accept_errors", "Failed accepts", |it| {
        it.accept_errors
    }),
    ("http_tls_failures", "TLS handshakes that failed", |it| {
        it.tls_failed
    }),
    (
        "http_malformed",
        "Connections ended for bytes that are no HTTP",
        |it| it.malformed,
    ),
    (
        "http_head_timeouts",
        "Connections ended for a slow head",
        |it| it.head_timeouts,
    ),
    (
        "http_request_timeouts",
        "Requests that took too long",
        |it| it.request_timeouts,
    ),
    (
        "http_write_timeouts",
        "Connections ended because the peer read nothing",
        |it| it.write_timeouts,
    ),
    ("http_panics", "Requests whose handler panicked", |it| {
        it.panics
    }),
    ("http_requests", "Requests whose head was read", |it| {
        it.requests
    }),
    ("http_read_bytes", "Bytes read from peers", |it| {
        it.bytes_read
    }),
    ("http_written_bytes", "Bytes written to peers", |it| {
        it.bytes_written
    }),
    ("http_answers_4xx", "Answers that blame the request", |it| {
        it.answers[4]
    }),
    ("http_answers_5xx", "Answers that blame us", |it| {
        it.answers[5]
    }),
];

#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floats in this format"
)]
fn http_series(to: &mut Samples<'_>, stats: &HttpStats) -> fmt::Result {
    to.gauge(
        "http_connections",
        "Connections open now",
        stats.open as f64,
    )?;
    let in_flight = stats.in_flight as f64;
    to.gauge(
        "http_requests_in_flight",
        "Requests whose answer is not finished",
        in_flight,
    )?;
    for (name, help, value) in HTTP_COUNTERS {
        to.counter(name, help, value(stats))?;
    }
    Ok(())
}
