//! What the proofs of kills and of power losses share: a real node under load, ended again and again,
//! and a checker that holds its log against everything that was answered.

mod around;
mod books;
mod breach;
mod checker;
mod consumer;
mod deliveries;
mod disk;
mod history;
mod http;
mod node;
mod polls;
mod random;
mod sender;
mod server;
mod sink;
mod source;
mod subscriber;
mod traffic;
mod trial;

pub(crate) use breach::Breach;
pub(crate) use node::{Node, Setup};
pub(crate) use random::Random;
pub(crate) use trial::{Plan, Tallied, Trial};
