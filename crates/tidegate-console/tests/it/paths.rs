//! Every path: described, guarded, and answered with a problem where there is nothing.

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use serde_json::Value;

use crate::world::World;

/// Methods of OpenAPI that the router could have.
const METHODS: [Method; 5] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::PATCH,
];

fn described() -> Vec<(String, Method)> {
    let api: Value = serde_json::from_str(&tidegate_console::openapi_json()).unwrap();
    let paths = api["paths"].as_object().expect("the description has paths");
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = METHODS
            .iter()
            .filter(|method| item.get(method.as_str().to_lowercase()).is_some());
        methods.map(|method| (path.clone(), method.clone()))
    });
    operations.collect()
}

/// A request to a described path, with something in place of its parameters.
fn request(path: &str, method: &Method) -> Request<Body> {
    let id = "575e3057-2fde-5998-8fc9-771348a07783";
    let path = path.replace("{id}", id).replace("{event}", id);
    Request::builder()
        .method(method)
        .uri(path)
        .body(Body::empty())
        .unwrap()
}

#[test]
fn every_operation_has_an_id_of_its_own() {
    let api: Value = serde_json::from_str(&tidegate_console::openapi_json()).unwrap();
    let paths = api["paths"].as_object().expect("the description has paths");
    let items = paths
        .values()
        .flat_map(|item| item.as_object().into_iter().flatten());
    let mut ids: Vec<_> = items
        .filter_map(|(_, it)| it["operationId"].as_str())
        .collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), count), (19, 19));
}

#[tokio::test]
async fn the_description_and_the_router_agree() {
    let world = World::open();
    let described = described();
    assert_eq!(described.len(), 19, "{described:?}");
    for (path, method) in &described {
        let response = world.send(request(path, method)).await;
        let status = response.status();
        assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        if status == StatusCode::NOT_FOUND {
            assert!(
                path.contains("{id}") || path.contains("{name}"),
                "{method} {path} is described and not routed"
            );
        }
        for other in METHODS.iter().filter(|other| *other != method) {
            let status = world.send(request(path, other)).await.status();
            assert_eq!(
                status,
                StatusCode::METHOD_NOT_ALLOWED,
                "{other} {path} is not described"
            );
        }
    }
}

#[tokio::test]
async fn only_probes_are_answered_without_the_token() {
    let world = World::guarded();
    for (path, method) in described() {
        let probe = matches!(path.as_str(), "/healthz" | "/readyz");
        let status = world.send(request(&path, &method)).await.status();
        assert_eq!(
            status == StatusCode::UNAUTHORIZED,
            !probe,
            "{method} {path}: {status}"
        );
        let mut shown = request(&path, &method);
        let token = "Bearer s3cret-token".parse().unwrap();
        shown.headers_mut().insert(header::AUTHORIZATION, token);
        let status = world.send(shown).await.status();
        assert_ne!(status, StatusCode::UNAUTHORIZED, "{method} {path}");
    }
    let (status, problem) = world.get("/nowhere").await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (StatusCode::UNAUTHORIZED, Some("TG-0601"))
    );
}

#[tokio::test]
async fn what_cannot_be_answered_is_a_problem() {
    let world = World::open();
    for (path, status, code) in [
        ("/nowhere", 404, "TG-0604"),
        ("/api/v1/events/not-an-id", 400, "TG-0603"),
        (
            "/api/v1/events/575e3057-2fde-5998-8fc9-771348a07783",
            404,
            "TG-0604",
        ),
        (
            "/api/v1/faults/575e3057-2fde-5998-8fc9-771348a07783",
            404,
            "TG-0604",
        ),
        (
            "/api/v1/faults?after=575e3057-2fde-5998-8fc9-771348a07783",
            410,
            "TG-0606",
        ),
        ("/api/v1/events?limit=0", 400, "TG-0603"),
        ("/api/v1/events?limit=1001", 400, "TG-0603"),
        ("/api/v1/events?limit=many", 400, "TG-0603"),
        ("/api/v1/events?order=random", 400, "TG-0603"),
        ("/api/v1/events?since=yesterday", 400, "TG-0603"),
        ("/api/v1/events?after=1", 400, "TG-0603"),
        ("/api/v1/events?after=elsewhere/1/1/0", 410, "TG-0606"),
        ("/api/v1/events?after=local/1/1/0", 410, "TG-0606"),
        ("/api/v1/events/tail?last=1001", 400, "TG-0603"),
    ] {
        let (got, problem) = world.get(path).await;
        assert_eq!(
            (got.as_u16(), problem["code"].as_str()),
            (status, Some(code)),
            "{path}"
        );
        assert_eq!(problem["status"], status, "{path}");
        assert!(
            problem["cure"]
                .as_str()
                .is_some_and(|cure| !cure.is_empty()),
            "{path}"
        );
    }
    let long = format!("/api/v1/events?text={}", "x".repeat(1025));
    assert_eq!(world.get(&long).await.1["code"], "TG-0603");
}

#[tokio::test]
async fn a_refused_reload_tells_the_problems_of_the_file() {
    let world = World::open();
    let response = world.send(request("/api/v1/reload", &Method::POST)).await;
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "application/problem+json"
    );
}

#[tokio::test]
async fn a_node_that_stops_is_not_ready() {
    let world = World::open();
    assert_eq!(world.get("/readyz").await.0, StatusCode::OK);
    world.admin.stop();
    let (status, readiness) = world.get("/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(readiness["reasons"][0], "the node is shutting down");
    assert_eq!(world.get("/api/v1/events/tail").await.1["code"], "TG-0608");
    assert_eq!(world.get("/healthz").await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_status_counts_what_is_there() {
    let world = World::open();
    world.keep("a", "order.created", "").await;
    world
        .set_aside("f", tidegate_core::log::entry::FaultCause::Mapping)
        .await;
    // A list of faults waits for the views; the status tells how they are, without waiting.
    assert_eq!(world.get("/api/v1/faults").await.1["open"], 1);
    let (status, view) = world.get("/api/v1/status").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(view["node"]["subsystem"], "orders");
    assert_eq!(view["log"]["last_frame"], 2);
    assert_eq!(view["views"]["behind_frames"], 0);
    assert_eq!(view["faults_open"], 1);
}
