//! Keys and values of the flows that deliver.

use std::collections::BTreeSet;

use bytes::Bytes;
use tidegate_core::deliver::Restored;
use tidegate_core::log::entry::{Entry, HeldLane, Retrying, decode_entry, encode_entry};
use tidegate_types::id::EventId;
use tidegate_types::position::Place;

use crate::views::codec::{PLACE_BYTES, place, read_place};

/// The flow and its shard.
pub(super) fn key(flow: &str, shard: u16) -> Vec<u8> {
    let mut out = flow.as_bytes().to_vec();
    out.extend_from_slice(&shard.to_be_bytes());
    out
}

pub(super) fn read_key(bytes: &[u8]) -> Option<(String, u16)> {
    let (flow, shard) = bytes.split_last_chunk()?;
    let flow = std::str::from_utf8(flow).ok()?;
    Some((flow.to_owned(), u16::from_be_bytes(*shard)))
}

pub(super) fn restored(restored: &Restored) -> Vec<u8> {
    let mut out = place(&restored.low).to_vec();
    count(&mut out, restored.done.len());
    for at in &restored.done {
        out.extend_from_slice(&place(at));
    }
    count(&mut out, restored.set_aside.len());
    for fault in &restored.set_aside {
        out.extend_from_slice(fault.as_bytes());
    }
    count(&mut out, restored.held.len());
    for lane in &restored.held {
        count(&mut out, lane.key.len());
        out.extend_from_slice(lane.key.as_bytes());
        out.extend_from_slice(&place(&lane.from));
        out.push(u8::from(lane.blocked.is_some()));
        out.extend(lane.blocked.iter().flat_map(EventId::as_bytes));
    }
    count(&mut out, restored.retrying.len());
    for retrying in &restored.retrying {
        let entry = encode_entry(&Entry::Retrying(Box::new(retrying.clone())));
        count(&mut out, entry.as_bytes().len());
        out.extend_from_slice(entry.as_bytes());
    }
    out
}

pub(super) fn read_restored(bytes: &[u8]) -> Option<Restored> {
    let mut fields = Fields(bytes);
    let low = fields.place()?;
    let done = fields.list(Fields::place)?;
    let set_aside = fields.list(Fields::id)?;
    let held = fields.list(Fields::lane)?;
    let retrying = fields.list(Fields::retrying)?;
    fields.0.is_empty().then(|| Restored {
        begun: true,
        low,
        done: done.into_iter().collect(),
        retrying,
        held,
        set_aside: set_aside.into_iter().collect::<BTreeSet<_>>(),
    })
}

/// What is left to read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn count(&mut self) -> Option<usize> {
        let bytes = self.take(4)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(bytes)).ok()
    }

    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..self.count()?).map(|_| read(self)).collect()
    }

    fn place(&mut self) -> Option<Place> {
        read_place(self.take(PLACE_BYTES)?)
    }

    fn id(&mut self) -> Option<EventId> {
        Some(EventId::from_bytes(self.take(16)?.try_into().ok()?))
    }

    fn lane(&mut self) -> Option<HeldLane> {
        let length = self.count()?;
        let key = std::str::from_utf8(self.take(length)?).ok()?.to_owned();
        let from = self.place()?;
        let blocked = match self.take(1)? {
            [0] => None,
            [1] => Some(self.id()?),
            _ => return None,
        };
        Some(HeldLane { key, from, blocked })
    }

    fn retrying(&mut self) -> Option<Retrying> {
        let length = self.count()?;
        let bytes = Bytes::copy_from_slice(self.take(length)?);
        match decode_entry(&bytes).ok()? {
            Entry::Retrying(retrying) => Some(*retrying),
            _ => None,
        }
    }
}

fn count(out: &mut Vec<u8>, count: usize) {
    // All of it is bounded by the window of the flow, far below.
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    out.extend_from_slice(&count.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidegate_core::log::entry::Blame;
    use tidegate_types::position::{FrameNumber, Incarnation};
    use tidegate_types::time::UnixMillis;

    use super::*;

    fn any_place() -> impl Strategy<Value = Place> {
        any::<(u64, u64, u32)>().prop_map(|(incarnation, frame, index)| Place {
            incarnation: Incarnation(incarnation),
            frame: FrameNumber(frame),
            index,
        })
    }

    fn any_id() -> impl Strategy<Value = EventId> {
        any::<[u8; 16]>().prop_map(EventId::from_bytes)
    }

    fn any_retrying() -> impl Strategy<Value = Retrying> {
        let numbers = any::<(u32, u32, u64, u64, u16, u64)>();
        (any_place(), any_id(), "[a-z]{0,9}", numbers).prop_map(|(place, id, text, numbers)| {
            Retrying {
                flow: "flow".to_owned(),
                shard: numbers.4,
                place,
                id,
                key: text.clone(),
                attempts: numbers.0,
                sent: numbers.1,
                since: UnixMillis(numbers.2),
                next: UnixMillis(numbers.3),
                blame: Blame::Them,
                status: numbers.4,
                text,
                time: UnixMillis(numbers.5),
            }
        })
    }

    fn any_lane() -> impl Strategy<Value = HeldLane> {
        let lane = ("\\PC{0,20}", any_place(), proptest::option::of(any_id()));
        lane.prop_map(|(key, from, blocked)| HeldLane { key, from, blocked })
    }

    fn any_restored() -> impl Strategy<Value = Restored> {
        let some = 0..5_usize;
        let lists = (
            proptest::collection::btree_set(any_place(), some.clone()),
            proptest::collection::vec(any_retrying(), some.clone()),
            proptest::collection::vec(any_lane(), some.clone()),
            proptest::collection::btree_set(any_id(), some),
        );
        (any_place(), lists).prop_map(|(low, (done, retrying, held, set_aside))| Restored {
            begun: true,
            low,
            done,
            retrying,
            held,
            set_aside,
        })
    }

    proptest! {
        #[test]
        fn values_round_trip(value in any_restored(), flow in "[a-z-]{1,63}", shard: u16) {
            prop_assert_eq!(read_restored(&restored(&value)), Some(value));
            prop_assert_eq!(read_key(&key(&flow, shard)), Some((flow, shard)));
        }

        #[test]
        fn any_bytes_are_refused_or_read(value in any_restored(), cut: prop::sample::Index, bytes: Vec<u8>) {
            let _ = (read_restored(&bytes), read_key(&bytes));
            let whole = restored(&value);
            let cut = cut.index(whole.len());
            prop_assert_eq!(read_restored(&whole[..cut]), None);
        }
    }
}
