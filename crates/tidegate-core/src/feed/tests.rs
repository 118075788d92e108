//! The serving rules, over worlds of several origins and regions.

mod rules;
mod world;
