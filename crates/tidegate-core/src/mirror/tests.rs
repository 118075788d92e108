//! Mirrors against origins that go on, go backwards, begin anew, lie and stand still.

mod messages;
mod origin;
mod rules;
mod world;
