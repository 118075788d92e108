//! The simulated world: virtual time, lossy disks, many seeds, on the cores alone.
//!
//! [`world::run`] plays one [`scenario::Scenario`] from one seed: external systems send, retry and
//! repeat; one region's node drives the log and the receive core as the real hub does, with views
//! that lag behind; subscribers read and acknowledge; consumers fetch feeds; processes are killed, power fails, disks
//! fill, fail and tear, clocks step back. After every step the [rules](report::Rule) hold, or the
//! run ends with a violation and the steps before it. [`seeds::Seeds`] plays many seeds and also
//! fails when they did too little: too short, too few acknowledged events, a kind of fault or a
//! named situation that never came.
//!
//! The same scenario and seed give the same run, step by step. Nothing here does I/O, reads a
//! clock or draws from a random source of its own.
//!
//! A further flow or region is one more actor: a file beside `sender` with its state, its steps
//! in the closed list of `context`, and its promises in `invariants`.

mod consumer;
mod context;
mod deliverer;
mod disk;
mod faults;
mod feed;
mod invariants;
mod item;
mod node;
mod parker;
mod poller;
mod random;
pub mod report;
pub mod scenario;
pub mod seeds;
mod sender;
mod subscriber;
pub mod world;
