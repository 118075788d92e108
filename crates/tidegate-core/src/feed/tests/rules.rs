use tidegate_types::position::{FrameNumber, Incarnation, Place};
use tidegate_types::time::UnixMillis;

use crate::feed::*;

fn life(incarnation: u64, first: u64, last: u64, ended: bool) -> Life {
    Life {
        incarnation: Incarnation(incarnation),
        first: FrameNumber(first),
        last: FrameNumber(last),
        ended,
    }
}

fn view(origin: &str, lives: &[Life]) -> OriginView {
    OriginView {
        origin: origin.to_owned(),
        lives: lives.to_vec(),
    }
}

fn place(incarnation: u64, frame: u64, index: u32) -> Place {
    Place {
        incarnation: Incarnation(incarnation),
        frame: FrameNumber(frame),
        index,
    }
}

fn whole(incarnation: u64, frame: u64) -> Place {
    place(incarnation, frame, WHOLE_FRAME)
}

/// What is read of origin `a` for a reader at `mark`; `Ok(None)`: nothing at the moment.
fn read(mark: Option<Place>, lives: &[Life]) -> Result<Option<Place>, Unservable> {
    let position = mark.map(|mark| Vector::of("a", mark)).unwrap_or_default();
    let plan = plan(&position, &[view("a", lives)])?;
    Ok(plan.reads.first().map(|read| read.after))
}

fn gone() -> Result<Option<Place>, Unservable> {
    let origin = "a".to_owned();
    Err(Unservable::Gone { origin })
}

#[test]
fn an_origin_that_is_not_in_the_cursor_is_given_from_its_start() {
    assert_eq!(read(None, &[life(7, 1, 9, false)]), Ok(Some(whole(7, 0))));
    assert_eq!(read(None, &[life(7, 4, 9, false)]), Ok(Some(whole(7, 3))));
    let lives = [life(6, 2, 5, true), life(7, 1, 9, false)];
    assert_eq!(read(None, &lives), Ok(Some(whole(6, 1))));
    assert_eq!(read(None, &[life(7, 1, 0, false)]), Ok(None));
}

#[test]
fn a_mirror_that_is_behind_gives_nothing_and_never_goes_back() {
    let lives = [life(7, 1, 9, false)];
    assert_eq!(read(Some(whole(7, 9)), &lives), Ok(None));
    assert_eq!(read(Some(place(7, 12, 3)), &lives), Ok(None));
    let position = Vector::of("a", place(7, 12, 3));
    let plan = plan(&position, &[view("a", &lives)]).unwrap();
    assert_eq!(plan.from, position);
}

#[test]
fn what_is_gone_is_said_only_if_it_was_not_read() {
    let lives = [life(7, 5, 9, false)];
    assert_eq!(read(Some(whole(7, 3)), &lives), gone());
    assert_eq!(read(Some(place(7, 4, 0)), &lives), gone());
    assert_eq!(read(Some(whole(7, 4)), &lives), Ok(Some(whole(7, 4))));
    assert_eq!(read(Some(place(7, 5, 0)), &lives), Ok(Some(place(7, 5, 0))));
    // Everything was removed after it had been read.
    let empty = [life(7, 10, 9, false)];
    assert_eq!(read(Some(whole(7, 9)), &empty), Ok(None));
}

#[test]
fn an_ended_life_is_finished_before_the_next_one_begins() {
    let lives = [life(6, 1, 5, true), life(7, 1, 9, false)];
    assert_eq!(read(Some(place(6, 5, 2)), &lives), Ok(Some(place(6, 5, 2))));
    assert_eq!(read(Some(whole(6, 5)), &lives), Ok(Some(whole(7, 0))));
    // It read on in a life that then went on from an earlier end: nothing of that comes again.
    assert_eq!(read(Some(whole(6, 8)), &lives), Ok(Some(whole(7, 0))));
    // The next one has lost its beginning.
    let lives = [life(6, 1, 5, true), life(7, 2, 9, false)];
    assert_eq!(read(Some(whole(6, 5)), &lives), gone());
    // All of the next one is still to come.
    let lives = [life(6, 1, 5, true), life(7, 1, 0, false)];
    assert_eq!(read(Some(whole(6, 5)), &lives), Ok(None));
    // Retired.
    assert_eq!(read(Some(whole(6, 5)), &[life(6, 1, 5, true)]), Ok(None));
}

#[test]
fn lives_that_are_not_here() {
    let lives = [life(6, 1, 5, true), life(8, 1, 9, false)];
    assert_eq!(read(Some(whole(5, 1)), &lives), gone());
    assert_eq!(read(Some(whole(7, 1)), &lives), gone());
    let origin = "a".to_owned();
    assert_eq!(
        read(Some(whole(9, 1)), &lives),
        Err(Unservable::Ahead { origin })
    );
}

#[test]
fn an_unknown_origin_keeps_its_mark_and_the_way_out_moves_only_what_is_gone() {
    let mut position = Vector::of("a", whole(7, 2));
    position.set("b", whole(3, 8));
    position.set("retired", whole(1, 1));
    let views = [
        view("a", &[life(7, 5, 9, false)]),
        view("b", &[life(3, 1, 9, false)]),
        view("c", &[life(4, 2, 2, false)]),
    ];
    assert!(plan(&position, &views).is_err());
    let out = earliest(&position, &views);
    let expected = [
        ("a", whole(7, 4)),
        ("b", whole(3, 8)),
        ("c", whole(4, 1)),
        ("retired", whole(1, 1)),
    ];
    assert!(out.marks().eq(expected));
    let plan = plan(&out, &views).unwrap();
    assert_eq!(plan.reads.len(), 3);
    assert_eq!(plan.from, out);
}

#[test]
fn gone_comes_before_ahead() {
    let mut position = Vector::of("a", whole(9, 2));
    position.set("b", whole(3, 1));
    let views = [
        view("a", &[life(7, 1, 9, false)]),
        view("b", &[life(3, 5, 9, false)]),
    ];
    let origin = "b".to_owned();
    assert_eq!(plan(&position, &views), Err(Unservable::Gone { origin }));
}

fn entry(place: Place, time: u64) -> OriginEntry<Place> {
    OriginEntry {
        place,
        time: UnixMillis(time),
        bytes: 10,
        item: place,
    }
}

#[test]
fn a_page_is_merged_by_time_and_cut_by_its_limits() {
    let a = OriginPage {
        origin: "a".to_owned(),
        found: vec![entry(place(1, 2, 0), 10), entry(place(1, 5, 3), 40)],
        through: whole(1, 9),
        at_end: true,
    };
    let b = OriginPage {
        origin: "b".to_owned(),
        found: vec![entry(place(2, 1, 1), 20), entry(place(2, 1, 4), 20)],
        through: whole(2, 6),
        at_end: true,
    };
    let limits = |entries, bytes| MergeLimits { entries, bytes };
    let page = |limits| merge(Vector::default(), vec![a.clone(), b.clone()], limits);
    let all = page(limits(10, 1000));
    let order: Vec<Place> = all.given.iter().map(|given| given.item).collect();
    let expected = [
        place(1, 2, 0),
        place(2, 1, 1),
        place(2, 1, 4),
        place(1, 5, 3),
    ];
    assert_eq!(order, expected);
    assert!(all.at_end);
    assert!(
        all.position
            .marks()
            .eq([("a", whole(1, 9)), ("b", whole(2, 6))])
    );
    // Each position reaches to just before what comes next of its origin.
    assert_eq!(all.given[0].position.mark("a"), Some(place(1, 5, 2)));
    assert_eq!(all.given[0].position.mark("b"), None);
    assert_eq!(all.given[1].position.mark("b"), Some(place(2, 1, 3)));
    assert_eq!(all.given[2].position.mark("b"), Some(whole(2, 6)));
    assert_eq!(all.given[3].position, all.position);

    let cut = page(limits(2, 1000));
    assert_eq!(cut.given.len(), 2);
    assert!(!cut.at_end);
    assert_eq!(page(limits(10, 30)).given.len(), 3);
    assert_eq!(page(limits(10, 1)).given.len(), 1);
    assert_eq!(page(limits(4, 40)), all);
}
