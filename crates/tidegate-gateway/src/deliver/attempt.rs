//! One attempt: a request is made and sent, and what comes back is put into the machine's words.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use tidegate_core::deliver::{Answer, AttemptResult, Failure, SendEvent};
use tidegate_types::time::UnixMillis;

use super::flow::DeliverFlow;
use super::log::Body;
use super::request::{Unmapped, request};
use crate::outbound::{self, FailureKind, Outcome, Sent, Transport};

/// Characters of an answer's body that are kept with a failure.
const QUOTE_CHARS: usize = 160;

/// How an attempt ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) answer: Answer,
    /// From the first lookup to the last byte; zero if nothing was sent.
    pub(super) took: Duration,
}

/// Sends `events` as one request. Ends within the flow's timeout.
pub(super) async fn attempt(
    transport: Arc<Transport>,
    flow: Arc<DeliverFlow>,
    subsystem: Arc<str>,
    events: Vec<SendEvent<Body>>,
) -> Ended {
    let request = match request(&flow, &subsystem, &events).await {
        Ok(request) => request,
        Err(Unmapped(why)) => {
            return Ended {
                answer: failed(Failure::Request, &why),
                took: Duration::ZERO,
            };
        }
    };
    drop(events);
    let outcome = transport.send(&flow.endpoint, &request).await;
    let took = outcome.duration;
    Ended {
        answer: answer(outcome),
        took,
    }
}

fn answer(outcome: Outcome) -> Answer {
    match outcome.result {
        Ok(answer) => {
            let status = answer.status.as_u16();
            let now = tidegate_hub::clock::now();
            Answer {
                result: AttemptResult::Status(status),
                retry_after: retry_after(&answer.headers, now),
                text: if answer.status.is_success() {
                    String::new()
                } else {
                    quote(status, &answer.body)
                },
            }
        }
        Err(failure) => failed(kind(&failure), &failure.to_string()),
    }
}

fn failed(failure: Failure, why: &str) -> Answer {
    Answer {
        text: why.to_owned(),
        ..Answer::failed(failure)
    }
}

pub(super) fn kind(failure: &outbound::Failure) -> Failure {
    match failure.kind {
        FailureKind::Request => Failure::Request,
        FailureKind::Guard
        | FailureKind::Saturated
        | FailureKind::Signing
        | FailureKind::TokenRefused
        | FailureKind::ClientCertificate => Failure::Local,
        FailureKind::Resolve => Failure::Resolve,
        FailureKind::ConnectRefused
        | FailureKind::ConnectTimeout
        | FailureKind::Unreachable
        | FailureKind::TokenUnavailable => Failure::Connect,
        FailureKind::Certificate | FailureKind::Handshake => Failure::Tls,
        FailureKind::Closed if failure.sent == Sent::Nothing => Failure::Connect,
        FailureKind::Closed => Failure::Reset,
        FailureKind::Malformed => Failure::Malformed,
        FailureKind::AnswerTimeout => Failure::Timeout,
        FailureKind::ProxyUnreachable
        | FailureKind::ProxyAuthentication
        | FailureKind::ProxyRefused
        | FailureKind::ProxyUpstream
        | FailureKind::ProxyMalformed => Failure::Proxy,
    }
}

/// How long the answer asks to wait: seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: UnixMillis) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    // `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that may still be written.
    let mut parts = text.strip_suffix(" GMT")?.split(' ').skip(1);
    let (day, month, year, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let at: UnixMillis = format!("{year}-{month:02}-{day}T{time}Z").parse().ok()?;
    Some(at.since(now))
}

/// The status and the beginning of the body, if it is text, without anything that moves a cursor.
fn quote(status: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..1024.min(body.len())).unwrap_or_default());
    let plain = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(QUOTE_CHARS);
    let plain: String = plain.collect();
    let plain = plain.trim();
    if plain.is_empty() {
        format!("answered {status}")
    } else {
        format!("answered {status}: {plain}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_seconds_or_dates() {
        let now = "1994-11-06T08:49:30Z".parse().unwrap();
        let asked = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(asked("120"), Some(120));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT"), Some(7));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:00 GMT"), Some(0));
        for none in [
            "",
            "-1",
            "soon",
            "Sun, 06 Nov 1994 08:49:37",
            "99999999999999999999999",
        ] {
            assert_eq!(asked(none), None, "{none}");
        }
    }

    #[test]
    fn quotations_are_short_and_plain() {
        assert_eq!(quote(500, b""), "answered 500");
        assert_eq!(quote(500, b" a\x1b[31m\r\nb"), "answered 500: a [31m  b");
        assert!(quote(500, &[b'x'; 5000]).len() < 200);
        assert!(!quote(500, &[0xff; 10]).is_empty());
    }
}
