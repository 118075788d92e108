//! The pure machines of Tidegate: the frame log, the receive core, the machines of polling and of
//! delivery, the feeds, the books, the parks, the lease, the decision which region acts, and the mirrors
//! of other regions' logs.

pub mod books;
pub mod deliver;
pub mod feed;
pub mod lease;
pub mod log;
pub mod mirror;
pub mod park;
pub mod plan;
pub mod poll;
mod random;
pub mod receive;
pub mod region;
pub mod view;
