//! What an answer means, and whose a failure is to repair.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::log::entry::Blame;

/// Status rules of one flow at most; a table that large is a mistake.
pub const RULES_MAX: usize = 64;

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The answer or the failure.
    pub result: AttemptResult,
    /// How long to wait, by the answer's `Retry-After` (a date turned into a duration by the shell).
    pub retry_after: Option<Duration>,
    /// What went wrong, for people; the beginning of the answer's body, without secrets.
    pub text: String,
}

impl Answer {
    /// An answer with this status and nothing else.
    #[must_use]
    pub const fn status(status: u16) -> Self {
        Self {
            result: AttemptResult::Status(status),
            retry_after: None,
            text: String::new(),
        }
    }

    /// A failure without an answer.
    #[must_use]
    pub const fn failed(failure: Failure) -> Self {
        Self {
            result: AttemptResult::Failed(failure),
            retry_after: None,
            text: String::new(),
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptResult {
    /// An answer with this HTTP status came.
    Status(u16),
    /// None came.
    Failed(Failure),
}

/// Why no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The request could not be made from the event: its mapping failed.
    Request,
    /// Our own side failed: no credential, an address that is not allowed, no local resource.
    Local,
    /// The name has no address.
    Resolve,
    /// No connection came about.
    Connect,
    /// TLS was not agreed on.
    Tls,
    /// The proxy refused or failed.
    Proxy,
    /// The connection broke after the request had begun; it may have been processed.
    Reset,
    /// The time was over; it may have been processed.
    Timeout,
    /// What came is not an answer, or one without end.
    Malformed,
    /// We gave up ourselves (shutdown); it may have been processed.
    Aborted,
}

impl Failure {
    /// Its name in metrics and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Local => "local",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Proxy => "proxy",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Malformed => "malformed",
            Self::Aborted => "aborted",
        }
    }
}

/// What an answer means for the event and its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Done.
    Delivered,
    /// It is about the event, and may pass: the attempt counts.
    Retry,
    /// It is about the event, and final: the event is set aside.
    Reject,
    /// It is about the endpoint: the breaker counts it. It is also about the event if another key
    /// is delivered at the same time.
    EndpointDown,
    /// The endpoint wants less: `Retry-After` is obeyed, else it is as if it were down.
    Throttle,
    /// The endpoint is gone for good: the flow stops until an operator resumes it.
    Gone,
    /// Nobody's: the event is sent again.
    Again,
}

impl Class {
    /// Its name in the configuration, metrics and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retry => "retry",
            Self::Reject => "reject",
            Self::EndpointDown => "endpoint-down",
            Self::Throttle => "throttle",
            Self::Gone => "gone",
            Self::Again => "again",
        }
    }
}

/// One rule of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The statuses it speaks of.
    pub statuses: RangeInclusive<u16>,
    /// What they mean.
    pub class: Class,
}

/// What statuses mean: the rules of the flow in their order, then the built-in ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classification {
    rules: Vec<Rule>,
}

/// Too many rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a flow has at most {RULES_MAX} rules for statuses")]
pub struct TooManyRules;

impl Classification {
    /// The flow's own rules; the first that fits decides.
    ///
    /// # Errors
    /// There are more than [`RULES_MAX`].
    pub fn new(rules: Vec<Rule>) -> Result<Self, TooManyRules> {
        if rules.len() > RULES_MAX {
            return Err(TooManyRules);
        }
        Ok(Self { rules })
    }

    /// What the end of an attempt means, and whose it is if it is a failure.
    #[must_use]
    pub fn judge(&self, result: AttemptResult) -> (Class, Blame) {
        match result {
            AttemptResult::Status(status) => (self.class_of(status), blame_of(status)),
            AttemptResult::Failed(failure) => judge_failure(failure),
        }
    }

    fn class_of(&self, status: u16) -> Class {
        let rule = self
            .rules
            .iter()
            .find(|rule| rule.statuses.contains(&status));
        rule.map_or_else(|| default_class(status), |rule| rule.class)
    }
}

/// The built-in meaning of a status.
///
/// A rejection at once is only for what the same bytes will always get. A 404 is not among them:
/// proxies and systems in maintenance answer it for everything.
const fn default_class(status: u16) -> Class {
    match status {
        200..=299 => Class::Delivered,
        400 | 413 | 414 | 415 | 422 | 431 => Class::Reject,
        410 => Class::Gone,
        429 | 502 | 503 | 504 => Class::Throttle,
        // Credentials, the proxy's credentials, slowness: it would be the same for every event.
        401 | 403 | 407 | 408 => Class::EndpointDown,
        402 | 404..=499 => Class::Retry,
        // Redirects are never followed; 5xx and what is not HTTP are the endpoint's.
        _ => Class::EndpointDown,
    }
}

const fn blame_of(status: u16) -> Blame {
    match status {
        // Our URL or our credentials.
        300..=399 | 401 | 403 | 405 => Blame::Us,
        407 => Blame::Proxy,
        _ => Blame::Them,
    }
}

const fn judge_failure(failure: Failure) -> (Class, Blame) {
    match failure {
        Failure::Request => (Class::Reject, Blame::Us),
        Failure::Local => (Class::EndpointDown, Blame::Us),
        Failure::Resolve | Failure::Connect | Failure::Reset => (Class::EndpointDown, Blame::Path),
        Failure::Tls | Failure::Timeout | Failure::Malformed => (Class::EndpointDown, Blame::Them),
        Failure::Proxy => (Class::EndpointDown, Blame::Proxy),
        Failure::Aborted => (Class::Again, Blame::Us),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_table() {
        let table = Classification::default();
        let cases = [
            (200, Class::Delivered, Blame::Them),
            (204, Class::Delivered, Blame::Them),
            (101, Class::EndpointDown, Blame::Them),
            (301, Class::EndpointDown, Blame::Us),
            (400, Class::Reject, Blame::Them),
            (401, Class::EndpointDown, Blame::Us),
            (404, Class::Retry, Blame::Them),
            (407, Class::EndpointDown, Blame::Proxy),
            (409, Class::Retry, Blame::Them),
            (410, Class::Gone, Blame::Them),
            (413, Class::Reject, Blame::Them),
            (422, Class::Reject, Blame::Them),
            (429, Class::Throttle, Blame::Them),
            (500, Class::EndpointDown, Blame::Them),
            (503, Class::Throttle, Blame::Them),
            (999, Class::EndpointDown, Blame::Them),
            (0, Class::EndpointDown, Blame::Them),
        ];
        for (status, class, blame) in cases {
            let judged = table.judge(AttemptResult::Status(status));
            assert_eq!(judged, (class, blame), "{status}");
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let rule = |statuses, class| Rule { statuses, class };
        let rules = vec![
            rule(404..=404, Class::Reject),
            rule(400..=499, Class::Retry),
        ];
        let table = Classification::new(rules).unwrap();
        let class = |status| table.judge(AttemptResult::Status(status)).0;
        assert_eq!(class(404), Class::Reject);
        assert_eq!(class(400), Class::Retry);
        assert_eq!(class(500), Class::EndpointDown);
        let many = vec![rule(1..=1, Class::Retry); RULES_MAX + 1];
        assert_eq!(Classification::new(many), Err(TooManyRules));
    }
}
