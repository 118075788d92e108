//! Proofs that take too long for every change: crashes, power loss, many seeds.
//!
//! A proof is a file in `prove/` with `pub(crate) const ITEM: Item` and one line below. It states
//! the least amount of work that counts (kills, acknowledged events, virtual time) and fails when
//! it did less.

use crate::catalogue::Item;

/// All proofs, in the order in which they are listed.
pub(crate) const PROOFS: &[Item] = &[];
