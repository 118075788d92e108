//! Keys and values of the views. Fixed widths, big-endian where order matters.

use bytes::Bytes;
use tidegate_core::log::entry::{Entry, FaultCause, Polled, decode_entry, encode_entry};
use tidegate_core::receive::fingerprint::Fingerprint;
use tidegate_core::receive::ledger::{Known, Outcome};
use tidegate_core::view::FaultSummary;
use tidegate_types::id::EventId;
use tidegate_types::position::{FrameNumber, Incarnation, Place};
use tidegate_types::time::UnixMillis;

/// Incarnation, frame, index.
pub(super) const PLACE_BYTES: usize = 20;

/// Fingerprint, place, outcome.
const KNOWN_BYTES: usize = 16 + PLACE_BYTES + 1;

/// Time and identity, so that faults are listed by time and a carried one keeps its key.
const FAULT_KEY_BYTES: usize = 24;

/// Behind every key of a fault.
pub(super) const FAULT_KEY_MAX: [u8; FAULT_KEY_BYTES] = [0xff; FAULT_KEY_BYTES];

pub(super) fn place(place: &Place) -> [u8; PLACE_BYTES] {
    let mut out = [0; PLACE_BYTES];
    out[..8].copy_from_slice(&place.incarnation.0.to_be_bytes());
    out[8..16].copy_from_slice(&place.frame.0.to_be_bytes());
    out[16..].copy_from_slice(&place.index.to_be_bytes());
    out
}

pub(super) fn read_place(bytes: &[u8]) -> Option<Place> {
    let (incarnation, rest) = bytes.split_first_chunk()?;
    let (frame, rest) = rest.split_first_chunk()?;
    let index = rest.try_into().ok()?;
    Some(Place {
        incarnation: Incarnation(u64::from_be_bytes(*incarnation)),
        frame: FrameNumber(u64::from_be_bytes(*frame)),
        index: u32::from_be_bytes(index),
    })
}

pub(super) fn known(known: &Known) -> [u8; KNOWN_BYTES] {
    let mut out = [0; KNOWN_BYTES];
    out[..16].copy_from_slice(&known.fingerprint);
    out[16..16 + PLACE_BYTES].copy_from_slice(&place(&known.place));
    out[KNOWN_BYTES - 1] = match known.outcome {
        Outcome::Event => 0,
        Outcome::Fault => 1,
    };
    out
}

pub(super) fn read_known(bytes: &[u8]) -> Option<Known> {
    let (fingerprint, rest) = bytes.split_first_chunk::<16>()?;
    let (place, outcome) = rest.split_first_chunk::<PLACE_BYTES>()?;
    let outcome = match outcome {
        [0] => Outcome::Event,
        [1] => Outcome::Fault,
        _ => return None,
    };
    let fingerprint: Fingerprint = *fingerprint;
    Some(Known {
        fingerprint,
        place: read_place(place)?,
        outcome,
    })
}

pub(super) fn fault_key(fault: &FaultSummary) -> [u8; FAULT_KEY_BYTES] {
    fault_key_of(fault.time, &fault.id)
}

pub(super) fn fault_key_of(time: UnixMillis, id: &EventId) -> [u8; FAULT_KEY_BYTES] {
    let mut out = [0; FAULT_KEY_BYTES];
    out[..8].copy_from_slice(&time.0.to_be_bytes());
    out[8..].copy_from_slice(id.as_bytes());
    out
}

pub(super) fn fault(fault: &FaultSummary) -> Vec<u8> {
    let mut out = Vec::with_capacity(PLACE_BYTES + 1 + fault.flow.len());
    out.extend_from_slice(&place(&fault.place));
    out.push(fault.cause.code());
    out.extend_from_slice(fault.flow.as_bytes());
    out
}

pub(super) fn polled(polled: &Polled, at: Place) -> Vec<u8> {
    let entry = encode_entry(&Entry::Polled(Box::new(polled.clone())));
    [&place(&at), entry.as_bytes()].concat()
}

pub(super) fn read_polled(bytes: &[u8]) -> Option<(Polled, Place)> {
    let (place, entry) = bytes.split_first_chunk::<PLACE_BYTES>()?;
    match decode_entry(&Bytes::copy_from_slice(entry)) {
        Ok(Entry::Polled(polled)) => Some((*polled, read_place(place)?)),
        _ => None,
    }
}

pub(super) fn read_fault(key: &[u8], value: &[u8]) -> Option<FaultSummary> {
    let (time, id) = key.split_first_chunk()?;
    let (place, rest) = value.split_first_chunk::<PLACE_BYTES>()?;
    let (cause, flow) = rest.split_first()?;
    Some(FaultSummary {
        id: EventId::from_bytes(id.try_into().ok()?),
        place: read_place(place)?,
        flow: std::str::from_utf8(flow).ok()?.to_owned(),
        cause: FaultCause::from_code(*cause),
        time: UnixMillis(u64::from_be_bytes(*time)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_place() -> impl Strategy<Value = Place> {
        any::<(u64, u64, u32)>().prop_map(|(incarnation, frame, index)| Place {
            incarnation: Incarnation(incarnation),
            frame: FrameNumber(frame),
            index,
        })
    }

    proptest! {
        #[test]
        fn values_round_trip(at in any_place(), fingerprint: [u8; 16], fault_outcome: bool, time: u64, id: [u8; 16], flow in "[a-z-]{0,63}") {
            let outcome = if fault_outcome { Outcome::Fault } else { Outcome::Event };
            let entry = Known { fingerprint, place: at, outcome };
            prop_assert_eq!(read_known(&known(&entry)), Some(entry));
            let summary = FaultSummary {
                id: EventId::from_bytes(id),
                place: at,
                flow,
                cause: FaultCause::Mapping,
                time: UnixMillis(time),
            };
            let read = read_fault(&fault_key(&summary), &fault(&summary));
            prop_assert_eq!(read, Some(summary.clone()));
            let page = Polled {
                flow: summary.flow,
                number: time,
                time: UnixMillis(time),
                cursor: Bytes::copy_from_slice(&id),
                etag: String::new(),
                items: 1,
                faults: 0,
                filtered: 0,
                carried: fault_outcome,
            };
            prop_assert_eq!(read_polled(&polled(&page, at)), Some((page, at)));
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes: Vec<u8>) {
            let _ = (read_known(&bytes), read_place(&bytes), read_fault(&bytes, &bytes), read_polled(&bytes));
        }
    }
}
