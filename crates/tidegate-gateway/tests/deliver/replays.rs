//! Events that were delivered are sent once more, to one flow.

use tidegate_core::deliver::ReplayRefusal;
use tidegate_gateway::gateway::{CommandError, DeliverStatus, ReplayOutcome, ReplayRequest};
use tidegate_types::id::EventId;

use crate::sink::{Does, Got, Sink};
use crate::site::{QUICK, Site, one_flow};

/// A replay with permission to overtake.
fn request(event: EventId) -> ReplayRequest {
    ReplayRequest {
        flow: "orders".to_owned(),
        event,
        superseded: true,
        renew_key: false,
        only_ask: false,
    }
}

/// The identity of an event, which is its idempotency key.
fn identity(got: &Got) -> EventId {
    got.header("idempotency-key").unwrap().parse().unwrap()
}

fn refused(refusal: ReplayRefusal) -> Result<ReplayOutcome, CommandError> {
    Err(CommandError::Replay(refusal))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivered_event_is_sent_again_and_the_books_stay_as_they_are() {
    let sink = Sink::start().await;
    let site = Site::start(&one_flow(&sink.url(), QUICK)).await;
    site.publish_many("e", 3, 2).await;
    let got = sink.wait_for(3).await;
    let is_settled = |it: &DeliverStatus| it.delivered == 3 && it.lag_frames == 0;
    let before = site.flow_when(is_settled).await;
    let books = [3, 3, 0, 0, 0, 0, 0];
    site.numbers_when(books).await;
    let first = got.iter().find(|it| it.id() == "e-0").unwrap();
    let replay = request(identity(first));

    let mut modest = replay.clone();
    modest.superseded = false;
    assert_eq!(
        site.gateway().replay(modest).await,
        refused(ReplayRefusal::Superseded)
    );
    let mut only_ask = replay.clone();
    only_ask.only_ask = true;
    let possible = site.gateway().replay(only_ask).await;
    assert_eq!(possible, Ok(ReplayOutcome::Possible));
    assert_eq!(sink.got().len(), 3);

    let done = site.gateway().replay(replay.clone()).await;
    assert_eq!(done, Ok(ReplayOutcome::Delivered));
    let mut renewed = replay;
    renewed.renew_key = true;
    let done = site.gateway().replay(renewed).await;
    assert_eq!(done, Ok(ReplayOutcome::Delivered));
    let got = sink.got();
    let [.., same, other] = got.as_slice() else {
        panic!("{got:?}");
    };
    assert_eq!((same.id(), identity(same)), (first.id(), identity(first)));
    let key = other.header("idempotency-key").unwrap();
    assert!(key.starts_with(&format!("{}-", identity(first))), "{key}");
    assert_eq!(site.flow_when(|_| true).await.delivered, before.delivered);
    site.numbers_when(books).await;
    let metrics = site.gateway().metrics_text();
    let line = "tidegate_deliver_replays_total{";
    let line = metrics
        .lines()
        .find(|it| it.starts_with(line) && it.contains("outcome=\"delivered\""));
    assert!(line.unwrap().ends_with(" 2"), "{line:?}");
}

#[tokio::test]
async fn what_the_endpoint_refuses_fails_and_what_is_set_aside_is_resubmitted_instead() {
    let sink = Sink::start().await;
    sink.rule(|got| (got.id() == "bad").then_some(Does::Status(422)));
    let deliver = format!("order: none, {QUICK}");
    let site = Site::start(&one_flow(&sink.url(), &deliver)).await;
    for id in ["good", "bad"] {
        site.publish("order.created", id, "a").await;
    }
    site.faults_when(1).await;
    let got = sink.wait_for(2).await;
    site.flow_when(|it| it.delivered == 1 && it.lag_frames == 0)
        .await;
    let of = |id: &str| identity(got.iter().find(|it| it.id() == id).unwrap());

    let answer = site.gateway().replay(request(of("bad"))).await;
    assert!(
        matches!(answer, Err(CommandError::SetAside(_))),
        "{answer:?}"
    );
    sink.rule(|_| Some(Does::Status(422)));
    let answer = site.gateway().replay(request(of("good"))).await;
    let Ok(ReplayOutcome::Failed(why)) = &answer else {
        panic!("{answer:?}");
    };
    assert!(why.contains("422"), "{why}");
    assert_eq!(site.faults().await.len(), 1);
    // One that may pass is tried again, as often as the schedule says.
    sink.rule(|_| None);
    sink.script([Does::Status(404), Does::Status(404)]);
    let answer = site.gateway().replay(request(of("good"))).await;
    assert_eq!(answer, Ok(ReplayOutcome::Delivered));

    let unknown = of("good").child("nothing");
    let answer = site.gateway().replay(request(unknown)).await;
    assert_eq!(answer, Err(CommandError::NoSuchEvent(unknown)));
    let mut elsewhere = request(of("good"));
    elsewhere.flow = "nobody".to_owned();
    let answer = site.gateway().replay(elsewhere).await;
    assert_eq!(answer, Err(CommandError::UnknownFlow));
}

#[tokio::test]
async fn events_the_flow_does_not_want_any_more_are_passed_over() {
    let sink = Sink::start().await;
    let mut site = Site::start(&one_flow(&sink.url(), QUICK)).await;
    site.publish("order.created", "a1", "").await;
    let event = identity(&sink.wait_for(1).await[0]);
    site.flow_when(|it| it.delivered == 1 && it.lag_frames == 0)
        .await;
    site.reload(&one_flow(&sink.url(), "when: '.data.id == \"other\"'"))
        .await;
    let answer = site.gateway().replay(request(event)).await;
    assert_eq!(answer, Ok(ReplayOutcome::PassedOver));
    assert_eq!(sink.got().len(), 1);
}

#[tokio::test]
async fn a_replay_under_way_is_forgotten_at_the_end() {
    let sink = Sink::start().await;
    let site = Site::start(&one_flow(&sink.url(), QUICK)).await;
    site.publish("order.created", "a1", "").await;
    let event = identity(&sink.wait_for(1).await[0]);
    site.flow_when(|it| it.delivered == 1 && it.lag_frames == 0)
        .await;
    site.gateway().pause("orders", true).await.unwrap();
    let waiting = site.gateway().replay(request(event));
    let (answer, site) = {
        let mut waiting = Box::pin(waiting);
        let taken = async {
            site.flow_when(|it| it.replaying == 1).await;
        };
        tokio::select! {
            answer = &mut waiting => panic!("{answer:?}"),
            () = taken => {}
        }
        site.gateway().drain(crate::site::PATIENCE).await;
        (waiting.await, &site)
    };
    assert_eq!(answer, Err(CommandError::Ending));
    assert_eq!(sink.got().len(), 1);
    assert!(site.faults().await.is_empty());
}
