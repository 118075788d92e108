//! OAuth 2.0 client credentials (RFC 6749, section 4.4): tokens fetched, kept and replaced.
//!
//! One token serves all requests of an endpoint until shortly before its end. While one request
//! fetches a new one the others wait for it; after a failure nobody asks again for a second.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::Value;
use tidegate_types::secret::Secret;
use tidegate_wire::form;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::super::endpoint::{Endpoint, EndpointSettings};
use super::super::outcome::{Answer, BodyEnd, Failure, FailureKind};
use super::super::transport::{Request, Transport};
use super::AuthError;

/// Where tokens come from. The token endpoint is reached as the endpoint itself: through the same guard
/// and proxy, believing the same authorities, showing the same certificate.
#[derive(Clone, Debug)]
pub struct OAuth2Settings {
    /// The token endpoint, for example `https://login.example/oauth2/token`; without a query.
    pub token_url: String,
    /// Our name there.
    pub client_id: String,
    /// Our secret there.
    pub client_secret: Secret,
    /// Where the two stand in the request.
    pub style: ClientStyle,
    /// What the token is to be good for, names separated by blanks.
    pub scope: Option<String>,
    /// Whom it is to be good for; not in the RFC, but many servers ask for it.
    pub audience: Option<String>,
}

/// Where client id and secret stand (RFC 6749, section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientStyle {
    /// In the header `authorization`, which every server must take.
    #[default]
    Basic,
    /// In the body.
    Body,
}

/// A token, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Token {
    /// `Bearer …`, marked as sensitive.
    pub(in super::super) header: HeaderValue,
    /// When it is to be replaced.
    replace_at: Instant,
}

/// Tokens of one endpoint.
#[derive(Debug)]
pub(in super::super) struct TokenSource {
    endpoint: Arc<Endpoint>,
    headers: HeaderMap,
    /// Holds the client's secret if it stands in the body.
    form: Secret,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    failed: Option<(Instant, Failure)>,
    /// When a token was last replaced because a request with it was refused.
    replaced: Option<Instant>,
}

impl TokenSource {
    pub(super) fn new(
        settings: &EndpointSettings,
        oauth2: &OAuth2Settings,
    ) -> Result<Self, AuthError> {
        let secret =
            str::from_utf8(oauth2.client_secret.expose()).map_err(|_| AuthError::Client)?;
        let optional = [oauth2.scope.as_deref(), oauth2.audience.as_deref()];
        if oauth2.client_id.is_empty() || secret.is_empty() || optional.contains(&Some("")) {
            return Err(AuthError::Client);
        }
        let endpoint = Endpoint::of_tokens(settings, &oauth2.token_url)
            .map_err(|error| AuthError::TokenEndpoint(Box::new(error)))?;
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let mut pairs = vec![("grant_type", "client_credentials")];
        pairs.extend(oauth2.scope.as_deref().map(|scope| ("scope", scope)));
        pairs.extend(
            oauth2
                .audience
                .as_deref()
                .map(|audience| ("audience", audience)),
        );
        match oauth2.style {
            ClientStyle::Body => {
                pairs.extend([
                    ("client_id", oauth2.client_id.as_str()),
                    ("client_secret", secret),
                ]);
            }
            ClientStyle::Basic => {
                headers.insert(AUTHORIZATION, basic(&oauth2.client_id, secret)?);
            }
        }
        Ok(Self {
            endpoint,
            headers,
            form: Secret::new(form::write(pairs)),
            state: Mutex::default(),
        })
    }

    /// A token that is good, by `deadline`; another one than `spurned`.
    pub(in super::super) async fn token(
        &self,
        transport: &Transport,
        spurned: Option<&Token>,
        deadline: Instant,
    ) -> Result<Token, Failure> {
        let waiting = || Failure::unsent(FailureKind::TokenUnavailable, "no answer in time");
        let mut state = timeout_at(deadline, self.state.lock())
            .await
            .map_err(|_| waiting())?;
        let now = Instant::now();
        if let Some(token) = &state.token
            && token.replace_at > now
        {
            if Some(token) != spurned {
                return Ok(token.clone());
            }
            // Else an endpoint that refuses everything would have us fetch a token for each request.
            let is_recent = |at: Instant| now.saturating_duration_since(at) < REPLACE_AFTER;
            if state.replaced.is_some_and(is_recent) {
                return Err(Failure::unsent(
                    FailureKind::TokenUnavailable,
                    "the last one was replaced just now",
                ));
            }
            state.replaced = Some(now);
        }
        if let Some((at, failure)) = &state.failed
            && now.saturating_duration_since(*at) < RETRY_AFTER
        {
            return Err(failure.clone());
        }
        let fetched = self.fetch(transport, deadline).await;
        state.failed = fetched
            .as_ref()
            .err()
            .map(|failure| (Instant::now(), failure.clone()));
        state.token = fetched.as_ref().ok().cloned();
        fetched
    }

    async fn fetch(&self, transport: &Transport, deadline: Instant) -> Result<Token, Failure> {
        let asked = Instant::now();
        let location = self.endpoint.locate("", "");
        let location =
            location.map_err(|problem| Failure::unsent(FailureKind::Request, problem))?;
        let request = Request {
            headers: self.headers.clone(),
            body: Bytes::copy_from_slice(self.form.expose()),
            answer_bytes_max: ANSWER_BYTES_MAX,
            ..Request::new(Method::POST, location)
        };
        let deadline = deadline.min(asked + FETCH_TIMEOUT);
        let answer = transport
            .exchange(&self.endpoint, &request, None, deadline)
            .await;
        read(&answer.map_err(|failure| unavailable(&failure))?, asked)
    }
}

/// RFC 6749 has both encoded as in a form before they are joined.
fn basic(id: &str, secret: &str) -> Result<HeaderValue, AuthError> {
    // A form of one nameless pair is `=` and the encoded value.
    let encoded = |text| form::write([("", text)]).trim_start_matches('=').to_owned();
    let pair = format!("{}:{}", encoded(id), encoded(secret));
    let value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)));
    let mut value = value.map_err(|_| AuthError::Client)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A failure on the way to a token. Nothing of the request itself was sent.
fn unavailable(failure: &Failure) -> Failure {
    let kind = match failure.kind {
        FailureKind::Closed | FailureKind::Malformed | FailureKind::AnswerTimeout => {
            FailureKind::TokenUnavailable
        }
        other => other,
    };
    Failure::unsent(kind, format!("token endpoint: {failure}"))
}

fn read(answer: &Answer, asked: Instant) -> Result<Token, Failure> {
    let unusable = |why: &str| Failure::unsent(FailureKind::TokenUnavailable, why);
    let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match answer.status {
        StatusCode::OK => {}
        // RFC 6749, section 5.2: 400, or 401 for a client that is not known.
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(Failure::unsent(
                FailureKind::TokenRefused,
                error_code(&json),
            ));
        }
        other => return Err(unusable(&format!("it answers {}", other.as_u16()))),
    }
    if answer.body_end != BodyEnd::Whole {
        return Err(unusable("its answer is too long, or broke off"));
    }
    let text = |name: &str| json.get(name).and_then(Value::as_str);
    let token = text("access_token").ok_or_else(|| unusable("its answer has no access_token"))?;
    // RFC 6750, section 2.1: nothing a header could not carry.
    let visible = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if !visible || token.len() > TOKEN_BYTES_MAX {
        return Err(unusable("its token cannot stand in a header"));
    }
    if text("token_type").is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(unusable("its token is no bearer token"));
    }
    let header = HeaderValue::try_from(format!("Bearer {token}"));
    let mut header = header.map_err(|_| unusable("its token cannot stand in a header"))?;
    header.set_sensitive(true);
    Ok(Token {
        header,
        replace_at: asked + kept_for(json.get("expires_in")),
    })
}

/// How long a token is used: to a tenth before its end, at most a minute before.
fn kept_for(expires_in: Option<&Value>) -> Duration {
    // A number, though some servers write it as text.
    let seconds = expires_in.and_then(|value| match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    });
    let lifetime = seconds
        .map_or(LIFETIME_UNSAID, Duration::from_secs)
        .min(LIFETIME_MAX);
    let kept = lifetime.saturating_sub((lifetime / 10).min(Duration::from_secs(60)));
    kept.max(LIFETIME_MIN)
}

/// The error code, if it is a registered one. Whatever else they say is not repeated: it may have in it
/// what we sent.
fn error_code(json: &Value) -> &'static str {
    let code = json.get("error").and_then(Value::as_str);
    let known = ERROR_CODES.iter().find(|known| Some(**known) == code);
    known.copied().unwrap_or("without a registered error code")
}

/// IANA registry "OAuth Extensions Error", and RFC 6749, sections 4.1.2.1 and 5.2.
const ERROR_CODES: &[&str] = &[
    "access_denied",
    "insufficient_scope",
    "invalid_client",
    "invalid_dpop_proof",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "invalid_target",
    "server_error",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_grant_type",
    "use_dpop_nonce",
];

/// Nobody asks again sooner after a failure: a thousand waiting requests are one attempt a second.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Tokens are replaced for being refused no more often than this.
const REPLACE_AFTER: Duration = Duration::from_secs(10);

/// Every token is used so long, though it has ended already: one of no length would have us fetch
/// another for each request.
const LIFETIME_MIN: Duration = Duration::from_secs(1);

/// Longest a token may take to fetch, so that one hanging attempt leaves others their chance.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// What a token is taken to live if the server does not say.
const LIFETIME_UNSAID: Duration = Duration::from_secs(300);

/// No token is kept longer, whatever the server says.
const LIFETIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Tokens with many claims have a few KiB; servers take heads of 16 KiB or less.
const TOKEN_BYTES_MAX: usize = 12 * 1024;

/// Room for the largest token and what stands around it.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests;
