//! One rule at a time.

use std::time::Duration;

use tidegate_types::time::UnixMillis;

use crate::log::entry::{Blame, Polled};
use crate::poll::{
    Append, Failed, Fetch, Fetched, Mark, Note, Output, Page, Paging, Poll, Position, Resume,
    Settings, StuckReason,
};
use crate::receive::fingerprint;

const EVERY: Duration = Duration::from_secs(30);

/// A machine with the clock and the log of a shell.
struct Shell {
    poll: Poll<Vec<u32>>,
    now: UnixMillis,
    log: Vec<Append<Vec<u32>>>,
    notes: Vec<Note>,
}

impl Shell {
    fn new(settings: Settings) -> Self {
        let now = UnixMillis(1_000_000);
        Self {
            poll: Poll::restore(settings, None, now, 1).unwrap(),
            now,
            log: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn again(&mut self, settings: Settings) {
        let polled = self.log.last().map(|append| append.polled.clone());
        self.poll = Poll::restore(settings, polled.as_ref(), self.now, 1).unwrap();
    }

    /// The next request, appending what there is to append; time passes as far as it must.
    fn fetch(&mut self) -> Fetch {
        for _ in 0..100 {
            match self.poll.poll_output(self.now) {
                Some(Output::Fetch(fetch)) => return fetch,
                Some(Output::Plan { after }) => {
                    let at = after.map_or(self.now, |after| after.plus(EVERY));
                    self.poll.handle_planned(self.now, at);
                }
                Some(Output::Append(append)) => {
                    self.log.push(append);
                    self.poll.handle_appended(self.now, true);
                }
                Some(Output::Note(note)) => self.notes.push(note),
                None => self.now = self.poll.next_timeout().expect("there is more to come"),
            }
        }
        panic!("no request comes");
    }

    fn answer(&mut self, fetch: &Fetch, fetched: Fetched<Vec<u32>>) {
        self.poll.handle_fetched(self.now, fetch.attempt, fetched);
    }

    /// Answers the next request and gives what it asked for.
    fn turn(&mut self, items: &[u32], next: Option<&str>) -> Fetch {
        let fetch = self.fetch();
        self.answer(&fetch, page(items, next));
        fetch
    }
}

fn page(items: &[u32], next: Option<&str>) -> Fetched<Vec<u32>> {
    let bytes: Vec<u8> = items.iter().flat_map(|item| item.to_le_bytes()).collect();
    Fetched::Page(Page {
        body: items.to_vec(),
        items: u32::try_from(items.len()).unwrap(),
        faults: 0,
        filtered: 0,
        fingerprint: fingerprint::of_original(&bytes),
        next: next.map(str::to_owned),
        newest: items.iter().max().map(|at| UnixMillis(u64::from(*at))),
        etag: String::new(),
        wait: None,
    })
}

fn failed(wait: Option<Duration>) -> Fetched<Vec<u32>> {
    Fetched::Failed(Failed {
        blame: Blame::Them,
        text: "500".to_owned(),
        wait,
    })
}

fn token(text: &str) -> Position {
    Position::Token(text.to_owned())
}

fn settings(paging: Paging, resume: Resume) -> Settings {
    Settings::new("flow", paging, resume)
}

#[test]
fn pages_follow_each_other_and_the_last_cursor_is_kept() {
    let mut shell = Shell::new(settings(Paging::Token, Resume::Last));
    assert_eq!(shell.turn(&[1, 2], Some("a")).position, Position::Start);
    let begun = shell.now;
    assert_eq!(shell.turn(&[3], None).position, token("a"));
    assert_eq!(shell.now, begun);
    assert_eq!(shell.fetch().position, token("a"));
    assert_eq!(shell.now, begun.plus(EVERY));
    let numbers: Vec<u64> = shell.log.iter().map(|it| it.polled.number).collect();
    assert_eq!(numbers, [1, 2]);
}

#[test]
fn a_feed_ends_where_its_cursor_stays() {
    let mut shell = Shell::new(settings(Paging::Token, Resume::Last));
    shell.turn(&[1], Some("a"));
    let begun = shell.now;
    shell.turn(&[], Some("a"));
    assert_eq!(shell.fetch().position, token("a"));
    assert_eq!(shell.now, begun.plus(EVERY));
    // What brings and moves nothing is not written.
    assert_eq!(shell.log.len(), 1);
}

#[test]
fn from_the_start_if_so_said() {
    let mut shell = Shell::new(settings(Paging::Token, Resume::Start));
    shell.turn(&[1], Some("a"));
    shell.turn(&[2], None);
    assert_eq!(shell.fetch().position, Position::Start);
}

#[test]
fn numbers_count_up_to_an_empty_or_short_page() {
    for (size, last) in [(None, &[][..]), (Some(2), &[5][..])] {
        let mut shell = Shell::new(settings(Paging::Number { first: 1, size }, Resume::Start));
        assert_eq!(shell.turn(&[1, 2], None).position, Position::Page(1));
        assert_eq!(shell.turn(&[3, 4], None).position, Position::Page(2));
        assert_eq!(shell.turn(last, None).position, Position::Page(3));
        assert_eq!(shell.fetch().position, Position::Page(1));
    }
}

#[test]
fn the_same_page_for_the_same_cursor_is_a_fault_and_no_loop() {
    let mut shell = Shell::new(settings(Paging::Token, Resume::Last));
    shell.turn(&[1], Some("a"));
    let begun = shell.now;
    for _ in 0..12 {
        shell.turn(&[2], Some("a"));
    }
    let fetch = shell.fetch();
    assert_eq!(fetch.position, token("a"));
    // It is asked once each time, later and later.
    assert!(shell.now.since(begun) > Duration::from_secs(400));
    let stuck: Vec<_> = shell
        .log
        .iter()
        .filter_map(|it| it.stuck.as_ref())
        .collect();
    assert_eq!(stuck.len(), 11);
    assert!(stuck.iter().all(|it| it.name == stuck[0].name));
    assert_eq!(stuck[0].reason, StuckReason::SamePage);
    let told = shell.notes.iter().filter(|it| matches!(it, Note::Stuck(_)));
    assert_eq!(told.count(), 1);
    // It goes on by itself once the source does.
    shell.answer(&fetch, page(&[2], Some("b")));
    assert_eq!(shell.fetch().position, token("b"));
    assert!(!shell.poll.status().stuck);
}

#[test]
fn a_circle_is_a_fault() {
    let mut shell = Shell::new(settings(Paging::Token, Resume::Last));
    shell.turn(&[1], Some("a"));
    for (item, next) in [(2, "b"), (3, "a"), (2, "b")] {
        shell.turn(&[item], Some(next));
    }
    shell.fetch();
    assert!(shell.log.last().unwrap().stuck.is_some());
}

#[test]
fn the_same_cursor_with_other_items_gets_on() {
    let mut shell = Shell::new(settings(Paging::Token, Resume::Last));
    for item in 0..20 {
        shell.turn(&[item], Some("queue"));
    }
    shell.fetch();
    assert!(shell.log.iter().all(|it| it.stuck.is_none()));
}

#[test]
fn a_source_that_ignores_page_numbers_is_a_fault() {
    let paging = Paging::Number {
        first: 0,
        size: None,
    };
    let mut shell = Shell::new(settings(paging, Resume::Start));
    let begun = shell.now;
    for _ in 0..24 {
        shell.turn(&[1], None);
    }
    let fetch = shell.fetch();
    assert_eq!(fetch.position, Position::Page(0));
    let stuck = shell.log.last().unwrap().stuck.clone().unwrap();
    assert_eq!(stuck.reason, StuckReason::PageIgnored);
    // Later and later, although the first page comes each time.
    assert!(shell.now.since(begun) > Duration::from_secs(600));
    assert!(shell.poll.status().stuck);
    shell.answer(&fetch, page(&[1], None));
    shell.turn(&[2], None);
    assert_eq!(shell.fetch().position, Position::Page(2));
    assert!(!shell.poll.status().stuck);
}

fn by_time(page_size: Option<u32>) -> Settings {
    Settings {
        mark: Some(Mark {
            overlap: Duration::from_millis(10),
            reach: None,
            newest_first: false,
            page_size,
        }),
        ..settings(Paging::Single, Resume::Start)
    }
}

#[test]
fn time_with_overlap() {
    let mut shell = Shell::new(by_time(None));
    assert_eq!(shell.turn(&[100, 120], None).since, None);
    assert_eq!(shell.turn(&[], None).since, Some(UnixMillis(110)));
    // An item from the future does not hide what is newer than now.
    assert_eq!(
        shell.turn(&[4_000_000_000], None).since,
        Some(UnixMillis(110))
    );
    let began = shell.now;
    assert_eq!(shell.fetch().since, Some(UnixMillis(began.0 - 10)));
}

#[test]
fn a_full_page_is_followed_within_the_round() {
    let mut shell = Shell::new(by_time(Some(2)));
    shell.turn(&[100, 120], None);
    assert_eq!(shell.turn(&[120, 130], None).since, Some(UnixMillis(120)));
    assert_eq!(shell.turn(&[130], None).since, Some(UnixMillis(130)));
    assert_eq!(shell.turn(&[130, 130], None).since, Some(UnixMillis(120)));
    assert_eq!(shell.turn(&[130, 130], None).since, Some(UnixMillis(130)));
    shell.fetch();
    let stuck = shell.log.last().unwrap().stuck.clone().unwrap();
    assert_eq!(stuck.reason, StuckReason::SameTime);
}

#[test]
fn newest_first_ends_at_what_is_older() {
    let mut settings = by_time(None);
    settings.paging = Paging::Token;
    settings.mark.as_mut().unwrap().newest_first = true;
    let mut shell = Shell::new(settings);
    shell.turn(&[120, 110], Some("110"));
    shell.turn(&[100], None);
    assert_eq!(
        shell.turn(&[150, 140], Some("140")).since,
        Some(UnixMillis(110))
    );
    assert_eq!(shell.turn(&[109, 80], Some("80")).position, token("140"));
    let fetch = shell.fetch();
    assert_eq!(
        (fetch.position, fetch.since),
        (Position::Start, Some(UnixMillis(140)))
    );
}

#[test]
fn a_round_goes_on_after_a_restart_as_it_began() {
    let mut made = by_time(None);
    made.paging = Paging::Token;
    let mut shell = Shell::new(made.clone());
    shell.turn(&[120], None);
    shell.turn(&[130], Some("a"));
    let fetch = shell.fetch();
    shell.again(made);
    let again = shell.fetch();
    assert_eq!(
        (&again.position, again.since),
        (&fetch.position, fetch.since)
    );
    shell.answer(&again, page(&[125], None));
    // The newest of the whole round counts.
    assert_eq!(shell.fetch().since, Some(UnixMillis(120)));
}

#[test]
fn other_paging_begins_anew() {
    let mut shell = Shell::new(settings(Paging::Token, Resume::Last));
    shell.turn(&[1], Some("a"));
    shell.fetch();
    shell.again(settings(
        Paging::Number {
            first: 7,
            size: None,
        },
        Resume::Start,
    ));
    assert_eq!(shell.fetch().position, Position::Page(7));
}

fn tagged(items: &[u32], etag: &str) -> Fetched<Vec<u32>> {
    let Fetched::Page(page) = page(items, None) else {
        unreachable!("it is a page");
    };
    let etag = etag.to_owned();
    Fetched::Page(Page { etag, ..page })
}

#[test]
fn an_etag_is_asked_with_where_the_request_is_the_same() {
    let made = settings(Paging::Token, Resume::Last);
    let mut shell = Shell::new(made.clone());
    let fetch = shell.fetch();
    assert_eq!(fetch.etag, None);
    shell.answer(&fetch, tagged(&[1], "\"v1\""));
    let fetch = shell.fetch();
    assert_eq!(fetch.etag.as_deref(), Some("\"v1\""));
    let before = shell.now;
    shell.answer(&fetch, Fetched::NotModified { wait: None });
    assert_eq!(shell.fetch().etag.as_deref(), Some("\"v1\""));
    assert_eq!(shell.now, before.plus(EVERY));
    assert_eq!(shell.log.len(), 1);
    // It survives a restart, but not other requests.
    shell.again(made.clone());
    assert_eq!(shell.fetch().etag.as_deref(), Some("\"v1\""));
    shell.again(Settings {
        request: [1; 16],
        ..made
    });
    assert_eq!(shell.fetch().etag, None);
}

#[test]
fn an_etag_of_a_last_page_says_nothing_of_the_first() {
    let mut shell = Shell::new(settings(Paging::Token, Resume::Start));
    shell.turn(&[1], Some("a"));
    let fetch = shell.fetch();
    shell.answer(&fetch, tagged(&[2], "\"v1\""));
    assert_eq!(shell.fetch().etag, None);
}

#[test]
fn failures_wait_longer_and_longer_and_say_so_once() {
    let mut shell = Shell::new(settings(Paging::Token, Resume::Last));
    let mut waits = Vec::new();
    for _ in 0..14 {
        let fetch = shell.fetch();
        let begun = shell.now;
        shell.answer(&fetch, failed(None));
        let again = shell.fetch();
        assert_eq!(again.position, fetch.position);
        waits.push(shell.now.since(begun));
        shell
            .poll
            .handle_fetched(shell.now, again.attempt, failed(None));
    }
    assert!(waits[0] <= Duration::from_millis(1_200), "{waits:?}");
    assert!(
        waits.iter().all(|wait| *wait <= Duration::from_secs(360)),
        "{waits:?}"
    );
    assert!(waits[13] >= Duration::from_secs(240), "{waits:?}");
    shell.turn(&[1], None);
    shell.fetch();
    let [
        Note::Failing {
            blame: Blame::Them, ..
        },
        Note::Recovered { .. },
    ] = &shell.notes[..]
    else {
        panic!("{:?}", shell.notes);
    };
}

#[test]
fn retry_after_is_obeyed_up_to_a_limit() {
    for (wait, least) in [(90, 90), (86_400, 3_600)] {
        let mut shell = Shell::new(settings(Paging::Token, Resume::Last));
        let fetch = shell.fetch();
        let begun = shell.now;
        shell.answer(&fetch, failed(Some(Duration::from_secs(wait))));
        shell.fetch();
        let waited = shell.now.since(begun).as_secs();
        assert!(
            (least..=least + least / 10 + 1).contains(&waited),
            "{waited}"
        );
        assert!(matches!(shell.notes[0], Note::Throttled { cut, .. } if cut == (wait > 3_600)));
    }
}

#[test]
fn a_round_has_a_bound_and_the_next_goes_on() {
    let mut shell = Shell::new(Settings {
        pages_max: 3,
        ..settings(Paging::Token, Resume::Start)
    });
    let begun = shell.now;
    for (item, next) in [(1, "a"), (2, "b"), (3, "c")] {
        shell.turn(&[item], Some(next));
    }
    assert_eq!(shell.fetch().position, token("c"));
    assert_eq!(shell.now, begun.plus(EVERY));
    assert_eq!(shell.notes, [Note::RoundCut { pages: 3 }]);
}

#[test]
fn empty_pages_with_ever_new_cursors_rest() {
    let mut shell = Shell::new(settings(Paging::Token, Resume::Last));
    let begun = shell.now;
    for number in 0..16 {
        assert_eq!(shell.now, begun);
        shell.turn(&[], Some(&format!("c{number}")));
    }
    assert_eq!(shell.fetch().position, token("c15"));
    assert_eq!(shell.now, begun.plus(EVERY));
}

#[test]
fn a_cursor_that_is_too_long_is_a_failure() {
    let mut shell = Shell::new(settings(Paging::Token, Resume::Last));
    shell.turn(&[1], Some(&"x".repeat(9_000)));
    assert_eq!(shell.fetch().position, Position::Start);
    assert!(shell.log.is_empty());
}

#[test]
fn what_was_refused_is_handed_out_again_and_nothing_is_asked_meanwhile() {
    let mut shell = Shell::new(settings(Paging::Token, Resume::Last));
    shell.turn(&[1], Some("a"));
    for _ in 0..3 {
        let Some(Output::Append(append)) = shell.poll.poll_output(shell.now) else {
            panic!("there is a page to append");
        };
        assert_eq!(append.polled.number, 1);
        shell.poll.handle_refused(shell.now);
        assert_eq!(shell.poll.poll_output(shell.now), None);
        shell.now = shell.poll.next_timeout().unwrap();
    }
    assert_eq!(shell.fetch().position, token("a"));
}

#[test]
fn paused_it_finishes_what_it_has_and_asks_for_nothing() {
    let mut shell = Shell::new(settings(Paging::Token, Resume::Last));
    shell.turn(&[1], Some("a"));
    shell.poll.pause();
    assert!(matches!(
        shell.poll.poll_output(shell.now),
        Some(Output::Append(_))
    ));
    shell.poll.handle_appended(shell.now, true);
    assert_eq!(shell.poll.poll_output(shell.now), None);
    assert_eq!(shell.poll.next_timeout(), None);
    shell.poll.resume();
    assert_eq!(shell.fetch().position, token("a"));
}

#[test]
fn a_clock_that_goes_back_moves_the_deadlines() {
    let mut shell = Shell::new(settings(Paging::Token, Resume::Last));
    shell.turn(&[1], None);
    assert!(matches!(
        shell.poll.poll_output(shell.now),
        Some(Output::Append(_))
    ));
    shell.poll.handle_appended(shell.now, true);
    assert!(matches!(
        shell.poll.poll_output(shell.now),
        Some(Output::Plan { .. })
    ));
    shell.poll.handle_planned(shell.now, shell.now.plus(EVERY));
    let earlier = UnixMillis(500_000);
    assert_eq!(shell.poll.poll_output(earlier), None);
    assert_eq!(shell.poll.next_timeout(), Some(earlier.plus(EVERY)));
}

#[test]
fn a_late_answer_of_another_request_changes_nothing() {
    let mut shell = Shell::new(settings(Paging::Token, Resume::Last));
    let fetch = shell.turn(&[1], Some("a"));
    shell.fetch();
    shell.answer(&fetch, page(&[9], Some("z")));
    assert_eq!(shell.poll.poll_output(shell.now), None);
}

#[test]
fn a_cursor_of_a_later_version_is_told() {
    let polled = Polled {
        flow: "flow".to_owned(),
        number: 3,
        time: UnixMillis(0),
        cursor: bytes::Bytes::from_static(&[9, 9]),
        etag: String::new(),
        items: 0,
        faults: 0,
        filtered: 0,
        carried: false,
    };
    let made = settings(Paging::Token, Resume::Last);
    assert!(Poll::<()>::restore(made, Some(&polled), UnixMillis(0), 1).is_err());
}
