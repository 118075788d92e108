//! Claims in the logs.

use proptest::prelude::*;
use tidegate_types::time::BootMillis;

use super::{name, shard};
use crate::lease::claims::{Claim, ClaimOutput, ClaimTerms, Claims, OnPartition};
use crate::lease::{Epoch, NotNow, ShardId, Timing};

const fn at(ms: u64) -> BootMillis {
    BootMillis(1_000_000 + ms)
}

fn region(index: u16, of: u16) -> Claims {
    let region = name(&format!("r{index}"));
    Claims::new(Timing::DEFAULT, region, index, of, at(0))
}

fn on(on_partition: OnPartition, preferred: bool) -> ClaimTerms {
    ClaimTerms {
        on_partition,
        preferred,
        pinned: false,
        lock_delay_ms: 0,
    }
}

/// Claims what is due and makes it durable at once.
fn claim(region: &mut Claims, ms: u64) -> Vec<Claim> {
    let due = region.due(at(ms));
    let claims = due.into_iter().map(|output| match output {
        ClaimOutput::Write { shard, claim } => {
            region.written(at(ms), &shard, claim.epoch);
            claim
        }
        ClaimOutput::Lost { .. } => unreachable!("a loss is told where it is seen"),
    });
    claims.collect()
}

fn may(region: &Claims, of: &ShardId, ms: u64) -> Result<Epoch, NotNow> {
    region.standing().may_start(of.as_str(), at(ms))
}

#[test]
fn one_region_alone_acts_without_a_deadline() {
    let (mut alone, flow) = (region(0, 1), shard("f"));
    let last = Claim {
        epoch: Epoch(6),
        region: name("r0"),
    };
    alone.seen(&flow, last).unwrap();
    alone.want(&flow, on(OnPartition::Hold, true)).unwrap();
    assert_eq!(
        may(&alone, &flow, 0),
        Err(NotNow::NotHeld),
        "not durable yet"
    );
    assert_eq!(claim(&mut alone, 0).len(), 1);
    assert_eq!(may(&alone, &flow, u64::from(u32::MAX)), Ok(Epoch(7)));
}

#[test]
fn hold_is_the_first_preference_only() {
    let flow = shard("f");
    let (mut first, mut second) = (region(0, 2), region(1, 2));
    first.want(&flow, on(OnPartition::Hold, true)).unwrap();
    second.want(&flow, on(OnPartition::Hold, false)).unwrap();
    let mine = claim(&mut first, 0);
    assert_eq!(mine.len(), 1);
    second.seen(&flow, mine[0].clone()).unwrap();
    for ms in [0, 9_000, 1_000_000] {
        assert!(claim(&mut second, ms).is_empty(), "after {ms} ms");
    }
    let pinned = ClaimTerms {
        pinned: true,
        ..on(OnPartition::Hold, false)
    };
    second.want(&flow, pinned).unwrap();
    let theirs = claim(&mut second, 1_000_001);
    assert!(theirs[0] > mine[0]);
    let lost = first.seen(&flow, theirs[0].clone()).unwrap();
    assert!(matches!(lost, Some(ClaimOutput::Lost { .. })));
    assert_eq!(may(&first, &flow, 1_000_002), Err(NotNow::NotHeld));
    assert!(
        claim(&mut first, 2_000_000).is_empty(),
        "it was taken from it by hand"
    );
}

#[test]
fn takeover_after_nine_seconds_without_a_word() {
    let flow = shard("f");
    let (mut first, mut second) = (region(0, 2), region(1, 2));
    let terms = ClaimTerms {
        lock_delay_ms: 2_000,
        ..on(OnPartition::Takeover, false)
    };
    first.want(&flow, on(OnPartition::Takeover, true)).unwrap();
    second.want(&flow, terms).unwrap();
    second.seen(&flow, claim(&mut first, 0)[0].clone()).unwrap();
    second.heard(at(5_000), &name("r0"));
    assert!(claim(&mut second, 13_999).is_empty());
    let theirs = claim(&mut second, 14_000);
    assert_eq!(theirs.len(), 1);
    assert!(matches!(
        may(&second, &flow, 15_999),
        Err(NotNow::LockDelay { .. })
    ));
    assert!(may(&second, &flow, 16_000).is_ok());
}

#[test]
fn a_seal_hands_over() {
    let flow = shard("f");
    let (mut first, mut second) = (region(0, 2), region(1, 2));
    first.want(&flow, on(OnPartition::Hold, true)).unwrap();
    second.want(&flow, on(OnPartition::Hold, false)).unwrap();
    second.seen(&flow, claim(&mut first, 0)[0].clone()).unwrap();
    let epoch = first.stop(at(10), &flow).unwrap();
    assert_eq!(may(&first, &flow, 10), Err(NotNow::Yielding));
    first.given(&flow);
    assert!(
        claim(&mut second, 20).is_empty(),
        "the seal was not seen yet"
    );
    second.sealed(&flow, epoch);
    assert_eq!(claim(&mut second, 30).len(), 1);
    assert!(may(&second, &flow, 30).is_ok());
}

#[test]
fn a_claim_that_was_overtaken_on_its_way_gives_nothing() {
    let (mut first, flow) = (region(0, 2), shard("f"));
    first.want(&flow, on(OnPartition::Hold, true)).unwrap();
    let due = first.due(at(0));
    assert!(matches!(&due[..], [ClaimOutput::Write { .. }]));
    let other = Claim {
        epoch: Epoch(101),
        region: name("r1"),
    };
    first.seen(&flow, other).unwrap();
    first.written(at(1), &flow, Epoch(2));
    assert_eq!(may(&first, &flow, 1), Err(NotNow::NotHeld));
}

proptest! {
    /// Two regions that claim unseen by each other never draw the same epoch, and both are higher
    /// than what they knew.
    #[test]
    fn epochs_differ(last in 0_u64..1_000_000, regions in 2_u16..16) {
        let mut drawn = std::collections::BTreeSet::new();
        for index in 0..regions {
            let (mut region, flow) = (region(index, regions), shard("f"));
            let seen = Claim { epoch: Epoch(last), region: name("old") };
            region.seen(&flow, seen).unwrap();
            let pinned = ClaimTerms { pinned: true, ..on(OnPartition::Takeover, false) };
            region.want(&flow, pinned).unwrap();
            let claims = claim(&mut region, 0);
            prop_assert!(claims[0].epoch > Epoch(last));
            prop_assert!(claims[0].epoch.0 <= last + u64::from(regions));
            drawn.insert(claims[0].epoch);
        }
        prop_assert_eq!(drawn.len(), usize::from(regions));
    }
}
