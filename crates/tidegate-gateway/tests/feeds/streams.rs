//! Server-sent events.

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use crate::site::{OPEN, PATIENCE, Site, numbered};

/// A reader of a stream, as the specification of server-sent events tells it.
struct EventSource {
    lines: tokio::io::Lines<BufReader<OwnedReadHalf>>,
    last_id: String,
    _write: tokio::net::tcp::OwnedWriteHalf,
}

impl EventSource {
    async fn open(site: &Site, last_id: Option<&str>) -> Self {
        let stream = TcpStream::connect(site.gateway().address()).await.unwrap();
        let (read, mut write) = stream.into_split();
        let last = last_id.map_or_else(String::new, |id| format!("last-event-id: {id}\r\n"));
        // HTTP/1.0 keeps the answer from coming in chunks.
        let request = format!("GET /out/stock HTTP/1.0\r\naccept: text/event-stream\r\n{last}\r\n");
        write.write_all(request.as_bytes()).await.unwrap();
        let mut source = Self {
            lines: BufReader::new(read).lines(),
            last_id: String::new(),
            _write: write,
        };
        let status = source.line().await.unwrap();
        assert!(status.ends_with("200 OK"), "{status}");
        while source.line().await.is_some_and(|line| !line.is_empty()) {}
        source
    }

    async fn line(&mut self) -> Option<String> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        line.unwrap().unwrap()
    }

    /// The data of the next event; `None` at the end.
    async fn event(&mut self) -> Option<serde_json::Value> {
        let mut data = String::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                if !data.is_empty() {
                    return Some(serde_json::from_str(&data).unwrap());
                }
            } else if let Some(id) = line.strip_prefix("id: ") {
                id.clone_into(&mut self.last_id);
            } else if let Some(part) = line.strip_prefix("data: ") {
                data.push_str(part);
            } else {
                assert!(line.starts_with(':'), "{line}");
            }
        }
    }

    async fn ids(&mut self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for _ in 0..count {
            let event = self.event().await.unwrap();
            assert_eq!(event["cursor"], self.last_id.as_str());
            ids.push(event["data"]["id"].as_str().unwrap().to_owned());
        }
        ids
    }
}

#[tokio::test]
async fn a_stream_gives_what_is_there_and_what_comes_and_resumes() {
    let site = Site::start(OPEN).await;
    site.publish_many("stock.changed", 150).await;
    let mut source = EventSource::open(&site, None).await;
    assert_eq!(source.ids(150).await, numbered("stock.changed", 0..150));
    site.publish("stock.changed", "live").await;
    assert_eq!(source.ids(1).await, ["live"]);
    let last = source.last_id.clone();
    drop(source);
    site.publish("stock.changed", "meanwhile").await;
    let mut source = EventSource::open(&site, Some(&last)).await;
    assert_eq!(source.ids(1).await, ["meanwhile"]);
}

#[tokio::test]
async fn a_stream_of_nothing_gives_its_cursor() {
    let site = Site::start(OPEN).await;
    let mut source = EventSource::open(&site, None).await;
    while source.last_id.is_empty() {
        let line = source.line().await.unwrap();
        if let Some(id) = line.strip_prefix("id: ") {
            id.clone_into(&mut source.last_id);
        }
    }
    site.publish("stock.changed", "1").await;
    let mut again = EventSource::open(&site, Some(&source.last_id)).await;
    assert_eq!(again.ids(1).await, ["1"]);
}

#[tokio::test]
async fn a_stream_ends_at_a_reload_and_at_a_drain() {
    let mut site = Site::start(OPEN).await;
    site.publish("stock.changed", "1").await;
    let mut source = EventSource::open(&site, None).await;
    assert_eq!(source.ids(1).await, ["1"]);
    site.reload(OPEN, |_| {});
    assert_eq!(source.event().await, None);

    let mut source = EventSource::open(&site, Some(&source.last_id)).await;
    let (ended, drained) = tokio::join!(source.event(), site.gateway().drain(PATIENCE));
    assert_eq!(ended, None);
    assert_eq!((drained.requests_cut, drained.connections_cut), (0, 0));
}
