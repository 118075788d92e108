//! What one run may use up: steps, depth of values, and stack.

use std::cell::Cell;

use jaq_core::Exn;
use jaq_json::{Num, Val};

use crate::error::{Failure, MapErrorKind};
use crate::limits::{INTEGER_BITS_MAX, STACK_BYTES, STEPS, VALUE_DEPTH_MAX};

/// Why a run was ended. It travels through the interpreter as the exit code of a halt, which no
/// expression can catch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Overrun {
    /// Too many steps.
    Steps = 1,
    /// A value is nested too deeply.
    Depth = 2,
    /// Too much of the stack.
    Stack = 3,
    /// An integer with too many digits.
    Integer = 4,
}

impl Overrun {
    /// The exception that ends the run.
    pub(crate) fn exn<'a>(self) -> Exn<'a, Val> {
        Exn::halt(self as i32)
    }

    /// The failure that a halt with this exit code stands for.
    pub(crate) fn failure(code: i32) -> Failure {
        let (kind, text) = match code {
            1 => (
                MapErrorKind::Overrun,
                "the expression takes too many steps for this event",
            ),
            2 => (
                MapErrorKind::TooLarge,
                "the expression makes a value nested deeper than 256 levels",
            ),
            3 => (
                MapErrorKind::Overrun,
                "the expression nests its loops too deeply for this event",
            ),
            4 => (
                MapErrorKind::TooLarge,
                "the expression makes an integer of more than 4096 bits",
            ),
            _ => (MapErrorKind::Internal, "the interpreter ended the run"),
        };
        Failure::new(kind, text)
    }
}

/// The meter of one run.
#[derive(Debug)]
pub(crate) struct Meter {
    steps: Cell<u64>,
    /// Address of a local of the caller, to see how far down the stack a step is.
    base: usize,
}

impl Meter {
    /// A meter for a body of `body_bytes`, which is allowed one step more for each byte.
    pub(crate) fn new(body_bytes: usize) -> Self {
        let allowed = STEPS.saturating_add(u64::try_from(body_bytes).unwrap_or(u64::MAX));
        Self {
            steps: Cell::new(allowed),
            base: stack_address(),
        }
    }

    /// Uses up `steps`. Once it has failed it fails for ever.
    pub(crate) fn take(&self, steps: u64) -> Result<(), Overrun> {
        let Some(left) = self.steps.get().checked_sub(steps) else {
            self.steps.set(0);
            return Err(Overrun::Steps);
        };
        self.steps.set(left);
        if left == 0 {
            return Err(Overrun::Steps);
        }
        if self.base.abs_diff(stack_address()) > STACK_BYTES {
            return Err(Overrun::Stack);
        }
        Ok(())
    }

    /// Uses up one step for each node in `value`, and for every 16 bytes of strings.
    pub(crate) fn weigh(&self, value: &Val) -> Result<(), Overrun> {
        self.take(weight(value, self.steps.get())?)
    }

    /// Uses up the steps for a string or number; one for anything else.
    pub(crate) fn weigh_scalar(&self, value: &Val) -> Result<(), Overrun> {
        self.take(match value {
            Val::Arr(_) | Val::Obj(_) => 1,
            scalar => weight(scalar, u64::MAX)?,
        })
    }

    /// Uses up the steps for an operation that takes its operands `left` times `right`.
    pub(crate) fn weigh_product(&self, left: &Val, right: &Val) -> Result<(), Overrun> {
        let most = self.steps.get();
        self.take(weight(left, most)?.saturating_mul(weight(right, most)?))
    }
}

/// The number of nodes of `value` plus one for every 16 bytes of strings and 64 bits of integers.
/// Stops counting beyond `most`, since a value may hold the same part many times.
pub(crate) fn weight(value: &Val, most: u64) -> Result<u64, Overrun> {
    let mut sum = 0;
    add_weight(value, 0, most, &mut sum)?;
    Ok(sum)
}

fn add_weight(value: &Val, depth: usize, most: u64, sum: &mut u64) -> Result<(), Overrun> {
    if depth > VALUE_DEPTH_MAX {
        return Err(Overrun::Depth);
    }
    *sum += 1;
    match value {
        Val::Null | Val::Bool(_) => {}
        Val::Num(Num::BigInt(int)) => {
            if int.bits() > INTEGER_BITS_MAX {
                return Err(Overrun::Integer);
            }
            *sum += int.bits() / 64;
        }
        Val::Num(_) => {}
        Val::BStr(bytes) | Val::TStr(bytes) => *sum += string_steps(bytes.len()),
        Val::Arr(items) => {
            for item in items.iter() {
                if *sum > most {
                    break;
                }
                add_weight(item, depth + 1, most, sum)?;
            }
        }
        Val::Obj(map) => {
            for (key, member) in map.iter() {
                if *sum > most {
                    break;
                }
                add_weight(key, depth + 1, most, sum)?;
                add_weight(member, depth + 1, most, sum)?;
            }
        }
    }
    Ok(())
}

/// The steps for handling a string of this length.
pub(crate) fn string_steps(bytes: usize) -> u64 {
    u64::try_from(bytes / 16).unwrap_or(u64::MAX)
}

/// An address close to the top of the stack as it is now.
#[inline(never)]
fn stack_address() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&here)).addr()
}
