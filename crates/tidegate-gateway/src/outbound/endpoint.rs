//! One address of an external system, with all that belongs to it.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

use super::auth::{Auth, AuthError, Prover, Signature};
use super::guard::{Guard, GuardSettings, Host};
use super::location::{Base, Location, LocationProblem};
use super::pool::EndpointId;
use super::proxy::{Proxy, ProxySettings};
use super::tls::{self, ClientIdentity};
use crate::http::{TlsError, TrustAnchors};

/// The settings of an [`Endpoint`]. [`EndpointSettings::new`] gives the defaults named at each field.
#[derive(Clone, Debug)]
pub struct EndpointSettings {
    /// Scheme, host, port and the path before every path, for example `https://api.example/v1`.
    pub url: String,
    /// Exceptions from the guard (none).
    pub guard: GuardSettings,
    /// Whose certificates are believed (those of the public web).
    pub trust: TrustAnchors,
    /// Our certificate (none).
    pub identity: Option<ClientIdentity>,
    /// A forward proxy (none).
    pub proxy: Option<ProxySettings>,
    /// How we say who we are (not at all).
    pub auth: Auth,
    /// How requests are signed (not at all).
    pub signature: Signature,
    /// Requests in flight, each with a connection (64).
    pub connections_max: usize,
}

/// One address of an external system. Made once, used by any number of requests at a time.
pub struct Endpoint {
    pub(super) id: EndpointId,
    pub(super) route: Route,
    pub(super) prover: Prover,
    pub(super) permits: Arc<Semaphore>,
}

/// The way to an endpoint.
pub(super) struct Route {
    pub(super) base: Base,
    pub(super) guard: Guard,
    pub(super) tls: Option<(TlsConnector, ServerName<'static>)>,
    pub(super) proxy: Option<Proxy>,
}

/// Why an endpoint cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The address.
    #[error(transparent)]
    Address(#[from] LocationProblem),
    /// The certificates.
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsError),
    /// The proxy.
    #[error("the proxy must be http:// with a host and, for credentials, a user without a colon")]
    Proxy,
    /// The credentials.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The limit of connections.
    #[error("at least one connection must be allowed")]
    NoConnections,
}

impl EndpointSettings {
    /// The defaults, for this address.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            guard: GuardSettings::default(),
            trust: TrustAnchors::Web,
            identity: None,
            proxy: None,
            auth: Auth::None,
            signature: Signature::None,
            connections_max: 64,
        }
    }
}

impl Endpoint {
    /// Checks the settings, loads certificates, prepares keys. Nothing is resolved or connected to.
    ///
    /// # Errors
    /// See [`EndpointError`].
    pub fn new(settings: &EndpointSettings) -> Result<Arc<Self>, EndpointError> {
        if settings.connections_max == 0 {
            return Err(EndpointError::NoConnections);
        }
        let route = Route::new(settings, &settings.url)?;
        let prover = Prover::new(settings)?;
        Ok(Self::of(settings, route, prover))
    }

    /// The endpoint at `url` that tokens come from: reached as `settings` says, without proof of its own.
    pub(super) fn of_tokens(
        settings: &EndpointSettings,
        url: &str,
    ) -> Result<Arc<Self>, EndpointError> {
        let route = Route::new(settings, url)?;
        Ok(Self::of(settings, route, Prover::none()))
    }

    fn of(settings: &EndpointSettings, route: Route, prover: Prover) -> Arc<Self> {
        let connections = settings.connections_max.min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            id: EndpointId::unique(),
            route,
            prover,
            permits: Arc::new(Semaphore::new(connections)),
        })
    }

    /// Path and query for a [`Request`](super::Request) from a link of theirs, if it stays here.
    ///
    /// # Errors
    /// The link leads elsewhere, or is none.
    pub fn follow(&self, link: &str) -> Result<Location, LocationProblem> {
        self.route.base.follow(link, &self.route.guard)
    }
}

/// Shows where it leads, nothing of what proves us.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("id", &self.id)
            .field("base", &self.route.base)
            .finish_non_exhaustive()
    }
}

impl Route {
    fn new(settings: &EndpointSettings, url: &str) -> Result<Self, EndpointError> {
        let guard = Guard::new(settings.guard.clone());
        let base = Base::parse(url, &guard)?;
        let tls = if base.is_secure() {
            let connector = tls::connector(&settings.trust, settings.identity.as_ref())?;
            Some((connector, server_name(base.host())?))
        } else {
            None
        };
        let proxy = settings.proxy.as_ref().map(|proxy| {
            // The operator names it, as the operator names our own listeners: any address will do.
            let base = Base::parse_unguarded(&proxy.url).ok();
            base.and_then(|base| Proxy::new(proxy, &base))
                .ok_or(EndpointError::Proxy)
        });
        Ok(Self {
            base,
            guard,
            tls,
            proxy: proxy.transpose()?,
        })
    }
}

fn server_name(host: &Host) -> Result<ServerName<'static>, EndpointError> {
    match host {
        Host::Address(address) => Ok(ServerName::from(*address)),
        Host::Name(name) => ServerName::try_from(name.clone())
            .map_err(|_| EndpointError::Address(LocationProblem::Base)),
    }
}
