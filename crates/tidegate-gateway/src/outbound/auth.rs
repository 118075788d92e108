//! How an endpoint is told who we are: a credential that is shown, a token, a signature.
//!
//! Everything is made anew for each attempt: a signature holds the time of the attempt, and a token
//! may have been replaced since the last one.

mod oauth2;

use http::{HeaderMap, Method};
use tidegate_types::time::UnixMillis;
use tidegate_wire::signature::{self, Signer, Spec, SpecError};
use tidegate_wire::sigv4;

pub use oauth2::{ClientStyle, OAuth2Settings};
pub(super) use oauth2::{Token, TokenSource};

use super::endpoint::{EndpointError, EndpointSettings};
use super::location::{Location, LocationProblem};
use super::outcome::{Failure, FailureKind, chain};

/// How we say who we are, besides a client certificate.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Not at all.
    None,
    /// Basic, bearer or an API key: of the spec the first credential is shown.
    Shown(Box<Spec>),
    /// OAuth 2.0 client credentials (RFC 6749, section 4.4).
    OAuth2(Box<OAuth2Settings>),
}

/// How requests are signed.
#[derive(Clone, Debug)]
pub enum Signature {
    /// Not at all.
    None,
    /// As webhooks are: Standard Webhooks, generic HMAC and their kin.
    Webhook(Spec),
    /// AWS Signature Version 4.
    Aws {
        /// The key.
        credentials: sigv4::Credentials,
        /// Where it holds.
        scope: sigv4::Scope,
        /// What the service wants.
        style: sigv4::Style,
    },
}

/// Why credentials cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// A key of a webhook scheme, or a credential.
    #[error("the credentials cannot be used")]
    Spec(#[from] SpecError),
    /// The scheme shows nothing.
    #[error("only basic, bearer and API key are credentials to show")]
    NotShown,
    /// A key of AWS.
    #[error("the AWS credentials cannot be used")]
    Aws(#[from] sigv4::CredentialsError),
    /// The token endpoint.
    #[error("the token endpoint cannot be used")]
    TokenEndpoint(#[source] Box<EndpointError>),
    /// The client id and secret.
    #[error(
        "the client id and secret must not be empty, nor the scope and audience if they are given"
    )]
    Client,
}

/// What an endpoint proves us with, its keys prepared.
#[derive(Debug)]
pub(super) struct Prover {
    shown: Option<Signer>,
    pub(super) tokens: Option<TokenSource>,
    signs: Option<Signs>,
}

#[derive(Debug)]
enum Signs {
    Webhook(Signer),
    Aws(Box<sigv4::Signer>),
}

/// What is proven: a request about to be sent, its headers complete but for the proof.
pub(super) struct Draft<'a> {
    pub(super) method: &'a Method,
    pub(super) location: Location,
    pub(super) headers: HeaderMap,
    pub(super) body: &'a [u8],
    /// The message id, for schemes that carry one.
    pub(super) id: &'a str,
}

impl Prover {
    pub(super) fn none() -> Self {
        Self {
            shown: None,
            tokens: None,
            signs: None,
        }
    }

    pub(super) fn new(settings: &EndpointSettings) -> Result<Self, AuthError> {
        let (shown, tokens) = match &settings.auth {
            Auth::None => (None, None),
            Auth::Shown(spec) => match &**spec {
                Spec::Basic { .. } | Spec::Bearer { .. } | Spec::ApiKey { .. } => {
                    (Some(Signer::new(spec)?), None)
                }
                _ => return Err(AuthError::NotShown),
            },
            Auth::OAuth2(oauth2) => (None, Some(TokenSource::new(settings, oauth2)?)),
        };
        let signs = match &settings.signature {
            Signature::None => None,
            Signature::Webhook(spec) => Some(Signs::Webhook(Signer::new(spec)?)),
            Signature::Aws {
                credentials,
                scope,
                style,
            } => {
                let signer = sigv4::Signer::new(credentials.clone(), scope.clone(), *style)?;
                Some(Signs::Aws(Box::new(signer)))
            }
        };
        Ok(Self {
            shown,
            tokens,
            signs,
        })
    }

    /// Adds the proof to `draft`, sent at `now`.
    pub(super) fn prove(
        &self,
        now: UnixMillis,
        token: Option<&Token>,
        draft: &mut Draft<'_>,
    ) -> Result<(), Failure> {
        if let Some(signer) = &self.shown {
            draft.add(signer.sign(now, draft.id, &draft.view()).map_err(signing)?)?;
        }
        if let Some(token) = token {
            let name = http::header::AUTHORIZATION;
            draft.headers.insert(name, token.header.clone());
        }
        match &self.signs {
            None => {}
            Some(Signs::Webhook(signer)) => {
                draft.add(signer.sign(now, draft.id, &draft.view()).map_err(signing)?)?;
            }
            Some(Signs::Aws(signer)) => {
                for (name, value) in signer.sign(now, &draft.view()).map_err(signing)? {
                    // In place of what a mapping may have put there; `extend` would send both.
                    draft.headers.insert(name, value);
                }
            }
        }
        Ok(())
    }
}

impl Draft<'_> {
    fn view(&self) -> signature::Request<'_> {
        signature::Request {
            method: self.method.as_str(),
            path: self.location.path(),
            query: self.location.query(),
            headers: &self.headers,
            body: self.body,
        }
    }

    fn add(&mut self, signed: signature::Signed) -> Result<(), Failure> {
        for (name, value) in signed.headers {
            self.headers.insert(name, value);
        }
        if let Some(pair) = signed.query {
            let located = self.location.with_pair(&pair);
            self.location = located.map_err(|problem: LocationProblem| {
                Failure::unsent(FailureKind::Request, problem)
            })?;
        }
        Ok(())
    }
}

fn signing<E: std::error::Error + 'static>(error: E) -> Failure {
    Failure::unsent(FailureKind::Signing, chain(&error))
}
