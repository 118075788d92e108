//! What is configured of a shard: who may own it, and which ways lead to the other side.

use std::fmt;

/// The most regions of a subsystem. A set of regions is the bits of a `u16`; no cloud provider has
/// more regions that one team would run the same services in.
pub const REGIONS_MAX: usize = 16;

/// The most endpoints of an external system that a decision chooses from, so that a view is a small
/// value without an allocation.
pub const ENDPOINTS_MAX: usize = 16;

macro_rules! place {
    ($(#[$doc:meta])* $name:ident, $most:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u8);

        impl $name {
            /// The one at this place; `None` if there can be no such place.
            #[must_use]
            pub const fn new(index: u8) -> Option<Self> {
                if (index as usize) < $most { Some(Self(index)) } else { None }
            }

            /// Its place.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }

            /// All that there can be, in order.
            pub fn all() -> impl Iterator<Item = Self> {
                (0..=u8::MAX).map_while(Self::new)
            }
        }
    };
}

place! {
    /// One of our regions: its place in the configuration, below [`REGIONS_MAX`].
    RegionId, REGIONS_MAX
}

place! {
    /// One of an external system's endpoints: its place in the configuration, below [`ENDPOINTS_MAX`].
    EndpointId, ENDPOINTS_MAX
}

/// A set of our regions.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct RegionSet(u16);

impl RegionSet {
    /// No region.
    pub const EMPTY: Self = Self(0);
    /// Every region that there can be.
    pub const ALL: Self = Self(u16::MAX);

    /// Whether it has the region.
    #[must_use]
    pub const fn contains(self, region: RegionId) -> bool {
        self.0 & Self::bit(region) != 0
    }

    /// This set and the region.
    #[must_use]
    pub const fn with(self, region: RegionId) -> Self {
        Self(self.0 | Self::bit(region))
    }

    /// This set without the region.
    #[must_use]
    pub const fn without(self, region: RegionId) -> Self {
        Self(self.0 & !Self::bit(region))
    }

    /// What both have.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What either has.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of it is in the other set.
    #[must_use]
    pub const fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// How many there are.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The regions in order.
    pub fn iter(self) -> impl Iterator<Item = RegionId> {
        RegionId::all().filter(move |region| self.contains(*region))
    }

    const fn bit(region: RegionId) -> u16 {
        1 << region.0
    }
}

impl FromIterator<RegionId> for RegionSet {
    fn from_iter<I: IntoIterator<Item = RegionId>>(regions: I) -> Self {
        regions.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Debug for RegionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.iter().map(RegionId::index))
            .finish()
    }
}

/// Something for each pair of our region and their endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Grid<T>([[T; ENDPOINTS_MAX]; REGIONS_MAX]);

impl<T: Copy + Default> Grid<T> {
    /// What stands there.
    #[must_use]
    pub fn get(&self, region: RegionId, endpoint: EndpointId) -> T {
        let row = self.0.get(region.index());
        row.and_then(|row| row.get(endpoint.index()))
            .copied()
            .unwrap_or_default()
    }

    /// Puts something there.
    pub fn set(&mut self, region: RegionId, endpoint: EndpointId, value: T) {
        let row = self.0.get_mut(region.index());
        if let Some(place) = row.and_then(|row| row.get_mut(endpoint.index())) {
            *place = value;
        }
    }
}

/// How often a shard was taken. Of two acts for a shard the one with the higher epoch counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How far an endpoint is from a region; only compared, and less is nearer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Distance(pub u8);

impl Distance {
    /// The endpoint is near the region.
    pub const NEAR: Self = Self(0);
    /// It is not.
    pub const FAR: Self = Self(1);
}

/// How an external system with several active endpoints shares its data among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// Any endpoint takes and shows everything.
    Shared,
    /// Each endpoint has a part of its own, and this shard is the part of this one.
    Partitioned(EndpointId),
}

/// How the external system is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topology {
    /// One endpoint.
    Single,
    /// Exactly one endpoint is active; another one takes over after it was promoted.
    PrimarySecondary,
    /// All endpoints are active.
    ActiveActive(Sharing),
}

impl Topology {
    /// Whether this shard may ever use the endpoint.
    #[must_use]
    pub fn uses(self, endpoint: EndpointId) -> bool {
        match self {
            Self::ActiveActive(Sharing::Partitioned(part)) => endpoint == part,
            Self::Single | Self::PrimarySecondary | Self::ActiveActive(Sharing::Shared) => true,
        }
    }
}

/// Whether a shard goes back by itself to a region that is preferred over its owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FailBack {
    /// Once that region is stable and caught up.
    #[default]
    WhenStable,
    /// Only by an operator's pin or drain.
    ByOperator,
}

/// What is configured of one shard.
///
/// The decision is total over it: a region that is listed twice counts at its first place, and a
/// shard without a region that may own it is owned by nobody.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ShardConfig {
    /// The regions that may own it, the preferred one first.
    pub preferences: Vec<RegionId>,
    /// How the external system is built.
    pub topology: Topology,
    /// The pairs that have a way: a link, an address that they have allowed. Without one a pair is
    /// never used. The nearest usable endpoint is chosen, and of equally near ones the first.
    pub links: Grid<Option<Distance>>,
    /// The regions the flow's data may be in. A hard limit, for operators as well.
    pub allowed: RegionSet,
    /// Whether it goes back by itself.
    pub fail_back: FailBack,
}

impl ShardConfig {
    /// Whether this region has a way to any endpoint that the shard may use.
    #[must_use]
    pub fn is_linked(&self, region: RegionId) -> bool {
        self.endpoints_of(region).next().is_some()
    }

    /// The endpoints the shard may use from this region, in order.
    pub fn endpoints_of(&self, region: RegionId) -> impl Iterator<Item = EndpointId> {
        EndpointId::all().filter(move |endpoint| {
            self.topology.uses(*endpoint) && self.links.get(region, *endpoint).is_some()
        })
    }
}
