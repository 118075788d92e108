//! A lease store in a real NATS server, for tests against others (`tests/interop/leases`).
//!
//! Reads the path of `nats-server` from standard input, starts it, kills it, freezes it, and asks it all
//! that a store must do; ends like a Rust test program.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test program: what fails ends it"
)]

#[path = "lease_nats/server.rs"]
mod server;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidegate_core::lease::{
    Epoch, Event, Identity, Key, Lease, Name, Revision, ShardId, Stored, Terms, Timing,
};
use tidegate_hub::clock;
use tidegate_hub::lease::conformance::{self, CHECKS};
use tidegate_hub::lease::keeper::Keeper;
use tidegate_hub::lease::nats::{Credentials, Dangers, NatsError, NatsStore, Settings};
use tidegate_hub::lease::store::{LeaseStore, StoreError, Written};
use tidegate_types::secret::Secret;
use tokio::sync::mpsc;

use server::{PASSWORD, Server, USER};

/// Writes of the two that race.
const ROUNDS: u32 = 10_000;

/// Nothing here takes so long unless it is stuck.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> ExitCode {
    let mut path = String::new();
    io::stdin().read_line(&mut path).unwrap();
    let mut passed = 0;
    let mut server = Server::start(path.trim());
    println!("the server is {}", server.url());

    refusals(&server).await;
    passed += 4;
    let store = open(&server, "OWN").await;
    for (name, check) in CHECKS {
        check(&store).await;
        println!("ok: {name}");
        passed += 1;
    }
    let begun = Instant::now();
    let other = open(&server, "OWN").await;
    let (one, two) = conformance::race(&store, &other, ROUNDS).await;
    let took = begun.elapsed();
    println!("ok: of {ROUNDS} writes at once one was done each: {one} and {two}, in {took:?}");
    assert!(
        one > 0 && two > 0,
        "one of them never won, so they did not race"
    );
    passed += 1;
    killed(&mut server, &store).await;
    passed += 1;
    frozen(&server, &store).await;
    passed += 1;
    sessions(&mut server).await;
    passed += 3;
    server.stop();
    println!("test result: ok. {passed} passed; 0 failed; 0 ignored");
    ExitCode::SUCCESS
}

fn settings(server: &Server, stream: &str) -> Settings {
    Settings {
        servers: vec![server.url()],
        stream: stream.to_owned(),
        replicas: 1,
        credentials: Some(Credentials::User {
            name: USER.to_owned(),
            password: Secret::new(PASSWORD),
        }),
        tls: None,
        dangers: Dangers {
            single_replica: true,
            server_version: true,
        },
    }
}

async fn open(server: &Server, stream: &str) -> NatsStore {
    NatsStore::open(settings(server, stream)).await.unwrap()
}

/// Without its switches this server is refused, and so are a wrong password and a stream with other settings.
async fn refusals(server: &Server) {
    let open = |settings| async { NatsStore::open(settings).await };
    let old = open(Settings {
        dangers: Dangers::default(),
        ..settings(server, "REFUSED")
    });
    let Err(NatsError::Unsafe(found)) = old.await else {
        panic!("an old server was taken");
    };
    let text: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(
        text[0].contains("2.14.0") && text[0].contains("danger-server-version"),
        "{text:?}"
    );
    println!("ok: refused: {}", text.join(" / "));
    let single = open(Settings {
        dangers: Dangers {
            server_version: true,
            ..Dangers::default()
        },
        ..settings(server, "REFUSED")
    });
    let Err(NatsError::Unsafe(found)) = single.await else {
        panic!("a single replica was taken");
    };
    assert!(
        found[0].to_string().contains("danger-single-replica"),
        "{found:?}"
    );
    println!("ok: refused: {}", found[0]);
    let wrong = open(Settings {
        credentials: Some(Credentials::User {
            name: USER.to_owned(),
            password: Secret::new("wrong-password"),
        }),
        ..settings(server, "OWN")
    });
    let error = wrong.await.unwrap_err();
    let text = format!("{error:?} {error}");
    assert!(matches!(error, NatsError::Connect(_)), "{text}");
    assert!(!text.contains("wrong-password"), "{text}");
    println!("ok: a wrong password is refused and not told");
    let store = NatsStore::open(settings(server, "OWN")).await.unwrap();
    let tolerated: Vec<String> = store.tolerated().iter().map(ToString::to_string).collect();
    assert_eq!(tolerated.len(), 2, "{tolerated:?}");
    println!("ok: put up with and told: {}", tolerated.join(" / "));
}

/// What a counter knows.
#[derive(Default)]
struct Counter {
    at: u64,
    expected: Option<Revision>,
    unknown: u32,
}

impl Counter {
    /// Counts up in one record, so many times. What was confirmed must be there, and nothing that nobody
    /// wrote.
    async fn count(&mut self, store: &NatsStore, times: u64) {
        let key = Key::Session(Name::new("counted").unwrap());
        let target = self.at + times;
        while self.at < target {
            let value = Bytes::copy_from_slice(&(self.at + 1).to_le_bytes());
            match store.compare_and_set(&key, self.expected, value).await {
                Ok(Written::Done(revision)) => {
                    (self.at, self.expected) = (self.at + 1, Some(revision));
                }
                Ok(Written::Conflict(found)) => {
                    // Only a write of ours whose answer was lost can be there.
                    let Stored { revision, value } = found.unwrap();
                    let value = u64::from_le_bytes(value[..].try_into().unwrap());
                    assert!(self.unknown > 0, "{value} after {}", self.at);
                    assert_eq!(value, self.at + 1);
                    (self.at, self.expected) = (value, Some(revision));
                }
                Err(_) => self.unknown += 1,
            }
        }
    }
}

/// Counts while the server is killed again and again.
async fn killed(server: &mut Server, store: &NatsStore) {
    let mut counter = Counter::default();
    counter.count(store, 100).await;
    for kill in 0..5 {
        let counted = counter.count(store, 300);
        let killed = async {
            tokio::time::sleep(Duration::from_millis(20 + 13 * kill)).await;
            server.kill();
            server.again().await;
        };
        let both = async { tokio::join!(counted, killed) };
        tokio::time::timeout(PATIENCE, both).await.unwrap();
    }
    let Counter { at, unknown, .. } = counter;
    println!("ok: killed 5 times while it counted to {at}; {unknown} writes without an answer");
}

/// A server that does not answer is not waited for longer than a second.
async fn frozen(server: &Server, store: &NatsStore) {
    let key = Key::Session(Name::new("frozen").unwrap());
    server.signal("STOP");
    let begun = Instant::now();
    let error = store.read(&key).await.unwrap_err();
    let took = begun.elapsed();
    server.signal("CONT");
    assert!(matches!(error, StoreError::Away(_)), "{error}");
    assert!(took < Duration::from_millis(1_500), "{took:?}");
    let read = async { while store.read(&key).await.is_err() {} };
    tokio::time::timeout(PATIENCE, read).await.unwrap();
    println!("ok: a frozen server was given up after {took:?}");
}

/// The times of production, three times as fast: the store's own timeout is a second, which is more than these
/// have, so an answer that takes so long counts as none.
const FAST: Timing = Timing {
    lease: 3_000,
    start: 2_000,
    renew: 660,
    read: 330,
    timeout: 330,
    retry: 160,
    hurry: 30,
};

struct Node {
    keeper: Keeper,
    events: mpsc::Receiver<Event>,
}

fn shard() -> ShardId {
    "orders-to-crm/3".parse().unwrap()
}

impl Node {
    async fn start(server: &Server, name: &str) -> Self {
        let store = open(server, "SESSIONS").await;
        let me = Identity {
            node: Name::new(name).unwrap(),
            region: Name::new(name).unwrap(),
            nonce: clock::boottime().0,
        };
        let lease = Lease::new(FAST, me, clock::boottime());
        let (keeper, events) = Keeper::start(lease, Arc::new(store), Arc::new(clock::boottime));
        let want = keeper.with(|lease, now| lease.want(now, &shard(), Terms::default()));
        want.await.unwrap().unwrap();
        Self { keeper, events }
    }

    fn may(&self) -> bool {
        self.keeper.may_start(shard().as_str()).is_ok()
    }

    async fn until_it_may(&self) {
        let mut standing = self.keeper.standing();
        let change = async {
            while !self.may() {
                standing.changed().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, change).await.unwrap();
    }
}

/// Two nodes: the server restarts and nothing moves; one goes without a word and is followed.
async fn sessions(server: &mut Server) {
    let first = Node::start(server, "east").await;
    first.until_it_may().await;
    let mut second = Node::start(server, "west").await;
    assert!(!second.may());
    println!("ok: the first has the shard");

    let away = Duration::from_millis(2 * FAST.lease);
    server.kill();
    let begun = Instant::now();
    while begun.elapsed() < away {
        assert!(!second.may(), "an outage of the store moved a shard");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!first.may(), "nobody confirms the lease of the first");
    server.again().await;
    first.until_it_may().await;
    let epoch = first.keeper.may_start(shard().as_str()).unwrap();
    assert_eq!(epoch, Epoch(1), "the same session, the same epoch");
    println!("ok: the store was away for {away:?} and nothing moved");

    drop(first);
    let begun = Instant::now();
    second.until_it_may().await;
    let took = begun.elapsed();
    let least = Duration::from_millis(FAST.lease - FAST.renew - FAST.read);
    let most = Duration::from_millis(FAST.lease + 3 * FAST.renew);
    assert!(took > least && took < most, "{took:?}");
    let mut taken = false;
    while let Ok(event) = second.events.try_recv() {
        taken |= matches!(
            event,
            Event::Taken {
                epoch: Epoch(2),
                ..
            }
        );
    }
    assert!(taken, "it was told");
    second.keeper.close().await;
    println!("ok: who went without a word was followed after {took:?}");
}
