//! What becomes of mirrors when data is lost, here or there.

use std::time::Duration;

use tidegate_core::mirror::MirrorState;
use tidegate_gateway::peer::rejoin::{RejoinError, Rejoined};

use crate::region::{Region, copy_folder, two};

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_was_wiped_is_fetched_anew() {
    let (mut a, mut b) = two().await;
    a.write_many(60).await;
    b.catches_up(&a).await;
    b.stop().await;
    std::fs::remove_dir_all(b.data().join("mirrors")).unwrap();
    b.start(&[&a]).await;
    b.catches_up(&a).await;
    b.assert_same_as(&a);
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_was_restored_from_an_old_copy_is_named_on_both_sides() {
    let (mut a, mut b) = two().await;
    a.write_many(20).await;
    b.catches_up(&a).await;
    a.stop().await;
    let old = a.folder.path().join("old");
    copy_folder(&a.data(), &old);
    a.start(&[&b]).await;
    a.write_many(30).await;
    b.catches_up(&a).await;
    a.stop().await;
    let kept = b.mirror("east").spans()[0];

    std::fs::remove_dir_all(a.data()).unwrap();
    std::fs::rename(&old, a.data()).unwrap();
    a.start(&[&b]).await;
    let took = b.reaches("east", MirrorState::Regressed).await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(b.told("mirror-regressed").await.contains("east"));
    assert!(a.told("log-regressed").await.contains("west"));
    // It goes on under numbers that are taken.
    a.write_many(100).await;
    let report = b.report("east").unwrap();
    assert_eq!(report.status().state, MirrorState::Regressed);
    assert_eq!(b.mirror("east").spans()[0], kept, "what is here is kept");
    assert_eq!(
        a.hub().remote().furthest().borrow().0,
        0,
        "nothing is confirmed"
    );
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_lost_its_data_begins_a_new_life_and_the_old_one_stays_here() {
    let (mut a, mut b) = two().await;
    a.write_many(20).await;
    b.catches_up(&a).await;
    let before = *a.hub().head().borrow();
    a.stop().await;
    std::fs::remove_dir_all(a.data()).unwrap();
    a.start(&[&b]).await;
    a.write_many(7).await;
    b.catches_up(&a).await;
    b.assert_same_as(&a);
    let spans = b.mirror("east").spans();
    assert_eq!(spans.len(), 2);
    assert!(spans[0].ended && !spans[1].ended);
    assert!(spans[0].head.frame >= before.frame);
    assert_eq!(spans[0].incarnation(), before.incarnation);
    assert!(b.told("mirror-next-life").await.contains("is gone there"));
    // The same after a restart.
    b.stop().await;
    b.start(&[&a]).await;
    assert_eq!(b.mirror("east").spans()[0], spans[0]);
    a.write_many(7).await;
    b.catches_up(&a).await;
    a.stop().await;
    b.stop().await;
}

/// Starts a region as a node does: after asking the others.
async fn rejoining(region: &mut Region, others: &[&Region]) -> Result<Rejoined, RejoinError> {
    let asked = region.ask_before_start(others).await?;
    region.start(others).await;
    Ok(asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_was_restored_from_an_old_copy_gets_its_tail_back() {
    let (mut a, mut b) = two().await;
    a.write_many(20).await;
    a.stop().await;
    let old = a.folder.path().join("old");
    copy_folder(&a.data(), &old);
    a.start(&[&b]).await;
    a.write_many(30).await;
    a.write(&"x".repeat(2_000_000)).await;
    b.catches_up(&a).await;
    let head = *a.hub().head().borrow();
    a.stop().await;
    let copied = b.mirror("east").spans()[0].head;
    assert!(copied.frame >= head.frame);

    std::fs::remove_dir_all(a.data()).unwrap();
    std::fs::rename(&old, a.data()).unwrap();
    let rejoined = rejoining(&mut a, &[&b]).await.unwrap();
    let fetched = rejoined.fetched.unwrap();
    assert_eq!(
        (fetched.from.as_str(), fetched.last),
        ("west", copied.frame)
    );
    assert_eq!(rejoined.asked, ["west"]);
    a.write_many(5).await;
    b.catches_up(&a).await;
    b.assert_same_as(&a);
    b.reaches("east", MirrorState::Following).await;
    assert_eq!(b.mirror("east").spans().len(), 1, "the same life goes on");
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_whose_log_is_as_the_copies_are_starts_and_so_does_one_nobody_can_be_asked_about()
{
    let (mut a, mut b) = two().await;
    a.write_many(20).await;
    b.catches_up(&a).await;
    a.stop().await;
    let rejoined = rejoining(&mut a, &[&b]).await.unwrap();
    assert_eq!((rejoined.fetched, rejoined.asked.len()), (None, 1));
    a.write_many(20).await;
    a.stop().await;
    b.stop().await;
    let rejoined = rejoining(&mut a, &[&b]).await.unwrap();
    assert_eq!(
        (rejoined.unreachable, rejoined.asked.len()),
        (vec!["west".to_owned()], 0)
    );
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_went_another_way_than_its_copy_is_not_written() {
    let (mut a, mut b) = two().await;
    a.write_many(20).await;
    a.stop().await;
    let old = a.folder.path().join("old");
    copy_folder(&a.data(), &old);
    a.start(&[&b]).await;
    a.write_many(30).await;
    b.catches_up(&a).await;
    a.stop().await;
    std::fs::remove_dir_all(a.data()).unwrap();
    std::fs::rename(&old, a.data()).unwrap();
    // Written while nobody could be asked.
    a.line.cut();
    b.line.cut();
    a.start(&[]).await;
    a.write_many(3).await;
    a.stop().await;
    a.line.heal();
    b.line.heal();
    let refused = a.ask_before_start(&[&b]).await.unwrap_err();
    assert!(
        refused.to_string().contains("holds another log"),
        "{refused}"
    );
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn data_of_an_earlier_life_is_not_written() {
    let (mut a, mut b) = two().await;
    a.write_many(5).await;
    b.catches_up(&a).await;
    a.stop().await;
    let old = a.folder.path().join("old");
    std::fs::rename(a.data(), &old).unwrap();
    a.start(&[&b]).await;
    a.write_many(5).await;
    b.catches_up(&a).await;
    a.stop().await;
    std::fs::remove_dir_all(a.data()).unwrap();
    std::fs::rename(&old, a.data()).unwrap();
    let refused = a.ask_before_start(&[&b]).await.unwrap_err();
    assert!(refused.to_string().contains("later than life"), "{refused}");
    b.stop().await;
}
