//! The books of a gateway balance whatever becomes of its events.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_core::books::{Balance, Kind, Row};
use tidegate_core::deliver::Discard;
use tidegate_gateway::gateway::{BooksError, ResubmitRequest};
use tidegate_hub::books::Closed;

use crate::sink::{Does, Sink};
use crate::site::{PATIENCE, QUICK, Site, one_flow};

impl Site {
    /// The books, closed now.
    async fn books(&self) -> Arc<Closed> {
        let begun = Instant::now();
        loop {
            assert!(self.hub().settled(PATIENCE));
            match tokio::task::block_in_place(|| self.gateway().books()) {
                Ok(closed) => return closed,
                Err(BooksError::Reading) => assert!(begun.elapsed() < PATIENCE),
                Err(error) => panic!("{error}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Numbers of the flow that delivers: received, delivered, filtered, parked, faults, discarded and
    /// pending, once every row is even; without hours of which a part was removed, which nobody can judge.
    pub(crate) async fn numbers(&self) -> [u64; 7] {
        let closed = self.books().await;
        let whole = || closed.pages.iter().filter(|it| it.hour >= closed.begin);
        for page in whole() {
            assert_eq!(page.balance, Balance::Even, "{page:?}");
        }
        let rows = whole().filter(|it| it.kind == Kind::Egress);
        let counts = |row: &Row| {
            [
                row.received.count,
                row.delivered.count,
                row.filtered.count,
                row.parked.count,
                row.faults.count,
                row.discarded.count,
                row.pending.count,
            ]
        };
        rows.map(|page| counts(&page.row)).fold([0; 7], |sum, row| {
            std::array::from_fn(|at| sum[at] + row[at])
        })
    }

    /// The same, as soon as they are these.
    pub(crate) async fn numbers_when(&self, wanted: [u64; 7]) {
        let begun = Instant::now();
        loop {
            let numbers = self.numbers().await;
            if numbers == wanted {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{numbers:?}, not {wanted:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_balance_through_faults_cures_and_restarts() {
    let sink = Sink::start().await;
    sink.rule(|got| match got.id().as_str() {
        "bad" => Some(Does::Status(422)),
        "tried" => Some(Does::Status(404)),
        _ => None,
    });
    let site = Site::start(&one_flow(&sink.url(), QUICK)).await;
    site.begun().await;
    site.publish_many("e", 6, 3).await;
    site.publish("invoice.created", "unwanted", "").await;
    site.publish("order.created", "bad", "b").await;
    site.publish("order.created", "behind", "b").await;
    site.publish("order.created", "tried", "t").await;
    let faults = site.faults_when(2).await;
    site.flow_when(|it| it.delivered == 6).await;
    // An unwanted event counts as such once the flow has settled everything before it, and one more
    // is settled behind it.
    let begun = Instant::now();
    loop {
        let [
            received,
            delivered,
            filtered,
            parked,
            faults,
            discarded,
            pending,
        ] = site.numbers().await;
        assert_eq!((received, discarded), (10, 0));
        // An answer is counted by the flow before its receipt is on disk.
        if (delivered, parked, faults) == (6, 1, 1) {
            assert_eq!(filtered + pending, 2);
            break;
        }
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    let site = site.restart().await;
    site.numbers().await;
    sink.rule(|_| None);
    for (summary, fault) in faults {
        let name = fault.event.as_ref().unwrap().event.external_id.clone();
        if name.ends_with("tried") {
            let discard = Discard {
                fault: fault.id,
                set_aside: summary.time,
                reason: "a test".to_owned(),
                by: "test".to_owned(),
            };
            site.discard(&discard).await;
        } else {
            let again = ResubmitRequest {
                fault,
                place: summary.place,
                superseded: false,
                renew_key: false,
                by: "test".to_owned(),
            };
            site.resubmit(&again).await;
        }
    }
    site.faults_when(0).await;
    site.flow_when(|it| it.delivered == 2).await;
    site.publish("order.created", "last", "").await;
    site.numbers_when([11, 9, 1, 0, 0, 1, 0]).await;
    let site = site.crash().await;
    site.numbers_when([11, 9, 1, 0, 0, 1, 0]).await;
    let text = site.gateway().metrics_text();
    assert!(text.contains("tidegate_books_delivered{"), "{text}");
    assert!(text.contains("tidegate_books_odd_hours{"), "{text}");
}
