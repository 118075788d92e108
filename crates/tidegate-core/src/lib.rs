//! The pure machines of Tidegate: the frame log and the receive core.

pub mod log;
pub mod receive;
pub mod view;
