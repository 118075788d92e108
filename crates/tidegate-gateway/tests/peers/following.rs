//! Following a region that works, that is cut off, and that stands still.

use std::time::{Duration, Instant};

use tidegate_core::mirror::MirrorState;
use tidegate_gateway::peer::PeerRegion;
use tidegate_types::position::FrameNumber;

use crate::region::{Region, two, until};

#[tokio::test(flavor = "multi_thread")]
async fn each_has_the_log_of_the_other_and_knows_what_the_other_has() {
    let (mut a, mut b) = two().await;
    a.write_many(200).await;
    b.write_many(50).await;
    b.catches_up(&a).await;
    a.catches_up(&b).await;
    a.assert_same_as(&b);
    b.assert_same_as(&a);
    let head = a.hub().head().borrow().frame;
    let mut confirmed = a.hub().remote().furthest();
    until("what is copied is confirmed", || {
        (*confirmed.borrow_and_update() >= head).then_some(())
    })
    .await;
    assert!(a.hub().remote().peers()["west"] >= head);
    b.reaches("east", MirrorState::Following).await;
    let lag = until("the lag is known", || b.report("east")?.lag()).await;
    assert!(lag < Duration::from_secs(5), "{lag:?}");
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_arrives_soon() {
    let (mut a, mut b) = two().await;
    a.write("first").await;
    b.catches_up(&a).await;
    let begun = Instant::now();
    a.write("second").await;
    b.catches_up(&a).await;
    // A long poll is answered at once; a poll by the clock would take a second.
    assert!(
        begun.elapsed() < Duration::from_millis(900),
        "{:?}",
        begun.elapsed()
    );
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_regions_follow_each_other() {
    let mut a = Region::new("east").await;
    let mut b = Region::new("west").await;
    let mut c = Region::new("north").await;
    a.start(&[&b, &c]).await;
    b.start(&[&a, &c]).await;
    c.start(&[&a, &b]).await;
    a.write_many(20).await;
    b.write_many(20).await;
    c.write_many(20).await;
    for (one, others) in [(&a, [&b, &c]), (&b, [&a, &c]), (&c, [&a, &b])] {
        for other in others {
            one.catches_up(other).await;
            one.assert_same_as(other);
        }
    }
    for region in [&mut a, &mut b, &mut c] {
        region.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_line_is_named_and_what_was_missed_comes_when_it_heals() {
    let (mut a, mut b) = two().await;
    a.write_many(5).await;
    b.catches_up(&a).await;
    a.line.cut();
    a.write_many(100).await;
    let took = b.reaches("east", MirrorState::Stalled).await;
    assert!(took < Duration::from_secs(13), "{took:?}");
    let behind = b.report("east").unwrap();
    assert!(behind.lag().unwrap() >= Duration::from_secs(9));
    assert!(b.told("mirror-stalled").await.contains("east"));
    a.line.heal();
    b.catches_up(&a).await;
    b.reaches("east", MirrorState::Following).await;
    b.assert_same_as(&a);
    assert!(b.told("mirror-following").await.contains("following"));
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_stands_still_is_named_within_ten_seconds() {
    let (mut a, mut b) = two().await;
    a.write_many(5).await;
    b.catches_up(&a).await;
    b.reaches("east", MirrorState::Following).await;
    a.line.freeze();
    let took = b.reaches("east", MirrorState::Stalled).await;
    assert!(
        (Duration::from_secs(8)..Duration::from_millis(11_500)).contains(&took),
        "{took:?}"
    );
    a.line.heal();
    b.reaches("east", MirrorState::Following).await;
    a.write_many(5).await;
    b.catches_up(&a).await;
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_gone_is_named_and_followed_again() {
    let (mut a, mut b) = two().await;
    a.write_many(30).await;
    b.catches_up(&a).await;
    a.stop().await;
    b.reaches("east", MirrorState::Stalled).await;
    let kept = b.mirror("east").spans().last().unwrap().head.frame;
    assert!(kept >= FrameNumber(30));
    a.start(&[&b]).await;
    a.write_many(30).await;
    b.catches_up(&a).await;
    b.assert_same_as(&a);
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_where_nobody_listens_is_unreachable() {
    let address = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let mut b = Region::new("west").await;
    b.start_with(vec![PeerRegion {
        name: "east".to_owned(),
        url: format!("http://{address}"),
    }])
    .await;
    let took = b.reaches("east", MirrorState::Unreachable).await;
    assert!(took < Duration::from_secs(6), "{took:?}");
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_goes_on_where_it_ended_after_a_restart() {
    let (mut a, mut b) = two().await;
    a.write_many(40).await;
    b.catches_up(&a).await;
    b.stop().await;
    a.write_many(40).await;
    b.start(&[&a]).await;
    assert!(b.mirror("east").spans()[0].head.frame >= FrameNumber(40));
    b.catches_up(&a).await;
    b.assert_same_as(&a);
    let begun = b
        .timeline()
        .into_iter()
        .filter(|(kind, _)| kind == "mirror-begun");
    assert_eq!(begun.count(), 1, "it was not begun a second time");
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_larger_than_a_frame_come_whole() {
    let (mut a, mut b) = two().await;
    let large = "x".repeat(3_000_000);
    a.write("before").await;
    a.write(&large).await;
    a.write_many(3).await;
    b.catches_up(&a).await;
    b.assert_same_as(&a);
    let life = b.mirror("east").lives()[0].clone();
    let found = frames_with(&*life.reader, large.len());
    assert_eq!(found, 1);
    a.stop().await;
    b.stop().await;
}

fn frames_with(reader: &dyn tidegate_core::log::engine::LogReader, len: usize) -> usize {
    use tidegate_core::log::entry::Entry;
    let frames = crate::region::frames(reader);
    let entries = frames.iter().flat_map(|it| reader.entries(it).unwrap());
    entries
        .filter(|(_, entry)| matches!(entry, Entry::System(it) if it.text.len() == len))
        .count()
}
