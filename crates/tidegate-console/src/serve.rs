//! The router behind a listener of the gateway.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tidegate_gateway::http::{Handler, Peer, ReplyBody};
use tower_service::Service;

use crate::limits::STREAM_PARTS_MAX;

/// Answers the requests of a listener with a router.
#[derive(Debug)]
pub struct AdminHandler(Router);

impl AdminHandler {
    /// A handler around [`crate::Admin::router`].
    #[must_use]
    pub const fn new(router: Router) -> Self {
        Self(router)
    }
}

impl Handler for AdminHandler {
    async fn call(&self, request: Request<Incoming>, _peer: &Peer) -> Response<ReplyBody> {
        // A router is always ready; cloning it clones a reference.
        let mut router = self.0.clone();
        let answered: Result<_, Infallible> = router.call(request.map(Body::new)).await;
        let (head, body) = match answered {
            Ok(response) => response.into_parts(),
            Err(never) => match never {},
        };
        Response::from_parts(head, reply(body).await)
    }
}

/// A body of known length is passed on whole, another one part by part.
async fn reply(body: Body) -> ReplyBody {
    if body.size_hint().exact().is_some() {
        // Our own handlers made it, so that its length is bounded and it does not fail.
        let collected = body.collect().await;
        return collected.map_or_else(|_| ReplyBody::empty(), |whole| whole.to_bytes().into());
    }
    let (sender, reply) = ReplyBody::stream(STREAM_PARTS_MAX);
    tokio::spawn(async move {
        let mut body = body;
        loop {
            let part = tokio::select! {
                part = body.frame() => part,
                () = sender.closed() => return,
            };
            let data = match part {
                Some(Ok(frame)) => frame.into_data().unwrap_or_else(|_| Bytes::new()),
                // The reader sees a stream that breaks off, and not one that ends.
                Some(Err(_)) => return,
                None => break,
            };
            if sender.send(data).await.is_err() {
                return;
            }
        }
        sender.finish().await.ok();
    });
    reply
}
