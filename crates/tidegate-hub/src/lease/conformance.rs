//! What any lease store must do: a suite for the tests of every store.
//!
//! Each check works on records of its own, which must not exist yet. All of them panic with a message
//! when the store is wrong, so they are called from tests only.

use std::pin::Pin;

use bytes::Bytes;
use tidegate_core::lease::{Key, Name, RECORD_BYTES_MAX, Revision, Stored};

use super::store::{LeaseStore, Written};

/// One check.
pub type Check = for<'a> fn(&'a dyn LeaseStore) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// All checks of one client, by name.
pub const CHECKS: [(&str, Check); 6] = [
    ("a record that was never written", |store| {
        Box::pin(absent(store))
    }),
    ("the first write", |store| Box::pin(first(store))),
    ("a write over another", |store| Box::pin(over(store))),
    ("an old revision", |store| Box::pin(old(store))),
    ("records are apart", |store| Box::pin(apart(store))),
    ("the bytes come back", |store| Box::pin(bytes(store))),
];

fn key(name: &str) -> Key {
    Key::Session(Name::new(name).expect("the names of these records are names"))
}

async fn read(store: &dyn LeaseStore, key: &Key) -> Option<Stored> {
    store.read(key).await.expect("the store can be read")
}

async fn set(
    store: &dyn LeaseStore,
    key: &Key,
    expected: Option<Revision>,
    value: &[u8],
) -> Written {
    let value = Bytes::copy_from_slice(value);
    let written = store.compare_and_set(key, expected, value).await;
    written.expect("the store can be written")
}

fn done(written: &Written) -> Revision {
    let done = match written {
        Written::Done(revision) => Some(*revision),
        Written::Conflict(_) => None,
    };
    assert!(
        done.is_some(),
        "what expects what is there was refused: {written:?}"
    );
    done.unwrap_or(Revision(0))
}

fn stored(revision: Revision, value: &[u8]) -> Stored {
    Stored {
        revision,
        value: Bytes::copy_from_slice(value),
    }
}

async fn absent(store: &dyn LeaseStore) {
    let key = key("absent");
    assert_eq!(read(store, &key).await, None);
    let written = set(store, &key, Some(Revision(1)), b"x").await;
    assert_eq!(
        written,
        Written::Conflict(None),
        "there is nothing to expect"
    );
    assert_eq!(read(store, &key).await, None);
}

async fn first(store: &dyn LeaseStore) {
    let key = key("first");
    let revision = done(&set(store, &key, None, b"one").await);
    let one = Some(stored(revision, b"one"));
    assert_eq!(read(store, &key).await, one);
    let again = set(store, &key, None, b"two").await;
    assert_eq!(again, Written::Conflict(one.clone()), "it exists");
    assert_eq!(read(store, &key).await, one);
}

async fn over(store: &dyn LeaseStore) {
    let key = key("over");
    let mut last = done(&set(store, &key, None, b"0").await);
    for value in 1..=20_u8 {
        let next = done(&set(store, &key, Some(last), &[value]).await);
        assert!(next > last, "{next:?} after {last:?}");
        last = next;
    }
    assert_eq!(read(store, &key).await, Some(stored(last, &[20])));
}

async fn old(store: &dyn LeaseStore) {
    let key = key("old");
    let one = done(&set(store, &key, None, b"one").await);
    let two = done(&set(store, &key, Some(one), b"two").await);
    let now = stored(two, b"two");
    for expected in [Some(one), Some(Revision(two.0 + 1)), None] {
        let written = set(store, &key, expected, b"three").await;
        assert_eq!(
            written,
            Written::Conflict(Some(now.clone())),
            "{expected:?}"
        );
    }
}

async fn apart(store: &dyn LeaseStore) {
    let (one, two) = (key("apart-1"), key("apart-2"));
    let shards = Key::Shards(1);
    let first = done(&set(store, &one, None, b"one").await);
    let batch = done(&set(store, &shards, None, b"batch").await);
    let second = done(&set(store, &two, None, b"two").await);
    // What was written elsewhere since then is no conflict.
    let first = done(&set(store, &one, Some(first), b"one again").await);
    assert_eq!(read(store, &one).await, Some(stored(first, b"one again")));
    assert_eq!(read(store, &two).await, Some(stored(second, b"two")));
    assert_eq!(read(store, &shards).await, Some(stored(batch, b"batch")));
}

async fn bytes(store: &dyn LeaseStore) {
    let key = key("bytes");
    let all: Vec<u8> = (0..=255).collect();
    let revision = done(&set(store, &key, None, &all).await);
    assert_eq!(read(store, &key).await, Some(stored(revision, &all)));
    let large: Vec<u8> = all.iter().copied().cycle().take(RECORD_BYTES_MAX).collect();
    let revision = done(&set(store, &key, Some(revision), &large).await);
    assert_eq!(read(store, &key).await, Some(stored(revision, &large)));
}

/// Two clients write the same record at the same time, `rounds` times: exactly one of them does, and the
/// other learns of it. Gives how often each did.
pub async fn race(one: &dyn LeaseStore, two: &dyn LeaseStore, rounds: u32) -> (u32, u32) {
    let key = key("race");
    let mut expected = None;
    let mut won = (0, 0);
    for round in 0..rounds {
        let (mine, theirs) = (format!("1/{round}"), format!("2/{round}"));
        let (first, second) = tokio::join!(
            set(one, &key, expected, mine.as_bytes()),
            set(two, &key, expected, theirs.as_bytes()),
        );
        let first_won = matches!(first, Written::Done(_));
        let (winner, value, loser) = if first_won {
            won.0 += 1;
            (first, mine, second)
        } else {
            won.1 += 1;
            (second, theirs, first)
        };
        let revision = done(&winner);
        let found = Written::Conflict(Some(stored(revision, value.as_bytes())));
        assert_eq!(
            loser, found,
            "round {round}: one is done, and the other learns of it"
        );
        expected = Some(revision);
    }
    won
}
