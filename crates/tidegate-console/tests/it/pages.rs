//! Pages: complete, without repeats, in order, in either direction and at any size.

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::Value;
use tidegate_core::log::entry::FaultCause;

use crate::world::{World, column};

/// Follows `next` to the end and gives the elements of all pages.
async fn all(world: &World, path: &str, list: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut next = String::new();
    for _ in 0..100 {
        let (status, page) = world.get(&format!("{path}{next}")).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        items.extend(page[list].as_array().expect("a list").clone());
        let Some(after) = page["next"].as_str() else {
            return items;
        };
        next = format!("&after={after}");
    }
    unreachable!("{path} does not end");
}

fn names(items: &[Value]) -> Vec<String> {
    column(&Value::Array(items.to_vec()), "external_id")
}

#[tokio::test]
async fn every_page_size_gives_every_event_once() {
    let world = World::open();
    let mut expected = Vec::new();
    for number in 0..23 {
        let name = format!("e{number:02}");
        world
            .keep(
                &name,
                if number % 3 == 0 {
                    "order.a"
                } else {
                    "stock.b"
                },
                "k",
            )
            .await;
        expected.push(name);
    }
    for limit in [1, 2, 5, 22, 23, 24, 1000] {
        let path = format!("/api/v1/events?order=oldest&limit={limit}");
        assert_eq!(
            names(&all(&world, &path, "events").await),
            expected,
            "{limit}"
        );
        let mut newest =
            names(&all(&world, &format!("/api/v1/events?limit={limit}"), "events").await);
        newest.reverse();
        assert_eq!(newest, expected, "{limit}");
        let orders = all(
            &world,
            &format!("/api/v1/events?type=order.*&limit={limit}"),
            "events",
        )
        .await;
        assert_eq!(orders.len(), 8, "{limit}");
    }
}

#[tokio::test]
async fn conditions_hold_together() {
    let world = World::open();
    world.keep("apple", "order.created", "north").await;
    world.keep("pear", "order.changed", "south").await;
    world.keep("plum", "stock.changed", "north").await;
    for (query, expected) in [
        ("type=order.*", vec!["pear", "apple"]),
        ("type=order.created", vec!["apple"]),
        ("key=north", vec!["plum", "apple"]),
        ("key=north&type=order.*", vec!["apple"]),
        ("flow=test", vec!["plum", "pear", "apple"]),
        ("flow=other", vec![]),
        ("text=%22pear%22", vec!["pear"]),
        ("text=raw-plum", vec!["plum"]),
        ("since=2100-01-01T00:00:00Z", vec![]),
        ("until=2001-01-01T00:00:00Z", vec![]),
        (
            "since=2001-01-01T00:00:00Z&until=2100-01-01T00:00:00Z&order=oldest",
            vec!["apple", "pear", "plum"],
        ),
    ] {
        let items = all(&world, &format!("/api/v1/events?{query}"), "events").await;
        assert_eq!(names(&items), expected, "{query}");
    }
}

#[tokio::test]
async fn one_event_has_its_original() {
    let world = World::open();
    let id = world.keep("apple", "order.created", "").await;
    let (status, event) = world.get(&format!("/api/v1/events/{id}")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(event["data"]["name"], "apple");
    assert_eq!(event["raw"]["body"], "raw-apple");
    assert_eq!(event["raw"]["body_bytes"], 9);
    let (_, listed) = world.get("/api/v1/events").await;
    assert!(listed["events"][0].get("raw").is_none());
    assert_eq!(listed["events"][0]["position"], event["position"]);
}

#[tokio::test]
async fn faults_are_listed_newest_first_and_shown_whole() {
    let world = World::open();
    let mut ids = Vec::new();
    for number in 0..7 {
        let cause = if number % 2 == 0 {
            FaultCause::Mapping
        } else {
            FaultCause::Identity
        };
        ids.push(world.set_aside(&format!("f{number}"), cause).await);
    }
    for limit in [1, 2, 6, 7, 8] {
        let items = all(&world, &format!("/api/v1/faults?limit={limit}"), "faults").await;
        let mut listed = column(&Value::Array(items), "id");
        listed.sort();
        let mut expected = ids.clone();
        expected.sort();
        assert_eq!(listed, expected, "{limit}");
        let path = format!("/api/v1/faults?cause=identity&flow=test&limit={limit}");
        assert_eq!(all(&world, &path, "faults").await.len(), 3, "{limit}");
    }
    let (_, fault) = world.get(&format!("/api/v1/faults/{}", ids[3])).await;
    assert_eq!(fault["fault"]["message"], "f3 has no id");
    assert_eq!(fault["raw"]["body_base64"], "//4=");
    let (status, problem) = world.get(&format!("/api/v1/events/{}", ids[3])).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|it| it.contains("/api/v1/faults/"))
    );
}

#[tokio::test]
async fn the_timeline_has_system_events_alone() {
    let world = World::open();
    world
        .hub
        .record("started", "it starts", &[("version", "1".to_owned())]);
    world.keep("apple", "order.created", "").await;
    world.hub.record("stopped", "it stops", &[]);
    world.keep("pear", "order.created", "").await;
    let entries = all(&world, "/api/v1/timeline?limit=1", "entries").await;
    assert_eq!(
        column(&Value::Array(entries.clone()), "kind"),
        ["stopped", "started"]
    );
    assert_eq!(entries[1]["tags"]["version"], "1");
}

#[tokio::test]
async fn a_replay_names_a_flow_an_event_and_a_reason() {
    let world = World::open();
    let post = async |path: &str| {
        let path = format!("/api/v1/flows/nobody/replay{path}");
        let request = Request::post(path).body(Body::empty()).unwrap();
        world.send(request).await.status()
    };
    let bad = StatusCode::BAD_REQUEST;
    assert_eq!(post("?reason=x").await, bad);
    assert_eq!(post("?phase=middle&reason=x").await, bad);
    assert_eq!(post("?phase=begin&reason=%20").await, bad);
    let long = "x".repeat(501);
    assert_eq!(post(&format!("?phase=begin&reason={long}")).await, bad);
    assert_eq!(post("?phase=begin&reason=x").await, StatusCode::NOT_FOUND);
    assert_eq!(post("/no-id").await, bad);
    let id = "/575e3057-2fde-5998-8fc9-771348a07783";
    assert_eq!(post(id).await, StatusCode::NOT_FOUND);
    assert_eq!(post(&format!("{id}?superseded=perhaps")).await, bad);
}

#[tokio::test]
async fn faults_are_cured_by_the_process_and_only_open_ones() {
    let world = World::open();
    let id = world.set_aside("one", FaultCause::Mapping).await;
    let post = async |path: String| {
        let request = Request::post(path).body(Body::empty()).unwrap();
        world.send(request).await.status()
    };
    let resubmit = format!("/api/v1/faults/{id}/resubmit");
    assert_eq!(post(resubmit.clone()).await, StatusCode::CONFLICT);
    assert_eq!(
        post(format!("{resubmit}?superseded=true&by=me")).await,
        StatusCode::OK
    );
    assert_eq!(
        post(format!("{resubmit}?superseded=perhaps")).await,
        StatusCode::BAD_REQUEST
    );
    let discard = format!("/api/v1/faults/{id}/discard");
    assert_eq!(post(discard.clone()).await, StatusCode::BAD_REQUEST);
    assert_eq!(
        post(format!("{discard}?reason=%20")).await,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        post(format!("{discard}?reason=test")).await,
        StatusCode::NO_CONTENT
    );
    let event = world.keep("event", "kind", "key").await;
    let none = format!("/api/v1/faults/{event}/resubmit");
    assert_eq!(post(none).await, StatusCode::NOT_FOUND);
    assert_eq!(
        post("/api/v1/flows/none/pause".to_owned()).await,
        StatusCode::NOT_FOUND
    );
}
