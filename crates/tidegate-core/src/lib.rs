//! The pure machines of Tidegate: the frame log, the receive core and the polling machine.

pub mod log;
pub mod poll;
mod random;
pub mod receive;
pub mod view;
