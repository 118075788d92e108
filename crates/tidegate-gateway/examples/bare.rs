//! The HTTP edge alone: reads each body and answers 200 with JSON as short as that of an event. The baseline of `cargo xtask bench receive`.
//!
//! `bare ADDRESS`; it prints the address it listens on and runs until it is killed.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use tidegate_gateway::http::{
    Handler, Listener, ListenerSettings, Peer, ReplyBody, Workers, read_body,
};

struct Bare;

impl Handler for Bare {
    async fn call(&self, request: Request<Incoming>, _peer: &Peer) -> Response<ReplyBody> {
        let body = read_body(request.into_body(), BODY_BYTES_MAX, Duration::from_secs(10)).await;
        let status = body.map_or_else(|error| error.status(), |_| StatusCode::OK);
        let mut response = Response::new(ReplyBody::from(ANSWER));
        *response.status_mut() = status;
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .ok_or("usage: bare ADDRESS")?
        .parse()?;
    let workers = Workers::start(std::thread::available_parallelism()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = Listener::bind(ListenerSettings::new(address)).await?;
        writeln!(std::io::stdout(), "{}", listener.address())?;
        let _server = listener.serve_on(Arc::new(Bare), &workers);
        std::future::pending().await
    })
}

/// What receive answers for an event, with an identity of no event.
const ANSWER: &str = r#"{"id":"00000000-0000-5000-8000-000000000000"}"#;

/// The default limit of a received body.
const BODY_BYTES_MAX: usize = 1024 * 1024;
