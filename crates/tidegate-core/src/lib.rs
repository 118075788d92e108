//! The pure machines of Tidegate: the frame log, the receive core, the machines of polling and of
//! delivery, and the feeds.

pub mod deliver;
pub mod feed;
pub mod log;
pub mod poll;
mod random;
pub mod receive;
pub mod view;
