//! What the handlers share, and the router over them.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::middleware::from_fn_with_state;
use tidegate_hub::hub::Hub;
use tidegate_types::position::{Place, Position};
use tidegate_types::time::UnixMillis;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::interval;

use crate::api;
use crate::guard::guard;
use crate::limits::{QUESTIONS_MAX, SETTLE_LOOKS, SETTLE_STEP, WAITERS_MAX};
use crate::node::Node;
use crate::problem::{Code, Refusal};

/// What the admin API is told at its start.
#[derive(Clone, Debug)]
pub struct AdminSettings {
    /// The address it is reached at; beyond loopback a token is demanded.
    pub address: SocketAddr,
    /// When the process was started.
    pub started: UnixMillis,
    /// Version of the program.
    pub version: &'static str,
}

/// What the handlers share.
pub struct Admin {
    hub: Arc<Hub>,
    node: Arc<dyn Node>,
    settings: AdminSettings,
    questions: Semaphore,
    waiters: Arc<Semaphore>,
    stopping: watch::Sender<bool>,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Admin {
    /// The admin API of a hub and the process around it.
    #[must_use]
    pub fn new(hub: Arc<Hub>, node: Arc<dyn Node>, settings: AdminSettings) -> Self {
        Self {
            hub,
            node,
            settings,
            questions: Semaphore::new(QUESTIONS_MAX),
            waiters: Arc::new(Semaphore::new(WAITERS_MAX)),
            stopping: watch::Sender::new(false),
        }
    }

    /// The router over all paths.
    pub fn router(self: &Arc<Self>) -> Router {
        let mut router = Router::new();
        for (path, method) in api::routes() {
            router = router.route(path, method);
        }
        router
            .fallback(api::no_such_path)
            .method_not_allowed_fallback(api::no_such_method)
            .layer(from_fn_with_state(Arc::clone(self), guard))
            .with_state(Arc::clone(self))
    }

    /// Ends long polls and event streams, and makes the node not ready; for a drain.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    pub(crate) fn node(&self) -> &Arc<dyn Node> {
        &self.node
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    pub(crate) const fn settings(&self) -> &AdminSettings {
        &self.settings
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.settings.address.ip().is_loopback()
    }

    /// Told `true` once the node is shutting down.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// Asks the hub something that blocks on the disk, off the runtime.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Hub) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        // Never closed; those who wait are bounded by the connections of the listener.
        let turn = self.questions.acquire().await;
        let hub = Arc::clone(&self.hub);
        let answer = tokio::task::spawn_blocking(move || question(&hub)).await;
        drop(turn);
        answer.unwrap_or_else(|panicked| Err(Refusal::internal(&panicked)))
    }

    /// Waits until the views have applied what is in the log by now, so that whoever was just
    /// acknowledged finds what it sent. They are milliseconds behind; where they are further, the
    /// question is answered with what they have.
    pub(crate) async fn settle(&self) {
        let head = self.hub.head().borrow().frame;
        let applied = || self.hub.stats().applied.load(Ordering::Relaxed);
        let mut looks = interval(SETTLE_STEP);
        for _ in 0..SETTLE_LOOKS {
            if applied() >= head.0 {
                return;
            }
            looks.tick().await;
        }
    }

    /// Leave to wait for what comes.
    pub(crate) fn waiter(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        if *self.stopping.borrow() {
            return Err(Refusal::new(Code::Stopping, "the node is shutting down"));
        }
        Arc::clone(&self.waiters).try_acquire_owned().map_err(|_| {
            let detail = format!("{WAITERS_MAX} requests wait for events already");
            Refusal::new(Code::Busy, detail)
        })
    }

    /// The place a caller names, if it is one of this log.
    pub(crate) fn place(&self, name: &str, text: &str) -> Result<Place, Refusal> {
        let position: Position = text
            .parse()
            .map_err(|error| Refusal::parameter(name, error))?;
        if position.origin != self.hub.origin() {
            let detail = format!(
                "`{name}` is a position of {}, this is {}",
                position.origin,
                self.hub.origin()
            );
            return Err(Refusal::new(Code::PositionGone, detail));
        }
        if position.incarnation != self.hub.head().borrow().incarnation {
            let detail = format!("`{name}` is a position of an earlier life of the log");
            return Err(Refusal::new(Code::PositionGone, detail));
        }
        Ok(position.place())
    }
}
