//! One page out of what was read of each origin.

use tidegate_types::position::Place;
use tidegate_types::time::UnixMillis;

use super::Vector;

/// An entry of one origin that the reader wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginEntry<T> {
    /// Where it stands in its origin's log.
    pub place: Place,
    /// When it was appended there. Decides on the order between origins, and on nothing else.
    pub time: UnixMillis,
    /// Bytes it takes of a page.
    pub bytes: usize,
    /// The entry.
    pub item: T,
}

/// What was read of one origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPage<T> {
    /// The origin.
    pub origin: String,
    /// What the reader wants, in the order of the log.
    pub found: Vec<OriginEntry<T>>,
    /// Everything up to here was looked at.
    pub through: Place,
    /// There is nothing behind it at the moment, in this life or a later one.
    pub at_end: bool,
}

/// Bounds of one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeLimits {
    /// Entries at most.
    pub entries: usize,
    /// Bytes of entries at most; one entry is always given.
    pub bytes: usize,
}

/// An entry of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given<T> {
    /// The entry.
    pub item: T,
    /// The position of a reader that has dealt with the page up to and including this entry.
    pub position: Vector,
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedPage<T> {
    /// Its entries: in the order of the log within an origin, by the time of appending among origins.
    pub given: Vec<Given<T>>,
    /// The position behind the page. Moves also over what the reader does not want.
    pub position: Vector,
    /// There is nothing more at the moment.
    pub at_end: bool,
}

/// Makes one page for a reader at `from` out of what was read behind that position.
///
/// The position of an entry covers everything before the next wanted one of its origin, so that a
/// reader who stops there is never said to have missed what it does not want.
#[must_use]
pub fn merge<T>(from: Vector, origins: Vec<OriginPage<T>>, limits: MergeLimits) -> MergedPage<T> {
    let mut page = MergedPage {
        given: Vec::new(),
        position: from,
        at_end: true,
    };
    let mut bytes = 0_usize;
    let mut queues = Vec::with_capacity(origins.len());
    for origin in origins {
        page.at_end &= origin.at_end;
        if origin.found.is_empty() {
            page.position.set(&origin.origin, origin.through);
        }
        queues.push(Queue {
            origin: origin.origin,
            entries: origin.found.into_iter().peekable(),
            through: origin.through,
        });
    }
    while let Some(queue) = earliest(&mut queues) {
        let Some(next) = queue.entries.peek() else {
            break;
        };
        bytes = bytes.saturating_add(next.bytes);
        let cut = page.given.len() >= limits.entries || bytes > limits.bytes;
        if cut && !page.given.is_empty() {
            page.at_end = false;
            break;
        }
        let Some(entry) = queue.entries.next() else {
            break;
        };
        let after = queue.entries.peek();
        let mark = after.map_or(queue.through, |after| after.place.before());
        page.position.set(&queue.origin, mark);
        page.given.push(Given {
            item: entry.item,
            position: page.position.clone(),
        });
    }
    page
}

struct Queue<T> {
    origin: String,
    entries: std::iter::Peekable<std::vec::IntoIter<OriginEntry<T>>>,
    through: Place,
}

/// The origin whose next entry is the oldest; of equals the first.
fn earliest<T>(queues: &mut [Queue<T>]) -> Option<&mut Queue<T>> {
    let waiting = queues.iter_mut().filter_map(|queue| {
        let time = queue.entries.peek()?.time;
        Some((time, queue))
    });
    waiting
        .min_by_key(|(time, _)| *time)
        .map(|(_, queue)| queue)
}
