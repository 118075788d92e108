//! Requests: signed as a scheme asks, sent, altered, and sent byte by byte.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::Value;
use tidegate_gateway::http::{Answer, Client};
use tidegate_hub::clock::now;
use tidegate_types::time::UnixMillis;
use tidegate_wire::signature::{Request, Signer, Spec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::site::{PATIENCE, Site};

/// A request that can be sent again, or altered first.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    /// A request with these headers that nobody signed.
    pub(crate) fn new(path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Self {
        Self {
            method: Method::POST,
            path: path.to_owned(),
            headers: header_map(headers),
            body: body.into(),
        }
    }

    /// The same signed by `spec`, with `id` as the message id where the scheme has one.
    pub(crate) fn signed(mut self, spec: &Spec, id: &str, at: UnixMillis) -> Self {
        let request = Request {
            method: self.method.as_str(),
            path: &self.path,
            query: "",
            headers: &self.headers,
            body: &self.body,
        };
        let signed = Signer::new(spec).unwrap().sign(at, id, &request).unwrap();
        for (name, value) in signed.headers {
            self.headers.insert(name, value);
        }
        if let Some(query) = signed.query {
            self.path = format!("{}?{query}", self.path);
        }
        self
    }

    /// A genuine request to `flow`: JSON, with the id in the body and in `x-id` too.
    pub(crate) fn genuine(site: &Site, flow: &str, id: &str) -> Self {
        let body = format!(r#"{{"id":"{id}","kind":"created"}}"#);
        let headers = [("content-type", "application/json"), ("x-id", id)];
        Self::new(&site.path(flow), &headers, body).signed(&site.scheme(flow), id, now())
    }

    pub(crate) async fn send(&self, client: &Client) -> Answer {
        let (method, headers) = (self.method.clone(), self.headers.clone());
        let sent = client.request(method, &self.path, headers, self.body.clone());
        sent.await.unwrap()
    }
}

pub(crate) fn header_map(headers: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.append(name, HeaderValue::from_str(value).unwrap());
    }
    map
}

pub(crate) fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body)
        .unwrap_or_else(|error| panic!("{error}: {:?}", answer.body))
}

/// The id in an answer, which its header repeats where there is one event.
#[track_caller]
pub(crate) fn id(answer: &Answer) -> String {
    let id = json(answer)["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.headers["tidegate-event-id"], id);
    id
}

#[track_caller]
pub(crate) fn assert_status(answer: &Answer, status: u16) {
    assert_eq!(
        answer.status,
        StatusCode::from_u16(status).unwrap(),
        "{answer:?}"
    );
}

/// The status and the code of a problem.
#[track_caller]
pub(crate) fn assert_problem(answer: &Answer, status: u16, code: &str) {
    assert_status(answer, status);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(json(answer)["code"], code, "{answer:?}");
}

/// Sends bytes as they are and gives everything that comes back until the server closes.
pub(crate) async fn raw(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server may have answered and closed before all of it is written.
        let _refused_early = stream.write_all(bytes.as_ref()).await;
        let mut answer = Vec::new();
        let _reset = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::time::timeout(PATIENCE, exchange).await.unwrap()
}
