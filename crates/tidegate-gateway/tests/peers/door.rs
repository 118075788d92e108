//! The door of a region, as anybody may knock at it.

use http::{HeaderMap, Method};
use tidegate_gateway::http::{Answer, Client, ClientSettings};

use crate::region::{Region, two};

async fn knock(region: &Region, method: Method, path: &str) -> Answer {
    let base = format!("http://{}", region.line.address());
    let client = Client::new(&base, ClientSettings::default()).unwrap();
    let sent = client.request(method, path, HeaderMap::new(), bytes::Bytes::new());
    sent.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_regions_of_the_configuration_get_frames() {
    let (mut a, mut b) = two().await;
    let head = a.hub().head().borrow().incarnation;
    let path = format!("/peer/v1/log?from=west&incarnation={head}&after=0");
    let answer = knock(&a, Method::GET, &path).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.starts_with(b"TGP1"));
    assert_eq!(answer.headers["tidegate-region"], "east");
    for (method, path, status) in [
        (Method::GET, "/peer/v1/log?from=south", 403),
        (Method::GET, "/peer/v1/log?from=east", 403),
        (Method::GET, "/peer/v1/log", 400),
        (Method::GET, "/peer/v1/log?from=west&after=-1", 400),
        (Method::GET, "/peer/v1/log?from=west&hash=zz", 400),
        (Method::GET, "/", 404),
        (Method::GET, "/peer/v1/log/", 404),
        (Method::POST, "/peer/v1/log?from=west", 405),
    ] {
        let answer = knock(&a, method, path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {answer:?}");
    }
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_questions_at_a_time_are_turned_away() {
    let mut a = Region::new("east").await;
    let b = Region::new("west").await;
    a.start(&[&b]).await;
    a.write("first").await;
    let head = *a.hub().head().borrow();
    // Nothing follows the head, so each of them waits.
    let path = format!(
        "/peer/v1/log?from=west&incarnation={}&after={}&wait=2000",
        head.incarnation, head.frame
    );
    let calls = (0..6).map(|_| knock(&a, Method::GET, &path));
    let statuses: Vec<u16> = futures_all(calls).await;
    let waited = statuses.iter().filter(|it| **it == 200).count();
    let refused = statuses.iter().filter(|it| **it == 429).count();
    assert_eq!((waited, refused), (2, 4), "{statuses:?}");
    a.stop().await;
}

/// The statuses of all calls, made at the same time.
async fn futures_all(calls: impl Iterator<Item = impl Future<Output = Answer>>) -> Vec<u16> {
    let mut pending: Vec<_> = calls.map(Box::pin).collect();
    let mut statuses = Vec::new();
    std::future::poll_fn(|cx| {
        pending.retain_mut(|call| match call.as_mut().poll(cx) {
            std::task::Poll::Ready(answer) => {
                statuses.push(answer.status.as_u16());
                false
            }
            std::task::Poll::Pending => true,
        });
        if pending.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    statuses
}
