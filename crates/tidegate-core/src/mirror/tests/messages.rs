//! The form of answers.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tidegate_types::position::FrameNumber;

use super::origin::Origin;
use crate::log::codec::FieldError;
use crate::log::frame::FrameError;
use crate::mirror::message::{MessageError, answer_bytes_max, decode, encode};
use crate::mirror::{Answer, Ask};

fn sample() -> Answer {
    let mut origin = Origin::new();
    origin.append(3);
    origin.begin_life();
    origin.append(2);
    let ask = Ask {
        incarnation: Some(origin.lives[0].incarnation),
        after: FrameNumber(1),
        hash: None,
        bytes_max: 1000,
        wait: Duration::ZERO,
        until: Duration::ZERO,
    };
    let mut answer = origin.answer(&ask, 10);
    answer.waited = Duration::from_millis(250);
    answer
}

#[test]
fn an_answer_round_trips() {
    let answer = sample();
    assert_eq!(answer.frames.len(), 2);
    let bytes = Bytes::from(encode(&answer));
    assert!(bytes.len() <= answer_bytes_max(0));
    assert_eq!(decode(&bytes), Ok(answer));
}

#[test]
fn what_is_no_answer_says_so() {
    let whole = encode(&sample());
    let changed = |at: usize, to: u8| {
        let mut bytes = whole.clone();
        bytes[at] = to;
        decode(&Bytes::from(bytes)).unwrap_err()
    };
    assert_eq!(changed(0, b'X'), MessageError::Magic);
    assert_eq!(changed(4, 9), MessageError::Version(9));
    assert!(matches!(changed(18, 1), MessageError::Lives(_)));
    let last = whole.len() - 1;
    assert_eq!(
        changed(last, whole[last] ^ 1),
        MessageError::Frame(FrameError::Checksum)
    );
    let mut longer = whole.clone();
    longer.push(0);
    assert_eq!(
        decode(&Bytes::from(longer)),
        Err(MessageError::Field(FieldError::Trailing))
    );
}

proptest! {
    #[test]
    fn any_part_of_an_answer_is_refused(cut in 0_usize..2000) {
        let whole = encode(&sample());
        let cut = cut % whole.len();
        prop_assert!(decode(&Bytes::copy_from_slice(&whole[..cut])).is_err());
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), front: bool) {
        let mut all = if front { b"TGP1\x01".to_vec() } else { Vec::new() };
        all.extend(bytes);
        if let Ok(answer) = decode(&Bytes::from(all.clone())) {
            prop_assert_eq!(encode(&answer), all);
        }
    }
}
