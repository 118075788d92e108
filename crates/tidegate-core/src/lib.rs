//! The pure machines of Tidegate: the frame log, the receive core, the polling machine and the feeds.

pub mod feed;
pub mod log;
pub mod poll;
mod random;
pub mod receive;
pub mod view;
