//! Identifiers that are the same in every region.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// Root namespace of all Tidegate identifiers: UUIDv5 of the DNS namespace and `tidegate`.
/// It must never change, or every event would get a new identity.
const ROOT: Uuid = Uuid::from_u128(0xda7c_64c0_7f5f_5a1d_bd94_e86f_c6b3_6e2f);

/// The namespace of one flow of one subsystem, from which its event ids are made.
///
/// Computed once per flow, since it is the same for all its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowNamespace(Uuid);

impl FlowNamespace {
    /// `UUIDv5(ROOT, subsystem "/" flow)`.
    #[must_use]
    pub fn new(subsystem: &str, flow: &str) -> Self {
        Self(Uuid::new_v5(
            &ROOT,
            format!("{subsystem}/{flow}").as_bytes(),
        ))
    }
}

/// Identity of an event (or of a fault), the same whichever region computes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId([u8; 16]);

impl EventId {
    /// `UUIDv5(UUIDv5(ROOT, subsystem/flow), external id)`: RFC 9562, section 5.5.
    #[must_use]
    pub fn derive(namespace: &FlowNamespace, external_id: &str) -> Self {
        Self(*Uuid::new_v5(&namespace.0, external_id.as_bytes()).as_bytes())
    }

    /// An identity made from another one: `UUIDv5(this id, name)`, for what follows from an event.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        Self(*Uuid::new_v5(&Uuid::from_bytes(self.0), name.as_bytes()).as_bytes())
    }

    /// The identity with these bytes, as read from the log.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The sixteen bytes, most significant first.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).hyphenated().fmt(f)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EventId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Uuid::try_parse(text)
            .map(|id| Self(*id.as_bytes()))
            .map_err(|_| InvalidId)
    }
}

/// The text is not an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is a UUID such as 6f1e3c0a-52c5-5f6b-9b35-0d2a1f7f1c55")]
pub struct InvalidId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_flow_and_external_id_give_the_same_id() {
        let namespace = FlowNamespace::new("orders", "github-events");
        let id = EventId::derive(&namespace, "72d3162e-cc78-11e3-81ab-4c9367dc0958");
        assert_eq!(
            id,
            EventId::derive(
                &FlowNamespace::new("orders", "github-events"),
                "72d3162e-cc78-11e3-81ab-4c9367dc0958"
            )
        );
        assert_ne!(
            id,
            EventId::derive(&namespace, "72d3162e-cc78-11e3-81ab-4c9367dc0959")
        );
        assert_ne!(
            id,
            EventId::derive(
                &FlowNamespace::new("orders", "stripe"),
                "72d3162e-cc78-11e3-81ab-4c9367dc0958"
            )
        );
    }

    #[test]
    fn the_identity_never_changes() {
        // Frozen: other regions and older logs hold ids made by this very rule.
        let id = EventId::derive(&FlowNamespace::new("orders", "github-events"), "1");
        assert_eq!(id.to_string(), FROZEN);
        assert_eq!(FROZEN.parse(), Ok(id));
    }

    // Computed by CPython's uuid.uuid5, not by this crate.
    const FROZEN: &str = "575e3057-2fde-5998-8fc9-771348a07783";
}
