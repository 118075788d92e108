//! One attempt: a request is made and sent, and what comes back is put into the machine's words.

use std::sync::Arc;
use std::time::Duration;

use tidegate_core::deliver::{Answer, AttemptResult, Failure, SendEvent};
use tidegate_wire::aws::{EventResult, Target};
use tidegate_wire::pacing::retry_after;

use super::flow::DeliverFlow;
use super::log::Body;
use super::message::message;
use super::request::{Unmapped, request};
use crate::outbound::aws::{self, Delivered};
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
    if let Some(target) = &flow.config.target {
        return hand_over(&transport, &flow, target, &subsystem, &events).await;
    }
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

/// Takes one event to a queue or a bus.
async fn hand_over(
    transport: &Transport,
    flow: &DeliverFlow,
    target: &Target,
    subsystem: &str,
    events: &[SendEvent<Body>],
) -> Ended {
    let message = match message(flow, target, subsystem, events).await {
        Ok(message) => message,
        Err(Unmapped(why)) => {
            return Ended {
                answer: failed(Failure::Request, &why),
                took: Duration::ZERO,
            };
        }
    };
    let items = [message.item()];
    let timeout = flow.config.timeout;
    let delivered = aws::deliver(transport, &flow.endpoint, target, &items, timeout).await;
    Ended {
        took: delivered.duration,
        answer: judged(delivered),
    }
}

/// Only what the service says it has taken is delivered.
fn judged(delivered: Delivered) -> Answer {
    let mut results = delivered.results.into_iter();
    match (results.next(), results.next(), delivered.failure) {
        (Some(EventResult::Accepted(_)), None, _) => Answer::status(200),
        (Some(EventResult::Refused(refusal)), None, _) => {
            let text = plain(&refusal.to_string());
            // What was never sent is no answer of theirs.
            if delivered.calls == 0 {
                return failed(Failure::Request, &text);
            }
            Answer {
                text,
                ..Answer::status(refusal.status())
            }
        }
        (_, _, Some(failure)) => failed(kind(&failure), &failure.to_string()),
        _ => failed(Failure::Aborted, "the service said nothing of the event"),
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
        | FailureKind::TunnelTls
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

/// The status and the beginning of the body, if it is text, without anything that moves a cursor.
fn quote(status: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..1024.min(body.len())).unwrap_or_default());
    let plain = plain(&text);
    if plain.is_empty() {
        format!("answered {status}")
    } else {
        format!("answered {status}: {plain}")
    }
}

fn plain(text: &str) -> String {
    let plain = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(QUOTE_CHARS);
    plain.collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use tidegate_core::deliver::Classification;
    use tidegate_wire::aws::{Refusal, RefusalCause};

    use super::*;

    #[test]
    fn only_what_was_taken_is_delivered() {
        let judged = |result: Option<EventResult>, failure, calls| {
            judged(Delivered {
                results: result.into_iter().collect(),
                failure,
                calls,
                duration: Duration::ZERO,
            })
            .result
        };
        let refused = |cause| {
            let code = "Code".to_owned();
            let message = String::new();
            Some(EventResult::Refused(Refusal {
                cause,
                code,
                message,
            }))
        };
        let broken = || {
            Some(outbound::Failure {
                kind: FailureKind::AnswerTimeout,
                sent: Sent::Something,
                detail: String::new(),
            })
        };
        let status = AttemptResult::Status;
        let failed = AttemptResult::Failed;
        let taken = Some(EventResult::Accepted("m".to_owned()));
        assert_eq!(judged(taken, None, 1), status(200));
        for (cause, said) in [
            (RefusalCause::Event, 422),
            (RefusalCause::Throttling, 429),
            (RefusalCause::Access, 403),
            (RefusalCause::Service, 500),
        ] {
            assert_eq!(judged(refused(cause), None, 1), status(said));
        }
        let event = refused(RefusalCause::Event);
        assert_eq!(judged(event, None, 0), failed(Failure::Request));
        for result in [EventResult::Unanswered, EventResult::Unsent] {
            let timeout = failed(Failure::Timeout);
            assert_eq!(judged(Some(result.clone()), broken(), 1), timeout);
            assert_eq!(judged(Some(result), None, 1), failed(Failure::Aborted));
        }
        assert_eq!(judged(None, None, 0), failed(Failure::Aborted));
    }

    #[test]
    fn machine_and_transport_blame_the_same_for_tls() {
        for tls in [
            FailureKind::Certificate,
            FailureKind::Handshake,
            FailureKind::TunnelTls,
            FailureKind::ClientCertificate,
        ] {
            let failure = outbound::Failure {
                kind: tls,
                sent: Sent::Nothing,
                detail: String::new(),
            };
            let result = AttemptResult::Failed(kind(&failure));
            let (_, blame) = Classification::default().judge(result);
            assert_eq!(blame, failure.blame(), "{tls}");
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
