//! Stores of leases, and nodes that keep theirs in one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_core::lease::{
    Epoch, Event, Identity, Lease, Name, NotNow, ShardId, Source, Terms, Timing,
};
use tidegate_hub::clock;
use tidegate_hub::lease::conformance::{self, CHECKS};
use tidegate_hub::lease::keeper::Keeper;
use tidegate_hub::lease::memory::{Link, MemoryStore, Trouble};
use tokio::sync::mpsc;

/// The times of production, twenty times as fast.
const FAST: Timing = Timing {
    lease: 450,
    start: 300,
    renew: 100,
    read: 50,
    timeout: 50,
    retry: 25,
    hurry: 5,
};

/// Nothing here takes so long unless it is stuck.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn the_store_in_memory_conforms() {
    for (name, check) in CHECKS {
        println!("{name}");
        check(&MemoryStore::default().link()).await;
    }
}

#[tokio::test]
async fn of_two_writers_one_wins() {
    let store = MemoryStore::default();
    let (one, two) = conformance::race(&store.link(), &store.link(), 10_000).await;
    assert_eq!(one + two, 10_000);
}

struct Node {
    keeper: Keeper,
    events: mpsc::Receiver<Event>,
    link: Link,
}

fn shard() -> ShardId {
    "orders-to-crm/3".parse().unwrap()
}

impl Node {
    async fn start(store: &MemoryStore, name: &str) -> Self {
        let link = store.link();
        let me = Identity {
            node: Name::new(name).unwrap(),
            region: Name::new(name).unwrap(),
            nonce: clock::boottime().0,
        };
        let lease = Lease::new(FAST, me, clock::boottime());
        let (keeper, events) =
            Keeper::start(lease, Arc::new(link.clone()), Arc::new(clock::boottime));
        let want = keeper.with(|lease, now| lease.want(now, &shard(), Terms::default()));
        want.await.unwrap().unwrap();
        Self {
            keeper,
            events,
            link,
        }
    }

    fn may(&self) -> Result<Epoch, NotNow> {
        self.keeper.may_start(shard().as_str())
    }

    /// Waits until the node may act or may not.
    async fn until(&self, may: bool) {
        let mut standing = self.keeper.standing();
        let change = async {
            while self.may().is_ok() != may {
                // A deadline passes without a change of what is published.
                let pause = Duration::from_millis(5);
                drop(tokio::time::timeout(pause, standing.changed()).await);
            }
        };
        tokio::time::timeout(PATIENCE, change).await.unwrap();
    }

    async fn event(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        let event = async {
            loop {
                let event = self.events.recv().await.unwrap();
                if wanted(&event) {
                    return event;
                }
            }
        };
        tokio::time::timeout(PATIENCE, event).await.unwrap()
    }
}

#[tokio::test]
async fn a_node_that_is_cut_off_is_followed_and_comes_back_as_another_session() {
    followed(Trouble {
        requests_lost: true,
        ..Trouble::default()
    })
    .await;
}

/// Its first renewal is written, and it never learns so: it cannot renew again without knowing of which
/// revision.
#[tokio::test]
async fn a_node_that_hears_no_answers_is_followed_as_well() {
    followed(Trouble {
        answers_lost: true,
        ..Trouble::default()
    })
    .await;
}

async fn followed(trouble: Trouble) {
    let store = MemoryStore::default();
    let mut first = Node::start(&store, "east").await;
    first.until(true).await;
    let mut second = Node::start(&store, "west").await;
    assert_eq!(second.may(), Err(NotNow::NotHeld));
    first.link.set(trouble);
    first.until(false).await;
    assert!(second.may().is_err(), "nobody acts in between");
    second.until(true).await;
    assert!(first.may().is_err());
    let taken = second.event(|it| matches!(it, Event::Taken { .. })).await;
    assert!(
        matches!(&taken, Event::Taken { epoch: Epoch(2), source: Source::Ended { session, .. }, .. }
            if session.to_string() == "east#1"),
        "{taken:?}"
    );
    first.link.set(Trouble::default());
    first
        .event(|it| matches!(it, Event::Lost { shards: 1, .. }))
        .await;
    first
        .event(|it| matches!(it, Event::Began(session) if session.number == 2))
        .await;
    assert_eq!(second.may(), Ok(Epoch(2)));
}

#[tokio::test]
async fn who_closes_is_followed_without_waiting() {
    let store = MemoryStore::default();
    let first = Node::start(&store, "east").await;
    first.until(true).await;
    let second = Node::start(&store, "west").await;
    let called = second.keeper.with(|lease, _| lease.owner(&shard())).await;
    drop(called.unwrap());
    let begun = Instant::now();
    first.keeper.close().await;
    assert_eq!(first.may(), Err(NotNow::Ending));
    second.until(true).await;
    let took = begun.elapsed();
    println!("handed over after {took:?}");
    assert!(
        first.keeper.with(|_, _| ()).await.is_err(),
        "the task has ended"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_stopped_is_stopped_when_the_call_returns() {
    for _ in 0..200 {
        let node = Node::start(&MemoryStore::default(), "east").await;
        node.until(true).await;
        let stopped = node.keeper.with(|lease, now| lease.stop(now, &shard()));
        assert_eq!(stopped.await.unwrap(), Ok(Epoch(1)));
        assert_eq!(node.may(), Err(NotNow::Yielding));
    }
}
