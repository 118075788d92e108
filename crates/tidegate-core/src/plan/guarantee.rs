//! What holds: loss, duplicates and order, as codes.
//!
//! A guarantee has one code for each thing that can happen, and nothing if none can: `L0`, `D0`. Codes are
//! bounds before anything is dropped by its id or key.

use std::collections::BTreeSet;
use std::fmt;

/// A way in which an event is not where it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LossCode {
    /// `L0r`: not, if the sender sends again, or lists, for longer than the outage.
    IfRetried,
    /// `Lt`: late, until the region that alone has it is back; lost only with its disk.
    Late,
    /// `Lx`: lost on their side, within their own recovery point.
    Theirs,
}

/// A way in which an event comes twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DuplicateCode {
    /// `Di`: at most what was under way.
    InFlight,
    /// `Dt`: at most what was under way, and receipts or the cursor that no other region had yet.
    Unmirrored,
    /// `Dw`: what is sent or read again on purpose, after their side went back in time.
    Window,
    /// `D2`: everything, by design.
    Everything,
}

/// What becomes of the order of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// `Ok`: kept.
    Kept,
    /// `Ok†`: kept if the shards were handed over sealed, or the lock-delay was waited.
    KeptIfSealed,
    /// `On`: none is promised.
    NotPromised,
}

/// The ways in which events are not where they should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loss(BTreeSet<LossCode>);

/// The ways in which events come twice; none of them is part of another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Duplicates(BTreeSet<DuplicateCode>);

/// What holds for a flow in a disruption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarantees {
    /// Loss.
    pub loss: Loss,
    /// Duplicates.
    pub duplicates: Duplicates,
    /// Order.
    pub order: Order,
}

impl LossCode {
    /// The code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::IfRetried => "L0r",
            Self::Late => "Lt",
            Self::Theirs => "Lx",
        }
    }
}

impl DuplicateCode {
    /// The code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InFlight => "Di",
            Self::Unmirrored => "Dt",
            Self::Window => "Dw",
            Self::Everything => "D2",
        }
    }

    /// Whether whatever comes twice by `other` does so by this one as well.
    const fn includes(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::Everything, _) | (Self::Unmirrored | Self::Window, Self::InFlight)
        ) || self as u8 == other as u8
    }
}

impl Order {
    /// The code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Kept => "Ok",
            Self::KeptIfSealed => "Ok†",
            Self::NotPromised => "On",
        }
    }
}

impl Loss {
    /// Whether the code is one of them.
    #[must_use]
    pub fn has(&self, code: LossCode) -> bool {
        self.0.contains(&code)
    }

    /// Whether more can be lost than under `other`.
    #[must_use]
    pub fn exceeds(&self, other: &Self) -> bool {
        !self.0.is_subset(&other.0)
    }

    pub(super) fn add(&mut self, code: LossCode) {
        self.0.insert(code);
    }
}

impl Duplicates {
    /// Whether the code is one of them.
    #[must_use]
    pub fn has(&self, code: DuplicateCode) -> bool {
        self.0.contains(&code)
    }

    /// Whether nothing comes twice.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether something may come twice that may not under `other`.
    #[must_use]
    pub fn exceeds(&self, other: &Self) -> bool {
        let covered = |code: &DuplicateCode| other.0.iter().any(|it| it.includes(*code));
        !self.0.iter().all(covered)
    }

    pub(super) fn add(&mut self, code: DuplicateCode) {
        if !self.0.iter().any(|it| it.includes(code)) {
            self.0.retain(|it| !code.includes(*it));
            self.0.insert(code);
        }
    }
}

impl Guarantees {
    /// Nothing lost, nothing twice, everything in order.
    #[must_use]
    pub fn full() -> Self {
        Self {
            loss: Loss::default(),
            duplicates: Duplicates::default(),
            order: Order::Kept,
        }
    }

    /// What holds for two sets of shards together: the worse of everything.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.loss.0.extend(&other.loss.0);
        for code in &other.duplicates.0 {
            self.duplicates.add(*code);
        }
        self.order = self.order.max(other.order);
        self
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        joined(f, "L0", self.0.iter().map(|it| it.code()))
    }
}

impl fmt::Display for Duplicates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        joined(f, "D0", self.0.iter().map(|it| it.code()))
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for Guarantees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}·{}·{}", self.loss, self.duplicates, self.order)
    }
}

fn joined(
    f: &mut fmt::Formatter<'_>,
    none: &str,
    codes: impl Iterator<Item = &'static str>,
) -> fmt::Result {
    let mut separator = "";
    for code in codes {
        write!(f, "{separator}{code}")?;
        separator = "+";
    }
    if separator.is_empty() {
        f.write_str(none)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_within_others_are_not_said_beside_them() {
        let mut duplicates = Duplicates::default();
        assert_eq!(duplicates.to_string(), "D0");
        duplicates.add(DuplicateCode::InFlight);
        assert_eq!(duplicates.to_string(), "Di");
        duplicates.add(DuplicateCode::Unmirrored);
        duplicates.add(DuplicateCode::InFlight);
        assert_eq!(duplicates.to_string(), "Dt");
        duplicates.add(DuplicateCode::Window);
        assert_eq!(duplicates.to_string(), "Dt+Dw");
        duplicates.add(DuplicateCode::Everything);
        assert_eq!(duplicates.to_string(), "D2");
    }

    #[test]
    fn together_the_worse_holds_and_exceeds_each() {
        let mut late = Guarantees::full();
        late.loss.add(LossCode::Late);
        let mut again = Guarantees::full();
        again.duplicates.add(DuplicateCode::Window);
        again.order = Order::KeptIfSealed;
        let both = late.clone().and(&again);
        assert_eq!(both.to_string(), "Lt·Dw·Ok†");
        assert_eq!(both, again.clone().and(&late));
        assert!(both.loss.exceeds(&again.loss) && !both.loss.exceeds(&late.loss));
        assert!(both.duplicates.exceeds(&late.duplicates));
        assert!(!both.duplicates.exceeds(&again.duplicates));
        let mut in_flight = Duplicates::default();
        in_flight.add(DuplicateCode::InFlight);
        assert!(!in_flight.exceeds(&again.duplicates));
    }
}
