//! A hub, a process that is none, and the router over both.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tempfile::TempDir;
use tidegate_config::{Config, SecretSource};
use tidegate_console::view::ProblemView;
use tidegate_console::{
    Admin, AdminSettings, BooksRefusal, CommandRefusal, DeliverStatus, Doing, FeedStatus,
    FlowStatus, Node, OpenFault, PollStatus, Readiness, ReloadRefusal, Reloaded, ReplayOptions,
    Replayed, ResubmitOptions, Resubmitted,
};
use tidegate_core::log::engine::TrimPolicy;
use tidegate_core::log::entry::{Blame, EventEntry, Fault, FaultCause, encode_event};
use tidegate_core::receive::fingerprint;
use tidegate_core::receive::intake::{Answer, Content, IntakeLimits};
use tidegate_hub::books::Closed;
use tidegate_hub::clock::now;
use tidegate_hub::hub::Hub;
use tidegate_hub::settings::{HubSettings, Retention};
use tidegate_types::event::{Event, Raw};
use tidegate_types::id::{EventId, FlowNamespace};
use tidegate_types::position::FrameNumber;
use tower_service::Service;

pub(crate) struct World {
    pub(crate) hub: Arc<Hub>,
    pub(crate) admin: Arc<Admin>,
    _folder: TempDir,
}

/// A process that only has a configuration.
struct Idle(Arc<Config>);

impl Node for Idle {
    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.0)
    }

    fn readiness(&self) -> Readiness {
        Readiness {
            ready: true,
            reasons: Vec::new(),
        }
    }

    fn flows(&self) -> Vec<FlowStatus> {
        Vec::new()
    }

    fn polls(&self) -> Vec<PollStatus> {
        Vec::new()
    }

    fn feeds(&self) -> Vec<FeedStatus> {
        Vec::new()
    }

    fn deliveries(&self) -> Vec<DeliverStatus> {
        Vec::new()
    }

    fn pause(&self, flow: String, _paused: bool) -> Doing<'_, ()> {
        Box::pin(async move { Err(CommandRefusal::NotFound(format!("no flow {flow} delivers"))) })
    }

    fn resubmit(&self, fault: OpenFault, how: ResubmitOptions) -> Doing<'_, Resubmitted> {
        Box::pin(async move {
            if !how.superseded {
                let why = format!("{} was overtaken", fault.fault.id);
                return Err(CommandRefusal::Conflict(why));
            }
            Ok(Resubmitted {
                outcome: "sending".to_owned(),
            })
        })
    }

    fn discard(&self, _fault: OpenFault, _reason: String, _by: String) -> Doing<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn replay(&self, how: ReplayOptions) -> Doing<'_, Replayed> {
        let flow = how.flow;
        Box::pin(async move {
            Err(CommandRefusal::NotFound(format!(
                "no flow {flow:?} delivers"
            )))
        })
    }

    fn metrics_text(&self) -> String {
        "# EOF\n".to_owned()
    }

    fn books(&self) -> Result<Arc<Closed>, BooksRefusal> {
        Err(BooksRefusal::Reading)
    }

    fn reload(&self) -> Result<Reloaded, ReloadRefusal> {
        Err(ReloadRefusal::Invalid(vec![ProblemView {
            code: "TG-0105".to_owned(),
            severity: "error".to_owned(),
            message: "unknown key `subsytem`".to_owned(),
            file: "tidegate.yaml".to_owned(),
            line: 1,
            column: 1,
            label: "here".to_owned(),
            help: "did you mean `subsystem`?".to_owned(),
        }]))
    }
}

struct Fixed;

impl SecretSource for Fixed {
    fn env(&self, name: &str) -> Option<String> {
        (name == "ADMIN").then(|| "s3cret-token".to_owned())
    }

    fn file(&self, _path: &str) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

impl World {
    /// A node on loopback without a token.
    pub(crate) fn open() -> Self {
        Self::with("subsystem: orders\n")
    }

    /// A node that demands `s3cret-token`.
    pub(crate) fn guarded() -> Self {
        Self::with(
            "subsystem: orders\nlisten: { admin: { address: '127.0.0.1:0', token: \"${env:ADMIN}\" } }\n",
        )
    }

    fn with(text: &str) -> Self {
        let loaded = tidegate_config::load("tidegate.yaml", text, None, &Fixed);
        let config = Arc::new(loaded.config.expect("the configuration is valid"));
        let folder = TempDir::new().unwrap();
        let hub = Arc::new(hub(folder.path()));
        let settings = AdminSettings {
            address: "127.0.0.1:7401".parse().unwrap(),
            started: now(),
            version: "0.0.0-test",
        };
        let admin = Arc::new(Admin::new(
            Arc::clone(&hub),
            Arc::new(Idle(config)),
            settings,
        ));
        Self {
            hub,
            admin,
            _folder: folder,
        }
    }

    /// Keeps an event and waits until it is on disk.
    pub(crate) async fn keep(&self, name: &str, kind: &str, key: &str) -> String {
        let data = Bytes::from(format!(r#"{{"name":"{name}"}}"#));
        let id = EventId::derive(&FlowNamespace::new("orders", "test"), name);
        let event = Event {
            id,
            flow: "test".to_owned(),
            external_id: name.to_owned(),
            kind: kind.to_owned(),
            time: now(),
            received: now(),
            key: key.to_owned(),
            content_type: "application/json".to_owned(),
            data: data.clone(),
            attributes: Vec::new(),
            raw: Some(raw(format!("raw-{name}").into_bytes())),
        };
        let fingerprint = fingerprint::of_event(kind, key, &data);
        let entry = encode_event(&EventEntry { event, fingerprint });
        let offer = Content::Event {
            id,
            fingerprint,
            horizon: FrameNumber(0),
            entry,
        };
        assert!(matches!(self.hub.offer(offer).await, Answer::Kept { .. }));
        id.to_string()
    }

    /// Sets a fault aside and waits until it is listed.
    pub(crate) async fn set_aside(&self, name: &str, cause: FaultCause) -> String {
        let id = EventId::derive(&FlowNamespace::new("orders", "faults"), name);
        let fault = Fault {
            id,
            flow: "test".to_owned(),
            cause,
            blame: Blame::Us,
            message: format!("{name} has no id"),
            time: now(),
            external_id: String::new(),
            event: None,
            raw: raw(vec![0xff, 0xfe]),
            fingerprint: fingerprint::of_original(name.as_bytes()),
            carried: false,
        };
        let answer = self.hub.offer(Content::Fault(Box::new(fault))).await;
        assert!(matches!(answer, Answer::SetAside { repeat: false, .. }));
        id.to_string()
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        let response = self
            .send(Request::get(path).body(Body::empty()).unwrap())
            .await;
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        let mut router: Router = self.admin.router();
        router.call(request).await.unwrap()
    }
}

fn raw(body: Vec<u8>) -> Raw {
    Raw {
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        query: String::new(),
        body: body.into(),
    }
}

fn hub(data: &Path) -> Hub {
    let settings = HubSettings {
        origin: "local".to_owned(),
        data: data.to_owned(),
        segment_bytes: 1 << 20,
        limits: IntakeLimits::default(),
        retention: Retention {
            policy: TrimPolicy {
                keep: Duration::from_secs(3600),
                size_max: 64 << 20,
            },
            size_max: 64 << 20,
            subscriptions: Vec::new(),
        },
    };
    Hub::open(&settings, |_, _| {}).unwrap().0
}

/// The strings at `field` of every element.
pub(crate) fn column(list: &Value, field: &str) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items
        .filter_map(|item| item[field].as_str().map(str::to_owned))
        .collect()
}
